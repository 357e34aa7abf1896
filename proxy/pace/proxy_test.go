package pace

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"
	"time"
)

// proxied returns a reverse proxy to an origin, and what its error handler gets.
func proxied(t *testing.T, origin http.HandlerFunc) (http.HandlerFunc, <-chan error) {
	server := httptest.NewServer(origin)
	t.Cleanup(server.Close)
	target, _ := url.Parse(server.URL)
	failures := make(chan error, 1)
	proxy := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		FlushInterval: -1,
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			failures <- err
			w.WriteHeader(http.StatusRequestTimeout)
		},
	}
	return proxy.ServeHTTP, failures
}

// A proxy hears of the cut by its error, whichever of the body and the request's
// context tells its transport first.
func TestCutReachesProxy(t *testing.T) {
	onEach(t, func(t *testing.T, v visitor) {
		handler, failures := proxied(t, func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) })
		h, _ := watched(t, brisk, handler)
		client, address := v.new(t, h)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		request, _ := http.NewRequestWithContext(ctx, "POST", address, io.NopCloser(&drip{ctx: ctx, n: 1 << 20, size: 1, pause: 3 * time.Millisecond}))
		res, err := client.Do(request)
		if err == nil {
			defer res.Body.Close()
			if res.StatusCode != http.StatusRequestTimeout {
				t.Errorf("got %s", res.Status)
			}
		}
		select {
		case err := <-failures:
			if !errors.Is(err, ErrTooSlow) {
				t.Errorf("got %v", err)
			}
		case <-ctx.Done():
			t.Fatal("not cut")
		}
	})
}

// A visitor that stops reading frees the exchange with the origin.
func TestCutFreesOrigin(t *testing.T) {
	onEach(t, func(t *testing.T, v visitor) {
		freed := make(chan struct{})
		handler, _ := proxied(t, func(w http.ResponseWriter, r *http.Request) {
			defer close(freed)
			for page := make([]byte, 1<<16); ; {
				if _, err := w.Write(page); err != nil {
					return
				}
			}
		})
		h, _ := watched(t, brisk, handler)
		client, address := v.new(t, h)
		res, err := client.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		select {
		case <-freed:
		case <-time.After(15 * time.Second):
			t.Fatal("not freed")
		}
	})
}
