package admit

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

// received returns a request as a server hands it over.
func received(major int, method, target string, fields ...string) *http.Request {
	u, err := url.ParseRequestURI(target)
	if err != nil {
		u = &url.URL{Path: target}
	}
	r := &http.Request{
		Method: method, URL: u, RequestURI: target, Host: "a.test", Header: http.Header{}, Body: http.NoBody,
		ProtoMajor: major, RemoteAddr: "192.0.2.1:5", TLS: new(tls.ConnectionState),
	}
	if major == 1 {
		r.ProtoMinor = 1
	}
	for _, field := range fields {
		name, value, _ := strings.Cut(field, ": ")
		r.Header.Add(name, value)
	}
	return r
}

func withHost(r *http.Request, host string) *http.Request { r.Host = host; return r }
func withLength(r *http.Request, n int64) *http.Request   { r.ContentLength = n; return r }
func withBody(r *http.Request, body io.ReadCloser) *http.Request {
	r.Body = body
	return withLength(r, -1)
}

const webSocket = "Upgrade: websocket|Connection: keep-alive, Upgrade|Sec-Websocket-Version: 13|Sec-Websocket-Key: dGhlIHNhbXBsZSBub25jZQ=="

func TestCheck(t *testing.T) {
	tests := []struct {
		name string
		r    *http.Request
		want int // 0: comes in
	}{
		{"Get", received(1, "GET", "/"), 0},
		{"Get2", received(2, "GET", "/"), 0},
		{"Post", withLength(received(1, "POST", "/", "Content-Length: 4"), 4), 0},
		{"GetWithBody", withLength(received(1, "GET", "/", "Content-Length: 4"), 4), 0},
		{"HTTP10", func() *http.Request { r := received(1, "GET", "/"); r.ProtoMinor = 0; return r }(), 0},

		{"Edge9TwoLengths", withLength(received(2, "POST", "/", "Content-Length: 2", "Content-Length: 3"), 2), 400},
		{"Edge7BadLength", received(2, "POST", "/", "Content-Length: +2"), 400},
		{"Edge7LengthList", received(2, "POST", "/", "Content-Length: 2, 2"), 400},
		{"LengthWithoutBody", received(2, "POST", "/", "Content-Length: 5"), 400},
		{"LengthTwiceAlike", withLength(received(2, "POST", "/", "Content-Length: 2", "Content-Length: 2"), 2), 0},

		{"Edge14Connect", received(1, "CONNECT", "x:443"), 405},
		{"Edge14Connect2", received(2, "CONNECT", "x:443"), 405},
		{"Edge15Preface", received(2, "PRI", "*"), 405},
		{"Edge16Trace", received(1, "TRACE", "/"), 405},
		{"Edge44LowerCase", received(1, "get", "/"), 400},
		{"Edge44Odd", received(1, "G@T", "/"), 400},
		{"Edge44Long", received(1, strings.Repeat("A", 5000), "/"), 501},
		{"MethodWithSpace", received(2, "GET /x HTTP/1.1\r\n", "/"), 400},
		{"NoMethod", received(2, "", "/"), 400},
		{"Propfind", received(1, "PROPFIND", "/"), 0},
		{"Mkcalendar", received(1, "MKCALENDAR", "/"), 0},
		{"VersionControl", received(1, "VERSION-CONTROL", "/"), 0},

		{"Edge42Query", received(1, "GET", "/?a=1;b=2&%zz"), 0},
		{"Edge43Dots", received(1, "GET", "/a/../../etc"), 0},
		{"Edge43Encoded", received(1, "GET", "/%2e%2e%2f%00"), 0},
		{"Edge43Slashes", received(1, "GET", "//evil"), 0},
		{"Edge43Backslash", received(1, "GET", `/\`), 0},
		{"LongTarget", received(1, "GET", "/"+strings.Repeat("a", 8<<10)), 414},
		{"SpaceInPath", received(2, "GET", "/a HTTP/1.1"), 400},
		{"LineBreakInPath", received(2, "GET", "/a\r\nx: y"), 400},
		{"DelInPath", received(2, "GET", "/a\x7f"), 400},
		{"EmptyTarget", received(1, "GET", ""), 400},
		{"Asterisk", received(1, "OPTIONS", "*"), 0},
		{"AsteriskGet", received(1, "GET", "*"), 400},
		{"Edge30Asterisk", received(2, "GET", "*"), 400},
		{"Edge30AsteriskOptions", received(3, "OPTIONS", "*"), 400},
		{"Edge30Absolute", received(2, "GET", "http://evil/"), 400},
		{"Edge29Absolute", received(1, "GET", "http://a.test/x"), 0},
		{"AbsoluteSecure", received(1, "GET", "HTTPS://a.test"), 0},
		{"Edge29Gopher", received(1, "GET", "gopher://a.test/x"), 400},
		{"AbsoluteUser", received(1, "GET", "http://u@a.test/x"), 400},
		{"AbsoluteNoHost", received(1, "GET", "http:///x"), 400},
		{"AbsoluteOpaque", received(1, "GET", "http:x"), 400},
		{"NoSlash", received(1, "GET", "x"), 400},

		{"Edge23NoHost", withHost(received(1, "GET", "/"), ""), 400},
		{"Edge24NoAuthority", withHost(received(2, "GET", "/"), ""), 400},
		{"Edge25User", withHost(received(1, "GET", "/"), "x@a.test"), 400},
		{"Edge26Slash", withHost(received(2, "GET", "/"), "a.test/x"), 400},
		{"Edge27Port", withHost(received(1, "GET", "/"), "a.test:99999x"), 400},
		{"Edge27Comma", withHost(received(1, "GET", "/"), "a.test,b.test"), 400},
		{"Edge28Forms", withHost(received(1, "GET", "/"), "A.TEST.:443"), 0},
		{"Edge30Host", received(2, "GET", "/", "Host: b.test"), 400},
		{"Edge30HostTwice", received(2, "GET", "/", "Host: a.test", "Host: a.test"), 400},
		{"HostAlike", received(2, "GET", "/", "Host: A.test"), 0},
		{"Edge30Scheme", func() *http.Request { r := received(2, "GET", "/"); r.TLS = nil; return r }(), 400},

		{"Edge49Lines", received(2, "GET", "/", make([]string, 101)...), 431},
		{"HundredLines", received(2, "GET", "/", make([]string, 100)...), 0},
		{"Edge49Bytes", received(2, "GET", "/", "Cookie: "+strings.Repeat("a", 16<<10)), 431},
		{"Edge21LineBreak", received(2, "GET", "/", "X: a\r\nY: b"), 400},
		{"Edge13Null", received(2, "GET", "/", "X: a\x00"), 400},

		{"Edge18UpgradeWithBody", withLength(received(1, "POST", "/", "Upgrade: foo"), 4), 400},
		{"Edge18ChunkedUpgrade", withLength(received(1, "GET", "/", "Upgrade: websocket"), -1), 400},
		{"WebSocket", received(1, "GET", "/", strings.Split(webSocket, "|")...), 0},
		{"Edge17Upgrade", received(1, "GET", "/", "Upgrade: h2c"), 0},

		{"Edge19Expect", received(2, "POST", "/", "Expect: 200-ok"), 417},
		{"ExpectTwo", received(1, "POST", "/", "Expect: 100-continue, x"), 417},
		{"Edge20Expect", received(1, "POST", "/", "Expect: 100-Continue"), 0},

		{"FiveLoops", received(1, "GET", "/", "Cdn-Loop: ctlive, ctlive;a=b, CTLIVE", "Cdn-Loop: x, ctlive,ctlive"), 0},
		{"Edge34Loop", received(1, "GET", "/", "Cdn-Loop: ctlive, ctlive, ctlive, ctlive, ctlive,ctlive"), 508},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := new(Policy).Check(tt.r, Fault{}, true)
			if tt.want == 0 {
				if got != nil {
					t.Errorf("refused: %+v", got)
				}
				return
			}
			if got == nil || got.Status != tt.want || got.Reason == "" || got.Close != (tt.r.ProtoMajor == 1 || tt.r.Method == "PRI") || (got.Allow != "") != (tt.want == 405) {
				t.Errorf("got %+v, want %d", got, tt.want)
			}
		})
	}
}

// What was wrong on the wire comes first: everything else may be invented.
func TestCheckTakesFault(t *testing.T) {
	got := new(Policy).Check(received(1, "TRACE", "x"), Fault{400, "framing"}, true)
	if got == nil || *got != (Refusal{Status: 400, Reason: "framing", Close: true}) {
		t.Errorf("got %+v", got)
	}
}

// Edge 17: only a handshake that is complete keeps its upgrade.
func TestUpgradeIsStripped(t *testing.T) {
	tests := []struct {
		name   string
		change func(r *http.Request)
		kept   bool
	}{
		{"Complete", func(*http.Request) {}, true},
		{"AnyCase", func(r *http.Request) { r.Header.Set("Upgrade", "WebSocket"); r.Header.Set("Connection", "upgrade") }, true},
		{"H2C", func(r *http.Request) { r.Header.Set("Upgrade", "h2c") }, false},
		{"Two", func(r *http.Request) { r.Header.Set("Upgrade", "websocket, h2c") }, false},
		{"TwoLines", func(r *http.Request) { r.Header.Add("Upgrade", "h2c") }, false},
		{"Post", func(r *http.Request) { r.Method = "POST" }, false},
		{"HTTP10", func(r *http.Request) { r.ProtoMinor = 0 }, false},
		{"NoKey", func(r *http.Request) { r.Header.Del("Sec-WebSocket-Key") }, false},
		{"ShortKey", func(r *http.Request) { r.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25j") }, false},
		{"LongKey", func(r *http.Request) { r.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZXh4") }, false},
		{"BadKey", func(r *http.Request) { r.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25j!Q==") }, false},
		{"Version8", func(r *http.Request) { r.Header.Set("Sec-WebSocket-Version", "8") }, false},
		{"NotListed", func(r *http.Request) { r.Header.Set("Connection", "keep-alive") }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := received(1, "GET", "/", strings.Split(webSocket, "|")...)
			r.Header.Set("Http2-Settings", "AAMAAABk")
			tt.change(r)
			if refusal := new(Policy).Check(r, Fault{}, true); refusal != nil {
				t.Fatalf("refused: %+v", refusal)
			}
			if _, kept := r.Header["Upgrade"]; kept != tt.kept {
				t.Errorf("kept: %v", kept)
			}
		})
	}
}

// Edges 11 and 20.
func TestCheckRemoves(t *testing.T) {
	r := received(1, "POST", "/", "Expect: 100-continue")
	r.Trailer = http.Header{"X-Edge-Auth": nil}
	if refusal := new(Policy).Check(r, Fault{}, true); refusal != nil {
		t.Fatalf("refused: %+v", refusal)
	}
	if len(r.Header) > 0 || r.Trailer != nil {
		t.Errorf("left: %q, trailer %q", r.Header, r.Trailer)
	}
}

// Edge 65: a request without a body has none, and one with a body keeps it.
func TestBodyIsSettled(t *testing.T) {
	broken := errors.New("broken")
	tests := []struct {
		name, method string
		body         io.Reader
		length       int64
		want         string
		err          error
	}{
		{"None", "GET", strings.NewReader(""), 0, "", nil},
		{"Some", "GET", strings.NewReader("body"), -1, "body", nil},
		{"OneByte", "DELETE", strings.NewReader("b"), -1, "b", nil},
		{"Empty", "POST", strings.NewReader(""), -1, "", nil},
		{"Broken", "GET", io.MultiReader(&failing{broken}), -1, "", broken},
		{"BrokenLater", "GET", io.MultiReader(strings.NewReader("bo"), &failing{broken}), -1, "bo", broken},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := withBody(received(3, tt.method, "/"), io.NopCloser(tt.body))
			if refusal := new(Policy).Check(r, Fault{}, true); refusal != nil {
				t.Fatalf("refused: %+v", refusal)
			}
			got, err := io.ReadAll(r.Body)
			if string(got) != tt.want || err != tt.err || r.ContentLength != tt.length || (r.Body == http.NoBody) != (tt.length == 0) {
				t.Errorf("got %q, %v, length %d, body %T", got, err, r.ContentLength, r.Body)
			}
		})
	}
}

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }

// A browser's request, the whole way.
func BenchmarkBrowser(b *testing.B) {
	r := received(1, "GET", "/some/page?with=query",
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
		"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
		"Accept-Encoding: gzip, deflate, br, zstd", "Accept-Language: it-IT,it;q=0.9,en;q=0.8", "Cache-Control: max-age=0",
		"Sec-Ch-Ua: \"Chromium\";v=\"140\"", "Sec-Ch-Ua-Mobile: ?0", "Sec-Ch-Ua-Platform: \"Linux\"", "Sec-Fetch-Dest: document",
		"Sec-Fetch-Mode: navigate", "Sec-Fetch-Site: none", "Sec-Fetch-User: ?1", "Upgrade-Insecure-Requests: 1",
		"Referer: https://a.test/", "Cookie: "+strings.Repeat("name=value; ", 40))
	policy := &Policy{Trusted: prefixes("10.0.0.0/8", "192.168.0.0/16")}
	b.ReportAllocs()
	for b.Loop() {
		if policy.Check(r, Fault{}, true) != nil {
			b.Fatal("refused")
		}
		policy.Forward(r, policy.Identify(r))
	}
}

func Example() {
	policy := Policy{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}

	r := httptest.NewRequest("GET", "http://www.example.com/", nil)
	r.RemoteAddr = "10.0.0.5:41000" // our load balancer
	r.Header.Set("X-Forwarded-For", "6.6.6.6, 203.0.113.9")
	r.Header.Set("X-Real-IP", "6.6.6.6")
	fmt.Println(policy.Check(r, Fault{}, false) == nil)

	client := policy.Identify(r)
	fmt.Println(client.Addr, policy.Forward(r, client))

	r.Host = "www.example.com:99999"
	fmt.Println(*policy.Check(r, Fault{}, false))
	// Output:
	// true
	// 203.0.113.9 map[Cdn-Loop:[ctlive] X-Forwarded-For:[203.0.113.9] X-Forwarded-Host:[www.example.com] X-Forwarded-Proto:[http]]
	// {400 host true }
}
