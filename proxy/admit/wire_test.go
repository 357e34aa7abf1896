package admit

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// door answers for admission, as a proxy would, and says what it has let in.
func door(secure bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refusal := new(Policy).Check(r, Fault{}, secure); refusal != nil {
			if refusal.Close {
				w.Header().Set("Connection", "close")
			}
			w.WriteHeader(refusal.Status)
			return
		}
		body, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%d %v %s", r.ContentLength, r.Body == http.NoBody, body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
	})
}

// Whatever is refused over HTTP/1 is the last on its connection.
func TestHTTP1(t *testing.T) {
	server := httptest.NewUnstartedServer(door(false))
	server.Config.DisableGeneralOptionsHandler = true
	server.Start()
	defer server.Close()
	tests := []struct {
		name, request string
		want          int
	}{
		{"Edge14Connect", "CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n", 405},
		{"ConnectPath", "CONNECT /x HTTP/1.1\r\nHost: a.test\r\n\r\n", 405},
		{"Edge15Preface", "PRI * HTTP/2.0\r\n\r\n", 405},
		{"Edge16Trace", "TRACE / HTTP/1.1\r\nHost: a.test\r\nCookie: a\r\n\r\n", 405},
		{"Edge18", "POST / HTTP/1.1\r\nHost: a.test\r\nUpgrade: foo\r\nConnection: upgrade\r\nContent-Length: 2\r\n\r\nhi", 400},
		{"Edge19", "POST / HTTP/1.1\r\nHost: a.test\r\nExpect: 200-ok\r\n\r\n", 417},
		{"Edge23HTTP10", "GET / HTTP/1.0\r\n\r\n", 400},
		{"Edge23Empty", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 400},
		{"Edge27", "GET / HTTP/1.1\r\nHost: a.test:99999x\r\n\r\n", 400},
		{"Edge29", "GET gopher://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n", 400},
		{"Edge44", "get / HTTP/1.1\r\nHost: a.test\r\n\r\n", 400},
		{"Edge49", "GET / HTTP/1.1\r\nHost: a.test\r\n" + strings.Repeat("A: b\r\n", 101) + "\r\n", 431},
		{"Fine", "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", 200},
		{"Edge29Evil", "GET http://evil.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n", 200},
		{"Options", "OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n", 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			conn, err := net.Dial("tcp", server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(5 * time.Second))
			io.WriteString(conn, tt.request+"GET /second HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
			reader := bufio.NewReader(conn)
			res, err := http.ReadResponse(reader, nil)
			if err != nil {
				t.Fatal(err)
			}
			io.Copy(io.Discard, res.Body)
			if res.StatusCode != tt.want || res.Close != (tt.want != 200) {
				t.Errorf("got %s, close %v", res.Status, res.Close)
			}
			if _, err := reader.ReadByte(); (err == nil) != (tt.want == 200) {
				t.Errorf("the second request: %v", err)
			}
		})
	}
}

// A decryptedConn is what an HTTP/2 server gets that does not do TLS itself. Only
// so does it tell us of :scheme, by leaving r.TLS out.
type decryptedConn struct{ net.Conn }

func (decryptedConn) ConnectionState() tls.ConnectionState {
	return tls.ConnectionState{Version: tls.VersionTLS13, CipherSuite: tls.TLS_AES_128_GCM_SHA256}
}

// dial2 connects to an HTTP/2 server.
func dial2(t *testing.T, h http.Handler) net.Conn {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	served.Go(func() { new(http2.Server).ServeConn(decryptedConn{conn}, &http2.ServeConnOpts{Handler: h}) })
	t.Cleanup(func() { client.Close(); served.Wait() })
	client.SetDeadline(time.Now().Add(5 * time.Second))
	return client
}

// HTTP/2 as a client can write it that is no browser. What is reset has not come
// as far as admission.
func TestHTTP2(t *testing.T) {
	const good = ":method GET|:scheme https|:authority a.test|:path /"
	tests := []struct{ name, header, want string }{
		{"Fine", good, "200"},
		{"FineWithHost", good + "|host a.test", "200"},
		{"HostOnly", ":method GET|:scheme https|:path /|host a.test", "200"},
		{"Edge9", ":method POST|:scheme https|:authority a.test|:path /|content-length 2|content-length 3", "400"},
		{"LengthWithoutBody", good + "|content-length 2", "400"},
		{"Edge14", ":method CONNECT|:authority x:443", "405"},
		{"Edge14Path", ":method CONNECT|:scheme https|:authority x:443|:path /", "reset"},
		{"Edge16", ":method TRACE|:scheme https|:authority a.test|:path /", "405"},
		{"Edge21TE", good + "|te gzip", "400"},
		{"Edge21Connection", good + "|connection x", "400"},
		{"Edge21PathSpace", ":method GET|:scheme https|:authority a.test|:path /a HTTP/1.1", "400"},
		{"Edge21Method", ":method GET / HTTP/1.1|:scheme https|:authority a.test|:path /", "400"},
		{"Edge24", ":method GET|:scheme https|:path /", "400"},
		{"Edge26", ":method GET|:scheme https|:authority a.test/x|:path /", "reset"},
		{"Edge30Host", good + "|host b.test", "reset"},
		{"Edge30Scheme", ":method GET|:scheme http|:authority a.test|:path /", "400"},
		{"Edge30Path", ":method GET|:scheme https|:authority a.test|:path http://evil/", "reset"},
		{"Edge30Asterisk", ":method GET|:scheme https|:authority a.test|:path *", "400"},
		{"Edge44", ":method get|:scheme https|:authority a.test|:path /", "400"},
		{"Edge49", good + strings.Repeat("|a b", 101), "431"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := ask2(dial2(t, door(true)), tt.header); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// ask2 sends one request without a body, and returns its status or "reset".
func ask2(conn net.Conn, header string) string {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for field := range strings.SplitSeq(header, "|") {
		name, value, _ := strings.Cut(field, " ")
		encoder.WriteField(hpack.HeaderField{Name: name, Value: value})
	}
	io.WriteString(conn, http2.ClientPreface)
	framer := http2.NewFramer(conn, conn)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	framer.WriteSettings()
	framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: true})
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return err.Error()
		}
		switch f := frame.(type) {
		case *http2.MetaHeadersFrame:
			return f.PseudoValue("status")
		case *http2.RSTStreamFrame:
			return "reset"
		}
	}
}

// Edge 65: HTTP/3 does not tell before its end that a request has no body.
func TestHTTP3(t *testing.T) {
	client, url := serve3(t, door(true))
	tests := []struct{ name, method, body, want string }{
		{"NoBody", "GET", "", "0 true "},
		{"Body", "GET", "body", "-1 false body"},
		{"Post", "POST", "body", "-1 false body"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var body io.Reader
			if tt.body != "" {
				body = io.MultiReader(strings.NewReader(tt.body)) // of unknown length
			}
			request, _ := http.NewRequestWithContext(t.Context(), tt.method, url, body)
			res, err := client.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if got, _ := io.ReadAll(res.Body); string(got) != tt.want {
				t.Errorf("got %s %q, want %q", res.Status, got, tt.want)
			}
		})
	}
}

func serve3(t *testing.T, h http.Handler) (*http.Client, string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	server := &http3.Server{Handler: h, TLSConfig: http3.ConfigureTLSConfig(config)}
	go server.Serve(conn)
	transport := &http3.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	t.Cleanup(func() { transport.Close(); server.Close(); conn.Close() })
	return &http.Client{Transport: transport}, "https://" + conn.LocalAddr().String()
}
