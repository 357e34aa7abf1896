package accept_test

import (
	"fmt"
	"io"
	"net"
	"net/http"

	"ctlive/proxy/accept"
)

func Example() {
	s := accept.New(accept.Options{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if fault := accept.FaultOf(r); fault != nil {
			http.Error(w, fault.Reason, fault.Status)
			return
		}
		io.WriteString(w, "welcome")
	})})
	defer s.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	go s.Serve(l)

	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	io.WriteString(conn, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
	status := make([]byte, len("HTTP/1.1 400 Bad Request"))
	io.ReadFull(conn, status)
	fmt.Printf("%s\n", status)
	// Output: HTTP/1.1 400 Bad Request
}
