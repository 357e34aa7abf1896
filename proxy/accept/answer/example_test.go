package answer_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"ctlive/proxy/accept/answer"
)

// printer is a connection that prints each write.
type printer struct{}

func (printer) Write2(p, q []byte) (int, error) {
	fmt.Println(strings.TrimSpace(strings.ReplaceAll(string(p)+string(q), "\r\n", "\n")))
	fmt.Println("----")
	return len(p) + len(q), nil
}

func (printer) SetReadDeadline(time.Time) error  { return nil }
func (printer) SetWriteDeadline(time.Time) error { return nil }
func (printer) Last() bool                       { return false }

func Example() {
	w := answer.New(printer{}, http.MethodGet)
	w.Header()["Date"] = nil
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(http.StatusEarlyHints)
	io.WriteString(w, "hello, ")
	io.WriteString(w, "visitor")
	fmt.Println(w.Finish())
	// Output:
	// HTTP/1.1 103 Early Hints
	// Content-Type: text/plain
	// ----
	// HTTP/1.1 200 OK
	// Content-Type: text/plain
	// Content-Length: 14
	//
	// hello, visitor
	// ----
	// true
}
