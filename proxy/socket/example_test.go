package socket_test

import (
	"fmt"
	"net"

	"ctlive/proxy/socket"
)

func Example() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			panic(err)
		}
		defer c.Close()
		socket.New(c).Write([]byte("hello"))
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		panic(err)
	}
	defer c.Close()
	p := make([]byte, 16)
	n, err := socket.New(c).Read(p)
	fmt.Println(string(p[:n]), err)
	// Output: hello <nil>
}
