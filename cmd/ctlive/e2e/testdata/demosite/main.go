// Command demosite serves the demo site by itself, without a proxy in front.
package main

import (
	"fmt"
	"log"
	"net"
	"net/http"

	"ctlive/assets/demo"
)

func main() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(ln.Addr())
	log.Fatal(http.Serve(ln, demo.Handler()))
}
