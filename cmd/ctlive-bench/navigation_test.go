package main

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// startSite serves a page of 500 KB at /, at /chunked without a length, and at /redirect something else.
func startSite(t *testing.T, secure bool) target {
	page := newDocument(500_000)
	mux := http.NewServeMux()
	mux.HandleFunc("/redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusFound) })
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Sec-Fetch-Dest") != "document" || r.Host != benchHost {
			http.Error(w, "not a navigation", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Encoding", r.Header.Get("Accept-Encoding"))
		for rest := page; len(rest) > 0; rest = rest[min(len(rest), 30_001):] {
			w.Write(rest[:min(len(rest), 30_001)])
			if r.URL.Path == "/chunked" {
				w.(http.Flusher).Flush()
			}
		}
	})
	s := httptest.NewUnstartedServer(mux)
	s.EnableHTTP2 = secure
	if secure {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return target{Addr: s.Listener.Addr().String(), TLS: secure, Coding: "br"}
}

var protocols = map[string]bool{"HTTP/1.1": false, "HTTP/2": true}

// Both kinds of connection take pages of any form, one after the other.
func TestBrowser(t *testing.T) {
	want := newDocument(500_000)
	for name, secure := range protocols {
		t.Run(name, func(t *testing.T) {
			b, err := startSite(t, secure).dial(t.Context(), 300, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			// 40 pages are more than the window of a connection.
			for range 20 {
				for _, path := range []string{"/", "/chunked"} {
					var body bytes.Buffer
					head, err := b.get(path, &body)
					if err := errors.Join(err, head.check("br")); err != nil || !bytes.Equal(body.Bytes(), want) {
						t.Fatalf("%s: %d bytes, %v", path, body.Len(), err)
					}
				}
			}
			head, err := b.get("/redirect", io.Discard)
			if err != nil || head.status != http.StatusFound || head.check("br") == nil {
				t.Errorf("%+v, %v", head, err)
			}
		})
	}
}

func TestJob(t *testing.T) {
	tests := map[string]struct {
		job  job
		want string // part of the error
	}{
		"saturated":    {job{Connections: 3}, ""},
		"fixed rate":   {job{Connections: 3, Rate: 100}, ""},
		"slow readers": {job{Connections: 3, Pace: 200_000}, ""},
		"no page":      {job{Connections: 3, target: target{Path: "/redirect"}}, "status 302"},
	}
	for protocol, secure := range protocols {
		site := startSite(t, secure)
		for name, test := range tests {
			t.Run(protocol+"/"+name, func(t *testing.T) {
				j := test.job
				path := j.Path
				if j.target, j.For = site, 300*time.Millisecond; path == "" {
					path = "/"
				}
				j.Path = path
				all, err := j.connect(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				defer all.close()
				got := j.work()(t.Context(), all)
				if (got.Error != "") != (test.want != "") || !strings.Contains(got.Error, test.want) {
					t.Errorf("error %q, want %q", got.Error, test.want)
				}
				if j.Rate > 0 && got.Requests != 30 {
					t.Errorf("%d requests in 300 ms at 100 a second", got.Requests)
				}
			})
		}
	}
}

// A connection that the server has closed in the meantime is made again.
func TestClosedBetween(t *testing.T) {
	var requests atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1)%3 == 0 {
			panic(http.ErrAbortHandler)
		}
		w.Write([]byte("page"))
	}))
	defer s.Close()
	j := job{target: target{Addr: s.Listener.Addr().String(), Coding: "identity", Path: "/"}, Connections: 1, Rate: 100, For: 200 * time.Millisecond}
	all, err := j.connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer all.close()
	if got := j.run(t.Context(), all); got.Requests != 20 || got.Error != "" {
		t.Errorf("%d requests, error %q", got.Requests, got.Error)
	}
}
