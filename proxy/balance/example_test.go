package balance_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"

	"ctlive/proxy/balance"
)

// One of two origins is not there. Nobody notices.
func Example() {
	here := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s", r.Method, r.URL.Path)
	}))
	defer here.Close()
	gone := httptest.NewServer(nil)
	gone.Close()
	first, _ := url.Parse(gone.URL)
	second, _ := url.Parse(here.URL)

	pool := balance.New(balance.Options{Upstreams: []*url.URL{first, second}, Policy: balance.RoundRobin})
	defer pool.Close()
	for range 3 {
		r, _ := http.NewRequest(http.MethodGet, "http://www.example.com/page", nil)
		res, err := pool.RoundTrip(r)
		if err != nil {
			fmt.Println(err)
			continue
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		fmt.Println(string(body))
	}
	// Output:
	// GET /page
	// GET /page
	// GET /page
}
