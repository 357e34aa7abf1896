package exchange

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// BenchmarkRoundTrip compares with net/http. The origin is as lean as can be: what
// is measured is nearly all ours.
func BenchmarkRoundTrip(b *testing.B) {
	const fields = "Server: origin\r\nDate: Mon, 23 Nov 2026 01:00:00 GMT\r\nContent-Type: text/html; charset=utf-8\r\n" +
		"Content-Encoding: gzip\r\nCache-Control: max-age=60\r\nEtag: \"1\"\r\nVary: Accept-Encoding\r\n"
	for _, size := range []int{5 << 10, 50 << 10} {
		page := strings.Repeat("x", size)
		for framing, answer := range map[string]string{
			"length": fmt.Sprintf("HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s", fields, size, page),
			"chunks": fmt.Sprintf("HTTP/1.1 200 OK\r\n%sTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", fields, size, page),
		} {
			bytes := []byte(answer)
			o := play(b, func(_ int64, c net.Conn, in *bufio.Reader) {
				for {
					line, err := in.ReadSlice('\n')
					if err != nil {
						return
					}
					if len(line) == 2 {
						c.Write(bytes)
					}
				}
			})
			standard := &http.Transport{DialContext: o.DialContext, DisableCompression: true, ResponseHeaderTimeout: o.ResponseHeaderTimeout}
			for name, tr := range map[string]http.RoundTripper{"own": o, "net": standard} {
				b.Run(fmt.Sprintf("%dKB/%s/%s", size>>10, framing, name), func(b *testing.B) {
					r, _ := http.NewRequestWithContext(b.Context(), "GET", "http://"+o.Addr+"/page", nil)
					r.Header = http.Header{"Accept": {"text/html"}, "Accept-Encoding": {"gzip, br"}, "User-Agent": {"Mozilla/5.0"}}
					buf := make([]byte, 32<<10)
					b.ReportAllocs()
					for b.Loop() {
						res, err := tr.RoundTrip(r)
						if err != nil {
							b.Fatal(err)
						}
						io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{res.Body}, buf)
						res.Body.Close()
					}
				})
			}
			standard.CloseIdleConnections()
		}
	}
}
