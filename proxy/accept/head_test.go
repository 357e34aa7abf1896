package accept

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
)

// heads are requests up to where their fault shows; the rows are of edge.md.
var heads = []struct {
	name, head string
	want       *Fault
}{
	{"plain", "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", nil},
	{"HTTP/1.0 with Host", "GET / HTTP/1.0\r\nHost: a.test\r\n\r\n", nil},
	{"no space before a value", "GET / HTTP/1.1\r\nHost:a.test\r\n\r\n", nil},
	{"tabs around a value", "GET / HTTP/1.1\r\nHost:\t a.test \t\r\n\r\n", nil},
	{"empty value", "GET / HTTP/1.1\r\nHost: a.test\r\nX:\r\n\r\n", nil},
	{"bytes beyond ASCII in a value", "GET / HTTP/1.1\r\nHost: a.test\r\nX: \xe9\r\n\r\n", nil},
	{"bytes beyond ASCII in the target", "GET /\xc3\xa9 HTTP/1.1\r\nHost: a.test\r\n\r\n", nil},
	{"any method", "M-SEARCH * HTTP/1.1\r\nHost: a.test\r\n\r\n", nil},
	{"absolute form", "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n", nil},
	{"chunked in any case", "POST / HTTP/1.1\r\nHost: a.test\r\ntransfer-ENCODING: Chunked\r\n\r\n", nil},
	{"length", "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0012\r\n\r\n", nil},

	{"edge 1 length and chunked", "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n", faultBoth},
	{"edge 1 other order", "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n", faultBoth},
	{"edge 2 chunked in HTTP/1.0", "POST / HTTP/1.0\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n", faultOldCoding},
	{"edge 3 xchunked", "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: xchunked\r\n\r\n", faultCoding},
	{"edge 3 chunked, identity", "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked, identity\r\n\r\n", faultCoding},
	{"edge 3 gzip, chunked", "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", faultCoding},
	{"edge 3 two codings", "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", faultCoding},
	{"edge 3 empty coding", "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding:\r\n\r\n", faultCoding},
	{"edge 4 space before the colon", "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding : chunked\r\n\r\n", faultName},
	{"edge 4 VT before the value", "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: \x0bchunked\r\n\r\n", faultValue},
	{"edge 5 folded", "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding:\r\n chunked\r\n\r\n", faultFold},
	{"edge 7 plus", "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: +2\r\n\r\n", faultLength},
	{"edge 7 minus", "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: -2\r\n\r\n", faultLength},
	{"edge 7 empty", "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: \r\n\r\n", faultLength},
	{"edge 7 list", "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2, 2\r\n\r\n", faultLength},
	{"edge 7 underscore", "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1_0\r\n\r\n", faultLength},
	{"edge 7 overflow", "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 99999999999999999999\r\n\r\n", faultLength},
	{"edge 7 two different", "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n", faultLengths},
	{"edge 8 two alike", "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n", faultLengths},
	{"edge 12 bare LF", "GET / HTTP/1.1\r\nHost: a.test\nX: y\r\n\r\n", faultLineEnd},
	{"edge 12 bare LF in the request line", "GET / HTTP/1.1\nHost: a.test\r\n\r\n", faultLineEnd},
	{"edge 12 bare LF at the end", "GET / HTTP/1.1\r\nHost: a.test\r\n\n", faultLineEnd},
	{"edge 13 CR in a value", "GET / HTTP/1.1\r\nHost: a.test\r\nX: a\rb\r\n\r\n", faultValue},
	{"edge 13 CR CR LF", "GET / HTTP/1.1\r\nHost: a.test\r\nX: a\r\r\n\r\n", faultValue},
	{"edge 13 NUL in a value", "GET / HTTP/1.1\r\nHost: a.test\r\nX: a\x00b\r\n\r\n", faultValue},
	{"edge 13 no colon", "GET / HTTP/1.1\r\nHost: a.test\r\nX\r\n\r\n", faultName},
	{"edge 13 empty name", "GET / HTTP/1.1\r\nHost: a.test\r\n: x\r\n\r\n", faultName},
	{"edge 13 space before the first field", "GET / HTTP/1.1\r\n Host: a.test\r\n\r\n", faultFold},
	{"edge 15 HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", faultVersion},
	{"edge 23 empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", faultNoHost},
	{"edge 23 no Host", "GET / HTTP/1.1\r\n\r\n", faultNoHost},
	{"edge 23 HTTP/1.0 without Host", "GET / HTTP/1.0\r\n\r\n", faultNoHost},
	{"edge 25 two Hosts", "GET / HTTP/1.1\r\nHost: a.test\r\nhost: a.test\r\n\r\n", faultHosts},
	{"edge 49 many lines", "GET / HTTP/1.1\r\nHost: a.test\r\n" + strings.Repeat("X: y\r\n", maxLines) + "\r\n", faultHeadLines},
	{"edge 49 large", "GET / HTTP/1.1\r\nHost: a.test\r\nX: " + strings.Repeat("y", maxHead) + "\r\n\r\n", faultHeadSize},
	{"edge 49 large without an end", "GET /" + strings.Repeat("y", maxHead), faultHeadSize},

	{"HTTP/0.9", "GET /\r\n", faultRequestLine},
	{"HTTP/1.2", "GET / HTTP/1.2\r\nHost: a.test\r\n\r\n", faultVersion},
	{"HTTP/11.1", "GET / HTTP/11.1\r\nHost: a.test\r\n\r\n", faultRequestLine},
	{"http/1.1", "GET / http/1.1\r\nHost: a.test\r\n\r\n", faultRequestLine},
	{"two spaces", "GET  / HTTP/1.1\r\nHost: a.test\r\n\r\n", faultRequestLine},
	{"space in the target", "GET /a b HTTP/1.1\r\nHost: a.test\r\n\r\n", faultRequestLine},
	{"tab", "GET\t/ HTTP/1.1\r\nHost: a.test\r\n\r\n", faultRequestLine},
	{"space first", " GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", faultRequestLine},
	{"TLS", "\x16\x03\x01", faultRequestLine},
}

// However the network cuts a head, the verdict is the same.
func TestHead(t *testing.T) {
	for _, tt := range heads {
		t.Run(tt.name, func(t *testing.T) {
			for _, size := range []int{1, 2, 3, 7, 64, len(tt.head)} {
				end, fault := scanBy(tt.head, size)
				if fault != tt.want {
					t.Fatalf("size %d: fault %v, want %v", size, fault, tt.want)
				}
				if fault == nil && end != len(tt.head) {
					t.Fatalf("size %d: length %d, want %d", size, end, len(tt.head))
				}
			}
		})
	}
}

func scanBy(s string, size int) (end int, fault *Fault) {
	var h head
	for n := size; ; n += size {
		if end, fault = h.scan([]byte(s[:min(n, len(s))])); end > 0 || fault != nil || n >= len(s) {
			return end, fault
		}
	}
}

// What we take, net/http takes, and finds the same body in it.
func TestHeadAgrees(t *testing.T) {
	for _, tt := range heads {
		var h head
		if end, fault := h.scan([]byte(tt.head)); fault != nil || end == 0 {
			continue
		}
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(tt.head)))
		if err != nil {
			t.Errorf("%s: net/http says %v", tt.name, err)
			continue
		}
		if want := h.length; h.codings == 0 && r.ContentLength != want {
			t.Errorf("%s: length %d, want %d", tt.name, r.ContentLength, want)
		}
	}
}
