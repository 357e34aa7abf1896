package balance

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"
)

// BenchmarkGet compares a pool with the transport beneath it, both with the
// trace that httputil.ReverseProxy sets.
func BenchmarkGet(b *testing.B) {
	s := httptest.NewServer(hello)
	defer s.Close()
	p := New(Options{Upstreams: urls(s)})
	defer p.Close()
	for _, way := range []struct {
		name string
		rt   http.RoundTripper
	}{{"net/http", p.origins[0].newTransport()}, {"transport", p.origins[0].transport}, {"pool", p}} {
		b.Run(way.name, func(b *testing.B) {
			r, _ := http.NewRequestWithContext(traced(), http.MethodGet, s.URL, nil)
			b.ReportAllocs()
			for b.Loop() {
				res, err := way.rt.RoundTrip(r)
				if err != nil {
					b.Fatal(err)
				}
				io.Copy(io.Discard, res.Body)
				res.Body.Close()
			}
		})
	}
}

// BenchmarkOwn is what a pool adds to a request, without the network.
func BenchmarkOwn(b *testing.B) {
	p := New(Options{Upstreams: parse("http://a.test", "http://b.test", "http://c.test")})
	r, _ := http.NewRequestWithContext(traced(), http.MethodGet, "http://a.test/", nil)
	c := &conn{shared: true}
	src := io.NopCloser(strings.NewReader(""))
	res := &http.Response{}
	b.ReportAllocs()
	for b.Loop() {
		out, _ := prepare(r)
		a := p.begin(out, nil)
		httptrace.ContextClientTrace(a.request().Context()).GotConn(httptrace.GotConnInfo{Conn: c})
		out.settle()
		res.Body = src
		a.answer(res)
		res.Body.Read(nil)
		res.Body.Close()
	}
}

func traced() context.Context {
	return httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{
		Got1xxResponse: func(int, textproto.MIMEHeader) error { return nil },
	})
}
