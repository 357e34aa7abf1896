package pace_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"ctlive/proxy/pace"
)

// An upload that stops half-way is answered, instead of being waited for.
func Example() {
	watch := pace.New(pace.Limits{ReadIdle: 50 * time.Millisecond})
	defer watch.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w, r, done := watch.Wrap(w, r)
		defer done()
		if _, err := io.Copy(io.Discard, r.Body); errors.Is(err, pace.ErrTooSlow) {
			http.Error(w, err.Error(), http.StatusRequestTimeout)
		}
	}))
	defer server.Close()

	half, stuck := io.Pipe()
	defer stuck.Close()
	res, err := http.Post(server.URL, "text/plain", half)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer res.Body.Close()
	fmt.Println(res.Status)
	// Output: 408 Request Timeout
}
