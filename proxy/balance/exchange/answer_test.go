package exchange

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"reflect"
	"strings"
	"testing"
	"time"
)

// valid are answers, and what is in them.
var valid = []struct{ name, method, answer, body string }{
	{"length", "GET", okay, "ok"},
	{"length 0", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ""},
	{"chunks", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n0A\r\n0123456789\r\n0\r\n\r\n", "abc0123456789"},
	{"chunk extensions", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3; a=\"b c\"\r\nabc\r\n0;x\r\n\r\n", "abc"},
	{"padded chunk size", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3  \r\nabc\r\n0 \r\n\r\n", "abc"},
	{"trailers", "GET", "HTTP/1.1 200 OK\r\nTrailer: A, b\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\na: 1\r\nB: 2\r\nC: 3\r\n\r\n", "x"},
	{"until the end", "GET", "HTTP/1.1 200 OK\r\n\r\nall of it", "all of it"},
	{"HTTP/1.0", "GET", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok"},
	{"HTTP/1.0, kept", "GET", "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nok", "ok"},
	{"close", "GET", "HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 2\r\n\r\nok", "ok"},
	{"no reason", "GET", "HTTP/1.1 404\r\nContent-Length: 2\r\n\r\nno", "no"},
	{"bare LF", "GET", "HTTP/1.1 200 OK\nContent-Length: 2\nX:y\n\nok", "ok"},
	{"folded", "GET", "HTTP/1.1 200 OK\r\nX: a \r\n\t b\r\n  c: d\r\nY:\r\n e\r\nContent-Length: 2\r\n\r\nok", "ok"},
	{"folded, bare LF", "GET", "HTTP/1.1 200 OK\nX: a\n b\nContent-Length:\n 2\n\nok", "ok"},
	{"folded coding", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", "x"},
	{"trailer folded", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nA: b\r\n c\r\n\r\n", "x"},
	{"the same length thrice", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\ncontent-length:2 \r\nContent-Length: 2\r\n\r\nok", "ok"},
	{"HEAD, the same length twice", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nContent-Length: 9\r\n\r\n", ""},
	{"HEAD", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", ""},
	{"HEAD, chunks", "HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", ""},
	{"HEAD, nothing", "HEAD", "HTTP/1.1 200 OK\r\n\r\n", ""},
	{"204", "GET", "HTTP/1.1 204 No Content\r\n\r\n", ""},
	{"304 with length", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\nEtag: \"x\"\r\n\r\n", ""},
	{"after hints", "GET", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + okay, "ok"},
	{"names", "GET", "HTTP/1.1 299 \x80 odd\r\nset-cookie: a\r\nSET-COOKIE:  b \r\nX:\r\nx-y: \xff\tz\r\nContent-Length: 2\r\n\r\nok", "ok"},
	{"long header", "GET", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 40<<10) + "\r\nContent-Length: 2\r\n\r\nok", "ok"},
	{"long chunk", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4e20\r\n" + strings.Repeat("y", 20000) + "\r\n0\r\n\r\n", strings.Repeat("y", 20000)},
}

func TestAnswers(t *testing.T) {
	for _, c := range valid {
		for how, cut := range cuts {
			t.Run(c.name+"/"+how, func(t *testing.T) {
				for _, step := range []int{1, minDirect - 1, minDirect, 32 << 10} {
					res, body, err := hear(t, c.method, c.answer, cut, step)
					if err != nil || body != c.body {
						t.Fatalf("by %d: %d bytes, %v", step, len(body), err)
					}
					compare(t, c.method, c.answer, res, body)
				}
			})
		}
	}
}

// compare holds what we made of an answer against what net/http makes of it.
func compare(t *testing.T, method, answer string, res *http.Response, body string) {
	t.Helper()
	want, wantBody, err := standard(method, answer)
	if err != nil {
		t.Fatalf("net/http does not take it: %v", err)
	}
	if body != wantBody {
		t.Errorf("body %q, want %q", body, wantBody)
	}
	res.Header.Del("Connection") // net/http takes it out where it says close
	want.Header.Del("Connection")
	for _, c := range []struct {
		name      string
		got, want any
	}{
		{"status", res.Status, want.Status},
		{"code", res.StatusCode, want.StatusCode},
		{"proto", res.Proto, want.Proto},
		{"header", res.Header, want.Header},
		{"length", res.ContentLength, want.ContentLength},
		{"coding", len(res.TransferEncoding), len(want.TransferEncoding)},
		{"close", res.Close, want.Close},
		{"trailer", len(res.Trailer), len(want.Trailer)},
	} {
		if !reflect.DeepEqual(c.got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
		}
	}
	if len(want.Trailer) > 0 && !reflect.DeepEqual(res.Trailer, want.Trailer) {
		t.Errorf("trailer %v, want %v", res.Trailer, want.Trailer)
	}
}

// standard is what net/http makes of an answer, less what it adds.
func standard(method, answer string) (*http.Response, string, error) {
	in := bufio.NewReaderSize(strings.NewReader(answer), 1<<20)
	for {
		res, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			return nil, "", err
		}
		if res.StatusCode < 200 && res.StatusCode != http.StatusSwitchingProtocols {
			continue
		}
		if p := res.Header["Pragma"]; len(p) > 0 && p[0] == "no-cache" && !strings.Contains(strings.ToLower(answer), "cache-control") {
			delete(res.Header, "Cache-Control")
		}
		body, err := io.ReadAll(res.Body)
		maps.DeleteFunc(res.Trailer, func(name string, _ []string) bool { return isFraming(name) })
		return res, string(body), err
	}
}

func TestMalformed(t *testing.T) { // RFC 9112 5, 6.3, 7.1
	chunked := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	for _, c := range []struct {
		name, answer string
		is           error
	}{
		{"nothing", "", io.EOF},
		{"ends in the status line", "HTTP/1.1 20", io.ErrUnexpectedEOF},
		{"ends in the header", "HTTP/1.1 200 OK\r\nX: y\r\n", io.ErrUnexpectedEOF},
		{"ends in the body", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", io.ErrUnexpectedEOF},
		{"ends in a chunk", chunked + "3\r\nab", io.ErrUnexpectedEOF},
		{"ends after a chunk", chunked + "3\r\nabc\r\n", io.ErrUnexpectedEOF},
		{"ends in the trailers", chunked + "0\r\nA: b\r\n", io.ErrUnexpectedEOF},
		{"no HTTP", "SSH-2.0-OpenSSH_9.9\r\n\r\n", errMalformed},
		{"HTTP/2.0", "HTTP/2.0 200 OK\r\n\r\n", errMalformed},
		{"HTTP/1.2", "HTTP/1.2 200 OK\r\n\r\n", errMalformed},
		{"http/1.1", "http/1.1 200 OK\r\n\r\n", errMalformed},
		{"empty line first", "\r\n" + okay, errMalformed},
		{"two spaces", "HTTP/1.1  200 OK\r\n\r\n", errMalformed},
		{"code of two digits", "HTTP/1.1 20 OK\r\n\r\n", errMalformed},
		{"code of four digits", "HTTP/1.1 2000 OK\r\n\r\n", errMalformed},
		{"code with a sign", "HTTP/1.1 +20 OK\r\n\r\n", errMalformed},
		{"code below 100", "HTTP/1.1 099 OK\r\n\r\n", errMalformed},
		{"NUL in the reason", "HTTP/1.1 200 O\x00K\r\n\r\n", errMalformed},
		{"CR in the reason", "HTTP/1.1 200 O\rK\r\n\r\n", errMalformed},
		{"NUL in a value", "HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n", errMalformed},
		{"CR in a value", "HTTP/1.1 200 OK\r\nX: a\rY: b\r\n\r\n", errMalformed},
		{"two CR", "HTTP/1.1 200 OK\r\nX: a\r\r\n\r\n", errMalformed},
		{"DEL in a value", "HTTP/1.1 200 OK\r\nX: a\x7fb\r\n\r\n", errMalformed},
		{"folded into nothing", "HTTP/1.1 200 OK\r\nX: a\r\n \t\r\n\r\n", errMalformed},
		{"folded around nothing", "HTTP/1.1 200 OK\r\nX: a\r\n \r\n b\r\n\r\n", errMalformed},
		{"folded status line", "HTTP/1.1 200\r\n OK\r\n\r\n", errMalformed},
		{"folded name", "HTTP/1.1 200 OK\r\nX\r\n Y: a\r\n\r\n", errMalformed},
		{"folded before a colon", "HTTP/1.1 200 OK\r\nX\r\n : a\r\n\r\n", errMalformed},
		{"CR in a fold", "HTTP/1.1 200 OK\r\nX: a\r\r\n b\r\n\r\n", errMalformed},
		{"length folded in two", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n 2\r\n\r\nok", errMalformed},
		{"space before the first field", "HTTP/1.1 200 OK\r\n X: a\r\n\r\n", errMalformed},
		{"space before a colon", "HTTP/1.1 200 OK\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", errMalformed},
		{"no colon", "HTTP/1.1 200 OK\r\nX\r\n\r\n", errMalformed},
		{"no name", "HTTP/1.1 200 OK\r\n: x\r\n\r\n", errMalformed},
		{"name with a slash", "HTTP/1.1 200 OK\r\na/b: x\r\n\r\n", errMalformed},
		{"length and chunks", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", errMalformed},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", errMalformed},
		{"a third length", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", errMalformed},
		{"the same length, in two ways", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 02\r\n\r\nok", errMalformed},
		{"the same length twice, and chunks", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", errMalformed},
		{"list of lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok", errMalformed},
		{"length +2", "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok", errMalformed},
		{"length -2", "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok", errMalformed},
		{"length 0x2", "HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\nok", errMalformed},
		{"empty length", "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nok", errMalformed},
		{"length beyond 64 bits", "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551618\r\n\r\nok", errMalformed},
		{"gzip, chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", errMalformed},
		{"identity", "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nok", errMalformed},
		{"xchunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", errMalformed},
		{"two codings", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", errMalformed},
		{"empty coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n\r\nok", errMalformed},
		{"chunks in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", errMalformed},
		{"length announced as trailer", "HTTP/1.1 200 OK\r\nTrailer: Content-Length\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", errMalformed},
		{"switch that nobody asked for", "HTTP/1.1 101 Switching Protocols\r\n\r\n", errSwitch},
		{"chunk size empty", chunked + "\r\n\r\n", errMalformed},
		{"chunk size -1", chunked + "-1\r\n", errMalformed},
		{"chunk size 0x2", chunked + "0x2\r\nok\r\n0\r\n\r\n", errMalformed},
		{"chunk size 1_0", chunked + "1_0\r\n", errMalformed},
		{"chunk size too large", chunked + "1000000000000000\r\n", errMalformed},
		{"space before a chunk size", chunked + " 2\r\nok\r\n0\r\n\r\n", errMalformed},
		{"digits after a space", chunked + "2 2\r\nok\r\n0\r\n\r\n", errMalformed},
		{"bare LF after a chunk size", chunked + "2\nok\r\n0\r\n\r\n", errMalformed},
		{"bare CR after a chunk size", chunked + "2\rok\r\n0\r\n\r\n", errMalformed},
		{"bare LF in an extension", chunked + "2;a\nb\r\nok\r\n0\r\n\r\n", errMalformed},
		{"bare CR in an extension", chunked + "2;a\rb\r\nok\r\n0\r\n\r\n", errMalformed},
		{"NUL in an extension", chunked + "2;a\x00\r\nok\r\n0\r\n\r\n", errMalformed},
		{"chunk longer than its size", chunked + "2\r\nokay\r\n0\r\n\r\n", errMalformed},
		{"chunk without CRLF", chunked + "2\r\nok0\r\n\r\n", errMalformed},
		{"chunk with bare LF", chunked + "2\r\nok\n0\r\n\r\n", errMalformed},
		{"trailers with bare LF", chunked + "0\r\nA: b\n\r\n", errMalformed},
		{"end with bare LF", chunked + "0\r\n\n", errMalformed},
		{"first trailer folded", chunked + "0\r\n A: b\r\n\r\n", errMalformed},
		{"trailer without colon", chunked + "0\r\nA\r\n\r\n", errMalformed},
		{"mostly framing", chunked + strings.Repeat("1;"+strings.Repeat("x", 200)+"\r\ny\r\n", 200), errMalformed},
		{"header too long", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", defaultMaxHeader) + "\r\n\r\n", errTooLong},
		{"too many lines", "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", maxLines) + "\r\n", errTooLong},
		{"trailers too long", chunked + "0\r\nX: " + strings.Repeat("x", maxTrailer) + "\r\n\r\n", errTooLong},
		{"1xx without end", strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", maxInformational+1), errInformational},
	} {
		for how, cut := range cuts {
			t.Run(c.name+"/"+how, func(t *testing.T) {
				for _, step := range []int{1, 32 << 10} {
					_, body, err := hear(t, "GET", c.answer, cut, step)
					tooLong := c.is == errTooLong && errors.Is(err, errMalformed) // the count of framing may be first
					if !errors.Is(err, c.is) && !tooLong {
						t.Errorf("by %d: %q, %v; want %v", step, body, err, c.is)
					}
				}
			})
		}
	}
}

// What may not be a trailer is not made one.
func TestTrailersDoNotFrame(t *testing.T) { // RFC 9110 6.5.1
	const answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 5\r\nConnection: x\r\nEtag: y\r\n\r\n"
	res, _, err := hear(t, "GET", answer, cuts["whole"], 512)
	if err != nil || len(res.Trailer) != 1 || res.Trailer.Get("Etag") != "y" {
		t.Errorf("%v, %v", res.Trailer, err)
	}
}

// To look whether all has come does not make a break the end.
func TestWholeAndABreak(t *testing.T) {
	o := play(t, func(_ int64, c net.Conn, in *bufio.Reader) {
		listen(in)
		io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\nhalf")
		time.Sleep(50 * time.Millisecond) // or the reset would take the rest along
		c.(*net.TCPConn).SetLinger(0)
	})
	res, err := o.RoundTrip(request(t, "GET", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got, err := io.ReadAll(io.LimitReader(res.Body, 4)); string(got) != "half" || err != nil {
		t.Fatalf("%q, %v", got, err)
	}
	time.Sleep(100 * time.Millisecond)
	if res.Body.(interface{ Whole() bool }).Whole() {
		t.Error("it is taken for whole")
	}
	if n, err := res.Body.Read(make([]byte, 1)); err == nil || err == io.EOF {
		t.Errorf("%d, %v", n, err)
	}
}

func TestHints(t *testing.T) { // edge 68
	const answer = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </b>\r\n\r\n" + okay
	refusal := errors.New("no more")
	for _, c := range []struct {
		name string
		err  error
		want string
	}{{"taken", nil, "</a></b>"}, {"refused", refusal, "</a>"}} {
		t.Run(c.name, func(t *testing.T) {
			got := ""
			r := request(t, "GET", nil)
			r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
				Got1xxResponse: func(code int, h textproto.MIMEHeader) error { got += h.Get("Link"); return c.err },
			}))
			_, err := ask(over(&canned{rest: []byte(answer), size: cuts["whole"]}), r)
			if got != c.want || !errors.Is(err, c.err) {
				t.Errorf("%q, %v; want %q", got, err, c.want)
			}
		})
	}
}

// What we take for an answer, net/http takes for the same; however it is cut, it
// is the same.
func FuzzAnswer(f *testing.F) {
	for i, c := range valid {
		f.Add([]byte(c.answer), c.method == "HEAD", i)
	}
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok"), false, 3)
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a\r\nok\r\n0\r\nA: b\r\n c\r\n\r\n"), false, 2)
	f.Fuzz(func(t *testing.T, answer []byte, head bool, size int) {
		method := map[bool]string{true: "HEAD", false: "GET"}[head]
		res, body, err := hear(t, method, string(answer), cuts["whole"], 32<<10)
		size = 1 + size&0xff
		again, bodyAgain, errAgain := hear(t, method, string(answer), func() int { return size }, size)
		if (err == nil) != (errAgain == nil) || (res == nil) != (again == nil) || !strings.HasPrefix(bodyAgain, body) && err == nil {
			t.Fatalf("whole: %v; by %d: %v", err, size, errAgain)
		}
		if err != nil {
			return
		}
		if bodyAgain != body || !reflect.DeepEqual(res.Header, again.Header) || !reflect.DeepEqual(res.Trailer, again.Trailer) {
			t.Fatalf("by %d it is another", size)
		}
		compare(t, method, string(answer), res, body)
	})
}

func TestRequests(t *testing.T) {
	for _, c := range []struct {
		name string
		with func(r *http.Request)
		want string // "": it is refused
	}{
		{"GET", func(*http.Request) {}, "GET /x?a=1;b HTTP/1.1\r\nHost: site.test\r\n\r\n"},
		{"no method", func(r *http.Request) { r.Method = "" }, "GET /x?a=1;b HTTP/1.1\r\nHost: site.test\r\n\r\n"},
		{"POST", func(r *http.Request) { r.Method = "POST" }, "POST /x?a=1;b HTTP/1.1\r\nHost: site.test\r\nContent-Length: 0\r\n\r\n"},
		{"host", func(r *http.Request) { r.Host = "[::1]:80" }, "GET /x?a=1;b HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"},
		{"opaque", func(r *http.Request) { r.URL.Opaque = "/%2e/a" }, "GET /%2e/a?a=1;b HTTP/1.1\r\nHost: site.test\r\n\r\n"},
		{"expects", func(r *http.Request) { r.Header.Set("Expect", "100-continue") }, "GET /x?a=1;b HTTP/1.1\r\nHost: site.test\r\n\r\n"},
		{"no agent", func(r *http.Request) { r.Header.Set("User-Agent", "") }, "GET /x?a=1;b HTTP/1.1\r\nHost: site.test\r\n\r\n"},
		{"agent", func(r *http.Request) { r.Header.Set("User-Agent", "x") }, "GET /x?a=1;b HTTP/1.1\r\nHost: site.test\r\nUser-Agent: x\r\n\r\n"},
		{"framing of its own", func(r *http.Request) {
			r.Header = http.Header{"Content-Length": {"5"}, "Transfer-Encoding": {"chunked"}, "Host": {"b"}, "Trailer": {"x"}}
		}, "GET /x?a=1;b HTTP/1.1\r\nHost: site.test\r\n\r\n"},
		{"close", func(r *http.Request) { r.Close = true }, "GET /x?a=1;b HTTP/1.1\r\nHost: site.test\r\nConnection: close\r\n\r\n"},
		{"body", func(r *http.Request) {
			r.Method, r.ContentLength, r.Body = "PUT", 2, io.NopCloser(strings.NewReader("ok"))
			r.GetBody = func() (io.ReadCloser, error) { return nil, nil }
		}, "PUT /x?a=1;b HTTP/1.1\r\nHost: site.test\r\nContent-Length: 2\r\n\r\nok"},
		{"bad method", func(r *http.Request) { r.Method = "G T" }, ""},
		{"bad target", func(r *http.Request) { r.URL.Opaque = "/ HTTP/1.1\r\nX: y" }, ""},
		{"bad name", func(r *http.Request) { r.Header["a b"] = []string{"x"} }, ""},
		{"no name", func(r *http.Request) { r.Header[""] = []string{"x"} }, ""},
		{"bad value", func(r *http.Request) { r.Header["A"] = []string{"x\r\nB: y"} }, ""},
		{"NUL in a value", func(r *http.Request) { r.Header["A"] = []string{"\x00"} }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn := &canned{rest: []byte(okay), size: cuts["whole"]}
			r := request(t, "GET", nil)
			c.with(r)
			_, err := ask(over(conn), r)
			if got := conn.sent.String(); got != c.want || (err == nil) != (c.want != "") {
				t.Errorf("%q, %v; want %q", got, err, c.want)
			}
		})
	}
}

func TestOthersSpeakTheRest(t *testing.T) {
	for _, c := range []struct {
		name string
		with func(r *http.Request)
	}{
		{"https", func(r *http.Request) { r.URL.Scheme = "https" }},
		{"CONNECT", func(r *http.Request) { r.Method = "CONNECT" }},
		{"trailers", func(r *http.Request) { r.Trailer = http.Header{"A": nil} }},
		{"zone", func(r *http.Request) { r.Host = "[fe80::1%25eth0]" }},
		{"not ASCII", func(r *http.Request) { r.Host = "bücher.test" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := request(t, "GET", nil)
			c.with(r)
			asked := false
			tr := &Transport{Other: roundTripper(func(*http.Request) { asked = true })}
			if tr.RoundTrip(r); !asked {
				t.Error("the other is not asked")
			}
		})
	}
}

type roundTripper func(*http.Request)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	f(r)
	return nil, http.ErrNotSupported
}

func TestPack(t *testing.T) {
	p := new([foreRoom + parcel + aftRoom]byte)
	for _, n := range []int{0, 1, 15, 16, 255, 256, 4096, parcel - 1, parcel} {
		for i := range p {
			p[i] = 'x'
		}
		from, to := pack(p, n, true)
		got, err := readBy(&decoder{src: p[from:to]}, 512)
		if want := bytes.Repeat([]byte("x"), n); got != string(want) || err != nil {
			t.Errorf("%d: %d bytes, %v", n, len(got), err)
		}
	}
}

// A decoder reads the chunks in src.
type decoder struct {
	src []byte
	chunks
}

func (d *decoder) Read(p []byte) (int, error) {
	n, used, err := d.decode(p, d.src)
	d.src = d.src[used:]
	return n, err
}

// What look says of the bytes to come is what decode then makes of them.
func TestChunksLook(t *testing.T) {
	const text = "3\r\nabc\r\n7;x=y\r\n0\r\n\r\nde\r\n0\r\nX-Sum: 1\r\n\r\n"
	for from := 0; from <= len(text); from++ {
		for to := from; to <= len(text); to++ {
			var c chunks
			var dst [64]byte
			c.decode(dst[:], []byte(text[:from]))
			before := c
			whole, gives := c.endIn([]byte(text[from:to])), c.giveIn([]byte(text[from:to]))
			if c.state != before.state || c.left != before.left || c.overhead != before.overhead || string(c.fields) != string(before.fields) {
				t.Fatalf("%q, %q: look has changed something", text[:from], text[from:to])
			}
			n, _, err := c.decode(dst[:], []byte(text[from:to]))
			if from < len(text) && (whole != (err == io.EOF) || gives != (n > 0 || err == io.EOF)) {
				t.Errorf("after %q, %q: whole %v, gives %v; decode gives %d, %v", text[:from], text[from:to], whole, gives, n, err)
			}
		}
	}
}

// Who asks whether there is more does not wait for who reads it.
func TestReadyWhileReading(t *testing.T) {
	held := make(chan bool)
	o := play(t, func(_ int64, c net.Conn, in *bufio.Reader) {
		http.ReadRequest(in)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na")
		<-held
		io.WriteString(c, "b")
	})
	res, err := o.RoundTrip(request(t, "GET", nil))
	if err != nil {
		t.Fatal(err)
	}
	read := make(chan string)
	go func() {
		body, _ := io.ReadAll(res.Body)
		read <- string(body)
	}()
	b := res.Body.(*body)
	eventually(t, "it waits for the second byte", func() bool {
		if b.mu.TryLock() {
			b.mu.Unlock()
			return false
		}
		return true
	})
	if b.Ready() || b.Whole() {
		t.Error("it knows what has not come")
	}
	held <- true
	if got := <-read; got != "ab" {
		t.Errorf("got %q", got)
	}
}
