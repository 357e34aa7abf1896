package inject_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"ctlive/inject"
)

// An origin's page on its way to a visitor.
func Example() {
	in := inject.New(inject.Options{Tag: inject.Tag{HTML: "<script src=/a.js></script>"}})

	req := httptest.NewRequest("GET", "/", nil) // what the visitor asks for
	exchange := in.Request(req)                 // makes it what the origin is asked for
	res := &http.Response{                      // what the origin answers
		StatusCode:    200,
		Header:        http.Header{"Content-Type": {"text/html"}},
		Body:          io.NopCloser(strings.NewReader("<!doctype html>\n<title>Hello</title>\n")),
		ContentLength: 37,
	}
	exchange.Response(res) // makes it what the visitor is answered
	page, err := io.ReadAll(res.Body)
	res.Body.Close()

	fmt.Printf("%s%v\n", page, err)
	fmt.Println("Content-Length:", res.Header.Get("Content-Length"))
	fmt.Println("injected at", exchange.Verdict().Offset)
	// Output:
	// <!doctype html>
	// <script src=/a.js></script><title>Hello</title>
	// <nil>
	// Content-Length: 64
	// injected at 16
}
