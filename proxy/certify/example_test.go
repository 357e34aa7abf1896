package certify_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log"
	"os"

	"ctlive/proxy/certify"
)

func Example() {
	dir, err := os.MkdirTemp("", "certify")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	certs, err := certify.New(certify.Options{
		Dir: dir, Internal: true,
		Sites: []certify.Site{{Hosts: []string{"www.example.test"}}},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer certs.Close()

	ln, err := tls.Listen("tcp", "127.0.0.1:0", certs.TLSConfig())
	if err != nil {
		log.Fatal(err)
	}
	defer ln.Close()
	certs.Start(context.Background())
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			fmt.Fprint(c, "hello") // after the handshake
			c.Close()
		}
	}()

	file, _ := certs.Root()
	root, err := os.ReadFile(file)
	if err != nil {
		log.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(root)
	for _, name := range []string{"www.example.test", "other.test"} {
		c, err := tls.Dial("tcp", ln.Addr().String(), &tls.Config{ServerName: name, RootCAs: trusted})
		if err != nil {
			fmt.Println(name, err)
			continue
		}
		fmt.Println(name, c.ConnectionState().PeerCertificates[0].DNSNames)
		c.Close()
	}
	// Output:
	// www.example.test [www.example.test]
	// other.test remote error: tls: unrecognized name
}
