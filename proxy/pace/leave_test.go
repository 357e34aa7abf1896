package pace

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// A handler that returns while somebody else reads the body leaves a bound on what
// the server reads of it afterwards.
func TestReaderOutlivesHandler(t *testing.T) {
	w := New(Limits{ReadIdle: 200 * time.Millisecond})
	defer w.Close()
	ended := make(chan error, 1)
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw, r, done := w.Wrap(rw, r)
		defer done()
		io.ReadFull(r.Body, make([]byte, 1))
		reading := make(chan bool)
		go func() {
			close(reading)
			_, err := r.Body.Read(make([]byte, 1))
			ended <- err
		}()
		<-reading
		time.Sleep(20 * time.Millisecond)      // it is in Read
		rw.Header().Set("Connection", "close") // or the server waits for the reader before it answers
		io.WriteString(rw, "early")
	}))
	defer server.Close()
	c, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	io.WriteString(c, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100\r\n\r\nx")
	if _, err := io.Copy(io.Discard, c); err != nil {
		t.Errorf("the connection stays: %v", err)
	}
	if err := <-ended; err == nil {
		t.Error("the body was read after the handler")
	}
}
