package relay

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
	"testing"
)

type origin func(*http.Request) (*http.Response, error)

func (f origin) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// through returns a Relay to o that changes nothing, and answers failures with 502.
func through(o origin) *Relay {
	return New(Options{
		Transport: o,
		Request: func(out, in *http.Request) {
			out.Header = in.Header.Clone()
			removeHops(out.Header)
		},
		Response: func(*http.Response) {},
		Fail: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, err.Error(), http.StatusBadGateway)
		},
	})
}

// giving returns an origin that answers with the body.
func giving(body io.Reader, fields ...string) origin {
	return func(r *http.Request) (*http.Response, error) {
		h := http.Header{}
		for i := 0; i < len(fields); i += 2 {
			h.Add(fields[i], fields[i+1])
		}
		return &http.Response{StatusCode: http.StatusOK, Header: h, Body: io.NopCloser(body), Request: r, ContentLength: -1}, nil
	}
}

// journal is a ResponseWriter that keeps what it is told, in order.
type journal struct {
	header http.Header
	lines  []string
}

func (j *journal) Header() http.Header { return j.header }
func (j *journal) WriteHeader(status int) {
	j.lines = append(j.lines, fmt.Sprint(status, " ", len(j.header)))
}
func (j *journal) Flush() { j.lines = append(j.lines, "flush") }
func (j *journal) Write(p []byte) (int, error) {
	j.lines = append(j.lines, string(p))
	return len(p), nil
}

// parts gives one after the other. A Read of a part that begins with "…" waits.
type parts []string

func (p *parts) Read(b []byte) (int, error) {
	if len(*p) == 0 {
		return 0, io.EOF
	}
	n := copy(b, strings.TrimPrefix((*p)[0], "…"))
	*p = (*p)[1:]
	return n, nil
}

func (p *parts) Ready() bool  { return len(*p) == 0 || !strings.HasPrefix((*p)[0], "…") }
func (p *parts) Close() error { return nil }

