package admit

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// throughProxy sends r, which comes from a stranger, the way that a proxy would,
// and returns what its origin gets.
func throughProxy(p *Policy, r *http.Request) http.Header {
	var got http.Header
	proxy := httputil.ReverseProxy{
		Rewrite: func(pr *httputil.ProxyRequest) { pr.Out.Header = p.Forward(pr.In, p.Identify(pr.In)) },
		Transport: roundTrip(func(out *http.Request) (*http.Response, error) {
			got = out.Header
			return &http.Response{StatusCode: 204, Body: http.NoBody, Request: out}, nil
		}),
	}
	proxy.ServeHTTP(httptest.NewRecorder(), r)
	return got
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func fromStranger(h http.Header) *http.Request {
	r := httptest.NewRequest("GET", "http://a.test/", nil)
	r.RemoteAddr = "192.0.2.1:5"
	r.Header = h
	return r
}

// Edges 6, 11, 20, 36 and 37: what never reaches an origin.
func TestForwardDrops(t *testing.T) {
	names := strings.Fields(`Forwarded X-Forwarded X-Forwarded-Port X-Forwarded-Prefix X-Forwarded-Server X-Forwarded-Uri
		X-Forwarded-Method X-Forwarded-Scheme X-Forwarded-Ssl X-Real-IP True-Client-IP CF-Connecting-IP CF-IPCountry X-Original-URL
		X-Original-Host X-Rewrite-URL X-HTTP-Method-Override X-HTTP-Method X-Method-Override X-Client-IP X-Cluster-Client-IP
		Client-IP Fastly-Client-IP Proxy Expect Trailer HTTP2-Settings TE Host X_Forwarded_For X.Edge.Auth Transfer_Encoding a!b x~y`)
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			h := http.Header{"Accept": {"*/*"}}
			h.Add(name, "evil")
			got := throughProxy(new(Policy), fromStranger(h))
			want := []string{"Accept", "Cdn-Loop", "User-Agent", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"}
			if names := slices.Sorted(maps.Keys(got)); !slices.Equal(names, want) {
				t.Errorf("got %q", names)
			}
			if strings.Contains(fmt.Sprint(got), "evil") {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestForwardKeeps(t *testing.T) {
	h := http.Header{
		"Accept": {"a", "b"}, "Cookie": {"c=d"}, "Via": {"1.1 x"}, "Te": {"trailers"}, "X-Requested-With": {"x"},
		"Authorization": {"Basic x"}, "X-Request-Id": {"1"}, "Referer": {"r"}, "User-Agent": {"u"}, "Traceparent": {"t"},
	}
	got := throughProxy(new(Policy), fromStranger(h.Clone()))
	for name, values := range h {
		if !slices.Equal(got[name], values) {
			t.Errorf("%s: got %q, want %q", name, got[name], values)
		}
	}
}

// Invariant I4 and edge 38: nothing creates, removes or doubles what is ours.
func TestOursAreOurs(t *testing.T) {
	spoof := http.Header{"X-Forwarded-For": {"6.6.6.6", "7.7.7.7"}, "X-Forwarded-Proto": {"https", "x"}, "X-Forwarded-Host": {"evil.test"}}
	tests := []struct {
		name string
		add  http.Header
	}{
		{"Nothing", nil},
		{"Spoofed", spoof},
		{"Listed", http.Header{"Connection": {"close, X-Forwarded-For", "x-forwarded-proto,X-Forwarded-Host, CDN-Loop, Cookie"}}},
		{"Loop", http.Header{"Cdn-Loop": {""}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := http.Header{"Connection": {"x-forwarded-for"}}
			maps.Copy(h, tt.add)
			got := throughProxy(behindProxies, fromStranger(h))
			for name, want := range map[string]string{"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "a.test"} {
				if !slices.Equal(got[name], []string{want}) {
					t.Errorf("%s: got %q, want %q", name, got[name], want)
				}
			}
			if passes(got["Cdn-Loop"]) != 1 {
				t.Errorf("CDN-Loop: %q", got["Cdn-Loop"])
			}
		})
	}
}

// Edge 34: each pass is counted, though a client lists the field in Connection.
func TestLoopIsCounted(t *testing.T) {
	r := fromStranger(http.Header{"Cdn-Loop": {"other; v=1, notctlive"}})
	for i := range 7 {
		refusal := new(Policy).Check(r, Fault{}, false)
		if refused := refusal != nil && refusal.Status == http.StatusLoopDetected; refused != (i == 6) {
			t.Fatalf("pass %d: %+v", i, refusal)
		}
		if i < 6 {
			r.Header.Set("Connection", "cdn-loop")
			r = fromStranger(throughProxy(new(Policy), r))
		}
	}
	if got := r.Header["Cdn-Loop"]; len(got) != 1 || !strings.HasPrefix(got[0], "other; v=1, notctlive, ctlive") {
		t.Errorf("got %q", got)
	}
}

func TestForwardWithoutAddress(t *testing.T) {
	spoofed := http.Header{"X-Forwarded-For": {"6.6.6.6"}}
	out := new(Policy).Forward(fromStranger(spoofed), Client{Proto: "http", Host: "a.test"})
	if got, ok := out["X-Forwarded-For"]; ok {
		t.Errorf("got %q", got)
	}
}

// Whatever fields a stranger sends: exactly one of each of ours, and plain names.
func FuzzForward(f *testing.F) {
	f.Add("X-Forwarded-For", "1.1.1.1", "X-Forwarded-For")
	f.Add("x_forwarded_for", "x", "close, CDN-Loop")
	f.Add("Cdn-Loop", "ctlive", "Upgrade")
	f.Fuzz(func(t *testing.T, name, value, listed string) {
		h := http.Header{"Connection": {listed}}
		h.Add(name, value)
		out := new(Policy).Forward(fromStranger(h), Client{netip.MustParseAddr("192.0.2.1"), "http", "a.test"})
		if out.Get("X-Forwarded-For") != "192.0.2.1" || out.Get("X-Forwarded-Proto") != "http" || out.Get("X-Forwarded-Host") != "a.test" {
			t.Fatalf("got %q", out)
		}
		for name, values := range out {
			if !isPlain(name) || listedIn(listed, name) && name != "Cdn-Loop" && !strings.HasPrefix(name, "X-Forwarded-") || strings.HasPrefix(strings.ToLower(name), "x-forwarded-") && len(values) != 1 {
				t.Fatalf("got %q: %q", name, values)
			}
		}
	})
}

// TestForwardEdgeFields: what Cloudflare adds is true from a trusted peer alone.
func TestForwardEdgeFields(t *testing.T) {
	for trusted, want := range map[string]string{"10.0.0.0/8": "IT", "192.0.2.0/24": ""} {
		p := Policy{Trusted: []netip.Prefix{netip.MustParsePrefix(trusted)}}
		in := httptest.NewRequest("GET", "http://a.test/", nil)
		in.RemoteAddr = "10.0.0.1:1000"
		in.Header.Set("CF-IPCountry", "IT")
		out := p.Forward(in, p.Identify(in))
		if got := out.Get("CF-IPCountry"); got != want {
			t.Errorf("with %s trusted the origin sees %q, want %q", trusted, got, want)
		}
	}
}

// listedIn reports whether a field is named in the value of Connection.
func listedIn(connection, name string) bool {
	for option := range strings.SplitSeq(connection, ",") {
		if strings.EqualFold(strings.Trim(option, " \t"), name) {
			return true
		}
	}
	return false
}
