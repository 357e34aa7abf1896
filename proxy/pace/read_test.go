package pace

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// readAll answers 408 to a slow body and else how long it was.
func readAll(causes chan<- error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			causes <- errors.Join(err, context.Cause(r.Context()))
			w.WriteHeader(http.StatusRequestTimeout)
			return
		}
		fmt.Fprint(w, n)
	}
}

// Edge 47: 1 byte each 300 ms is a trickle; so is nothing at all.
func TestSlowBodyIsCut(t *testing.T) {
	tests := []struct {
		name string
		body drip
	}{
		{"Trickle", drip{n: 1 << 20, size: 1, pause: 3 * time.Millisecond}},
		{"Silence", drip{n: 1 << 20, size: 1, pause: time.Hour}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onEach(t, func(t *testing.T, v visitor) {
				causes := make(chan error, 1)
				h, watch := watched(t, brisk, readAll(causes))
				client, url := v.new(t, h)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				body := tt.body
				body.ctx = ctx
				request, _ := http.NewRequestWithContext(ctx, "POST", url, io.NopCloser(&body))
				res, err := client.Do(request)
				if err == nil {
					res.Body.Close()
					if res.StatusCode != http.StatusRequestTimeout {
						t.Errorf("got %d, want 408", res.StatusCode)
					}
				}
				select {
				case err := <-causes:
					if !errors.Is(err, ErrTooSlow) {
						t.Errorf("handler got %v", err)
					}
				case <-ctx.Done():
					t.Fatal("not cut")
				}
				if reads, _ := watch.Cut(); reads != 1 {
					t.Errorf("%d reads were cut", reads)
				}
			})
		})
	}
}

// 1 KiB/s for two windows, with limits and all twenty times faster.
func TestHonestUploadLives(t *testing.T) {
	limits := Limits{ReadIdle: 3 * time.Second, ReadRate: 4800, ReadWindow: 1500 * time.Millisecond, WriteIdle: 6 * time.Second}
	onEach(t, func(t *testing.T, v visitor) {
		causes := make(chan error, 1)
		h, _ := watched(t, limits, readAll(causes))
		client, url := v.new(t, h)
		res, err := client.Post(url, "", io.NopCloser(&drip{ctx: t.Context(), n: 62 << 10, size: 1 << 10, pause: 50 * time.Millisecond}))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if got, _ := io.ReadAll(res.Body); string(got) != "63488" {
			t.Errorf("got %d %q", res.StatusCode, got)
		}
	})
}

// What follows a cut body on its connection is not a request.
func TestNothingIsServedAfterCut(t *testing.T) {
	served := make(chan string, 4)
	h, _ := watched(t, brisk, func(w http.ResponseWriter, r *http.Request) {
		served <- r.URL.Path
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			w.WriteHeader(http.StatusRequestTimeout)
		}
	})
	server := httptest.NewServer(h)
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "POST /first HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000\r\n\r\nx")
	reader := bufio.NewReader(conn)
	res, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusRequestTimeout || !res.Close {
		t.Errorf("got %s, close %v", res.Status, res.Close)
	}
	fmt.Fprint(conn, strings.Repeat("GET /second HTTP/1.1\r\nHost: a.test\r\n\r\n", 40))
	conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	if rest, _ := io.ReadAll(reader); len(rest) > 0 {
		t.Errorf("got more: %q", rest)
	}
	if len(served) != 1 {
		t.Errorf("%d requests served", len(served))
	}
}

// A body that the handler does not want cannot hold the connection.
func TestUnreadBodyIsBounded(t *testing.T) {
	limits := brisk
	limits.ReadIdle = 200 * time.Millisecond
	h, _ := watched(t, limits, func(w http.ResponseWriter, r *http.Request) {})
	server := httptest.NewServer(h)
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000\r\n\r\nx")
	conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	if answer, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 200") {
		t.Errorf("got %q, %v", answer, err)
	}
}

// A keep-alive connection has no deadline left from the request before.
func TestConnectionIsReused(t *testing.T) {
	limits := Limits{ReadIdle: 100 * time.Millisecond, WriteIdle: 100 * time.Millisecond}
	onEach(t, func(t *testing.T, v visitor) {
		h, _ := watched(t, limits, func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			time.Sleep(300 * time.Millisecond)
			fmt.Fprint(w, r.RemoteAddr, r.Context().Err())
		})
		client, url := v.new(t, h)
		var first string
		for i := range 2 {
			res, err := client.Post(url, "", strings.NewReader("body"))
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(res.Body)
			res.Body.Close()
			if i == 0 {
				first = string(got)
			}
			if err != nil || string(got) != first || !strings.HasSuffix(first, "<nil>") {
				t.Errorf("got %q, %v; first %q", got, err, first)
			}
			time.Sleep(300 * time.Millisecond)
		}
	})
}