func TestFlushBeforeWait(t *testing.T) {
	for _, tt := range []struct {
		name string
		body io.Reader
		want string
	}{
		{"whole", &parts{"a", "b"}, "200 1|a|b"},
		{"waits for the first", &parts{"…a", "b"}, "200 1|flush|a|b"},
		{"waits amid", &parts{"a", "b", "…c", "d"}, "200 1|a|b|flush|c|d"},
		{"waits for the end", &parts{"a", "…"}, "200 1|a|flush"},
		{"waits twice for nothing", &parts{"…", "…", "…a"}, "200 1|flush|a"},
		{"cannot tell", strings.NewReader("a"), "200 1|flush|a|flush"},
		{"none", http.NoBody, "200 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := &journal{header: http.Header{}}
			through(func(r *http.Request) (*http.Response, error) {
				body, ok := tt.body.(io.ReadCloser)
				if !ok {
					body = io.NopCloser(tt.body)
				}
				return &http.Response{StatusCode: 200, Header: http.Header{}, Body: body, Request: r}, nil
			}).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
			if got := strings.Join(w.lines, "|"); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestHopsEndHere(t *testing.T) {
	var asked http.Header
	p := through(func(r *http.Request) (*http.Response, error) {
		asked = r.Header
		return giving(strings.NewReader("x"), "Connection", "close, X-Hop", "Connection", "x-other", "X-Hop", "1", "X-Other", "1",
			"Keep-Alive", "9", "Proxy-Authenticate", "x", "Upgrade", "h2c", "Te", "x", "Trailer", "y", "Transfer-Encoding", "gzip",
			"Proxy-Connection", "x", "X-End", "1")(r)
	})
	r := httptest.NewRequest("GET", "/", nil)
	r.Header = http.Header{"Connection": {"X-Hop"}, "X-Hop": {"1"}, "X-End": {"1"}, "Te": {"gzip"}}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	if len(asked) != 2 || asked.Get("X-End") != "1" || !slices.Equal(asked["User-Agent"], []string{""}) {
		t.Errorf("the origin gets %q", asked)
	}
	if got := w.Result().Header; len(got) != 2 || got.Get("X-End") != "1" || got["Content-Type"] != nil {
		t.Errorf("the visitor gets %q", got)
	}
}

// What is set before stays, beside what the origin says.
func TestFieldsAreAdded(t *testing.T) {
	w := httptest.NewRecorder()
	w.Header()["Link"] = make([]string, 1, 8)
	through(giving(strings.NewReader(""), "Link", "a", "Set-Cookie", "b", "Set-Cookie", "c")).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if got := fmt.Sprint(w.Header()); got != "map[Content-Type:[] Link:[ a] Set-Cookie:[b c]]" {
		t.Errorf("got %s", got)
	}
}

func TestInterim(t *testing.T) {
	var late func()
	p := through(func(r *http.Request) (*http.Response, error) {
		inform := httptrace.ContextClientTrace(r.Context()).Got1xxResponse
		inform(103, textproto.MIMEHeader{"Link": {"x"}, "Connection": {"close"}})
		inform(102, nil)
		late = func() { inform(103, nil) }
		return giving(&parts{"a"}, "X", "1", "Y", "2")(r)
	})
	w := &journal{header: http.Header{"Alt-Svc": {"x"}}}
	p.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	late()
	if got := strings.Join(w.lines, "|"); got != "103 1|102 0|200 4|flush|a|flush" {
		t.Errorf("got %s", got)
	}
}

// A visitor must not take half an answer for the whole.
func TestBrokenAnswer(t *testing.T) {
	for _, broken := range []io.Reader{
		io.MultiReader(strings.NewReader("half"), errReader{}),
		errReader{},
	} {
		w := httptest.NewRecorder()
		defer func() {
			if got := recover(); got != http.ErrAbortHandler {
				t.Errorf("got %v", got)
			}
		}()
		through(giving(broken)).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		t.Error("no panic")
	}
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errors.New("broken") }

func TestFailures(t *testing.T) {
	for name, o := range map[string]origin{
		"no answer": func(*http.Request) (*http.Response, error) { return nil, errors.New("nobody there") },
		"other speech": func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 101, Body: http.NoBody}, nil
		},
	} {
		w := httptest.NewRecorder()
		if through(o).ServeHTTP(w, httptest.NewRequest("GET", "/", nil)); w.Code != http.StatusBadGateway {
			t.Errorf("%s: got %d", name, w.Code)
		}
	}
}

// A transport may close the body early and read it late. Neither reaches the server.
func TestBodyIsLent(t *testing.T) {
	r := httptest.NewRequest("POST", "/", nil)
	r.ContentLength = -1
	r.Body = io.NopCloser(strings.NewReader("abc"))
	var body io.ReadCloser
	through(func(out *http.Request) (*http.Response, error) {
		body = out.Body
		body.Read(make([]byte, 1))
		return giving(strings.NewReader(""))(out)
	}).ServeHTTP(httptest.NewRecorder(), r)
	if _, err := body.Read(make([]byte, 1)); err != http.ErrBodyReadAfterClose {
		t.Errorf("read after the handler: %v", err)
	}
	if rest, _ := io.ReadAll(r.Body); string(rest) != "bc" {
		t.Errorf("left of the body: %q", rest)
	}
}

func TestNoBody(t *testing.T) {
	through(func(out *http.Request) (*http.Response, error) {
		if out.Body != nil {
			t.Errorf("got %v", out.Body)
		}
		return giving(strings.NewReader(""))(out)
	}).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", http.NoBody))
}

func TestTrailers(t *testing.T) {
	for name, announced := range map[string]http.Header{"announced": {"X-Sum": nil}, "not announced": nil, "one of two": {"X-Sum": nil}} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(through(func(r *http.Request) (*http.Response, error) {
				res, _ := giving(nil)(r)
				res.Trailer = announced
				res.Body = io.NopCloser(io.MultiReader(strings.NewReader("x"), at(func() {
					res.Trailer = http.Header{"X-Sum": {"7"}}
					if name == "one of two" {
						res.Trailer["X-More"] = []string{"8"}
					}
				})))
				return res, nil
			}))
			defer server.Close()
			res, err := http.Get(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if body, err := io.ReadAll(res.Body); string(body) != "x" || err != nil {
				t.Errorf("got %q, %v", body, err)
			}
			if res.Trailer.Get("X-Sum") != "7" || name == "one of two" && res.Trailer.Get("X-More") != "8" {
				t.Errorf("got %q", res.Trailer)
			}
		})
	}
}

// at is the end of a body, where something happens.
type at func()

func (f at) Read([]byte) (int, error) { f(); return 0, io.EOF }

func Example() {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "hello from %s", r.URL.Path)
	}))
	defer origin.Close()
	p := New(Options{
		Transport: http.DefaultTransport,
		Request: func(out, in *http.Request) {
			out.Header = http.Header{"X-Forwarded-Host": {in.Host}}
			out.URL.Scheme, out.URL.Host = "http", strings.TrimPrefix(origin.URL, "http://")
		},
		Response: func(res *http.Response) { res.Header.Set("Via", "1.1 example") },
		Fail:     func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	})
	w := httptest.NewRecorder()
	p.ServeHTTP(w, httptest.NewRequest("GET", "/there", nil))
	fmt.Println(w.Code, w.Header().Get("Via"), w.Body)
	// Output: 200 1.1 example hello from /there
}

// What the origin does not call by a type has none: to call an upload a page,
// because it looks like one, would have browsers run it.
func TestNoTypeIsGuessed(t *testing.T) {
	server := httptest.NewUnstartedServer(through(func(r *http.Request) (*http.Response, error) {
		res, err := giving(nil, "X-Content-Type-Options", "nosniff")(r)
		res.Body = &parts{"<!doctype html><script>"}
		return res, err
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	plain := &http.Transport{TLSClientConfig: server.Client().Transport.(*http.Transport).TLSClientConfig.Clone()}
	plain.TLSClientConfig.NextProtos = nil
	for version, client := range map[int]*http.Client{1: {Transport: plain}, 2: server.Client()} {
		res, err := client.Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if got, ok := res.Header["Content-Type"]; ok || res.ProtoMajor != version {
			t.Errorf("HTTP/%d of %d: got %q", res.ProtoMajor, version, got)
		}
	}
}
