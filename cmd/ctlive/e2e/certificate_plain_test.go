package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestCertificatePlainListener: with TLS on, the plain listener answers challenges
// and redirects the hosts it knows, and none of it reaches an origin.
func TestCertificatePlainListener(t *testing.T) {
	t.Parallel()
	e := newEdge(t, "", 90*24*time.Hour)
	e.start(t)
	e.awaitCertificate(t, "a.test")
	at := fmt.Sprintf("https://a.test:%d", e.tls)
	for _, test := range []struct {
		name, request string
		status        int
		location      string
	}{
		{"path and query", "GET /x/%2F?y=1;z=%zz HTTP/1.1\r\nHost: a.test", 308, at + "/x/%2F?y=1;z=%zz"},
		{"POST", "POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0", 308, at + "/x"},
		{"another spelling", "GET / HTTP/1.1\r\nHost: A.TEST.:80", 308, at + "/"},
		{"path like a host", "GET //evil.test/x HTTP/1.1\r\nHost: a.test", 308, at + "//evil.test/x"},
		{"absolute form", "GET http://a.test/x HTTP/1.1\r\nHost: a.test", 308, at + "/x"},
		{"unknown host", "GET / HTTP/1.1\r\nHost: evil.test", 404, ""}, // edge 32
		{"unknown host in absolute form", "GET http://evil.test/ HTTP/1.1\r\nHost: a.test", 404, ""},
		{"address", "GET / HTTP/1.1\r\nHost: 127.0.0.1", 404, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			res, err := http.ReadResponse(raw(t, e.url, test.request+"\r\nConnection: close\r\n\r\n"), nil)
			if err != nil {
				t.Fatal(err)
			}
			if status := res.StatusCode; status != test.status && (test.status != 404 || status != 421) {
				t.Errorf("status %d, want %d", status, test.status)
			}
			if location := res.Header.Get("Location"); location != test.location {
				t.Errorf("Location %q, want %q", location, test.location)
			}
		})
	}
	for _, path := range []string{"unknown", "", "../x", strings.Repeat("a", 4000)} {
		res, err := http.ReadResponse(raw(t, e.url, "GET /.well-known/acme-challenge/"+path+" HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n"), nil)
		if err != nil || res.StatusCode != 308 && res.StatusCode != 404 {
			t.Errorf("challenge %.20q: %v, %v", path, res, err)
		}
	}
	if n := e.origin.requests.Load(); n > 0 {
		t.Errorf("%d requests reached the origin", n)
	}
}

// TestCertificateChallengeFlood: requests for tokens that nobody knows do not keep
// a certificate from being ordered, nor visitors from being served (edge 59).
func TestCertificateChallengeFlood(t *testing.T) {
	t.Parallel()
	e := newEdge(t, "http-01", 90*24*time.Hour)
	e.hosts, e.ask = `[a.test, "*"]`, startAsker(t).url
	e.start(t)
	e.awaitCertificate(t, "a.test")

	stop := e.flood(t)
	for _, name := range []string{"good1.test", "good2.test", "good3.test"} {
		if _, err := e.shake(name); err != nil {
			t.Errorf("%s: %v\n%s", name, err, e.log)
		}
		if status, _ := e.fetch(t, "https://a.test/"); status != 200 {
			t.Errorf("an honest visitor gets %d", status)
		}
	}
	for status, n := range stop() {
		if status != 308 && status != 404 && status != 429 {
			t.Errorf("%d answers with status %d", n, status)
		}
	}
	e.made(t, 4)
	if n := e.origin.requests.Load(); n != 3 {
		t.Errorf("%d requests reached the origin, want 3", n)
	}
}

// flood asks for challenges that there are not, on four connections as fast as
// they go. What stop returns counts the answers by status, 0 for none.
func (e *edge) flood(t *testing.T) (stop func() map[int]int) {
	var stopped atomic.Bool
	var workers sync.WaitGroup
	var mu sync.Mutex
	answers := map[int]int{}
	for worker := range 4 {
		visitor := e.visitor(t)
		workers.Go(func() {
			for i := 0; !stopped.Load(); i++ {
				status := 0
				res, err := visitor.Get(fmt.Sprintf("http://a.test/.well-known/acme-challenge/%d-%d", worker, i))
				if err == nil {
					status = res.StatusCode
					res.Body.Close()
				}
				mu.Lock()
				answers[status]++
				mu.Unlock()
			}
		})
	}
	return func() map[int]int {
		stopped.Store(true)
		workers.Wait()
		return answers
	}
}
