package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Visitors who read slowly do not hold what it takes to code their pages: 64 of
// them, with a page of 500 KB, let the whole process stay small. Origins that
// know the length of the page and those that send it in pieces make no difference.
func TestSlowReaders(t *testing.T) {
	const readers, limit = 64, 72 << 20 // 45 MiB of it for the program itself
	page := products(500 << 10)
	for _, name := range []string{"identity", "gzip", "br", "zstd"} {
		coding := codings[name]
		for _, whole := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, length known: %t", name, whole), func(t *testing.T) {
				var body bytes.Buffer
				w := coding.writer(&body)
				w.Write(page)
				w.Close()
				origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Content-Type", "text/html; charset=utf-8")
					if name != "identity" {
						w.Header().Set("Content-Encoding", name)
					}
					if whole {
						w.Header().Set("Content-Length", strconv.Itoa(body.Len()))
					}
					for rest := body.Bytes(); len(rest) > 0; {
						n := min(len(rest), 16<<10)
						w.Write(rest[:n])
						rest = rest[n:]
						if !whole {
							http.NewResponseController(w).Flush()
							time.Sleep(time.Millisecond)
						}
					}
				}))
				defer origin.Close()
				p := startProxy(t, origin.URL, "")
				defer p.kill()
				var reading sync.WaitGroup
				for range readers {
					reading.Go(func() { readSlowly(t, p.url, 2*time.Second) })
				}
				reading.Wait()
				peak := peakMemory(t, p.cmd.Process.Pid)
				t.Logf("%d bytes, %.1f MiB at the peak", body.Len(), float64(peak)/(1<<20))
				if peak > limit {
					t.Errorf("%d bytes at the peak", peak)
				}
			})
		}
	}
}

// products returns a page of about size bytes, of which a quarter is left when it is compressed.
func products(size int) []byte {
	random := rand.New(rand.NewPCG(5, 6))
	page := []byte("<!doctype html><html><head><title>Shoes</title></head><body>")
	for len(page) < size {
		page = fmt.Appendf(page, "<li class=product><a href=/products/%d>Shoe %016x</a><span class=price>%d.95 EUR</span></li>\n",
			random.IntN(1e6), random.Uint64(), random.IntN(300))
	}
	return page
}

// readSlowly asks for a page and reads it at 50 KB a second, until it ends or the time is over.
func readSlowly(t *testing.T, url string, d time.Duration) {
	address := strings.TrimPrefix(url, "http://")
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	conn.(*net.TCPConn).SetReadBuffer(8 << 10)
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\nAccept-Encoding: gzip, br, zstd\r\n\r\n", address)
	answer, err := http.ReadResponse(bufio.NewReaderSize(conn, 1000), nil)
	if err != nil {
		t.Error(err)
		return
	}
	var read int64
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		n, err := io.CopyN(io.Discard, answer.Body, 1000)
		read += n
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Errorf("%d bytes read, %v", read, err)
			return
		}
	}
}
