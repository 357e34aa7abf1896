package exchange_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"

	"ctlive/proxy/balance/exchange"
)

func Example() {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s asks %s for %s", r.Proto, r.Host, r.URL)
	}))
	defer origin.Close()

	transport := &exchange.Transport{
		Addr:         origin.Listener.Addr().String(),
		DialContext:  new(net.Dialer).DialContext,
		MaxIdleConns: 8,
	}
	defer transport.CloseIdleConnections()
	r, _ := http.NewRequest(http.MethodGet, "http://www.example.com/page", nil)
	res, err := transport.RoundTrip(r)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer res.Body.Close()
	io.Copy(exampleOutput{}, res.Body)
	// Output: HTTP/1.1 asks www.example.com for /page
}

type exampleOutput struct{}

func (exampleOutput) Write(p []byte) (int, error) { return fmt.Print(string(p)) }
