package proxy

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// selfSigned returns a configuration with a certificate that nobody trusts.
func selfSigned(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"a.test"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, &c, &c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// TestQUICSeats: over HTTP/3 too a client has so many connections and no more,
// and gets the place of one that it closes (edge 57).
func TestQUICSeats(t *testing.T) {
	origin := httptest.NewServer(says("origin"))
	defer origin.Close()
	front := NewSwitch(newTestProxy(t, origin.URL))
	sockets, err := Open(Addresses{HTTPS: "127.0.0.1:0", Admin: "127.0.0.1:0", QUIC: true})
	if err != nil {
		t.Fatal(err)
	}
	var dials, refused atomic.Int32 // the client may try again by itself
	e := newQUIC(ServerOptions{
		Sockets: sockets, Front: front, TLS: selfSigned(t), Logger: slog.New(slog.DiscardHandler),
	}, func(string) { refused.Add(1) })
	e.seats.PerClient = 2
	served := make(chan error, 1)
	go func() { served <- e.serve() }()

	var open []*http3.Transport
	get := func() error {
		client := &http3.Transport{
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: "a.test"},
			Dial: func(ctx context.Context, addr string, tls *tls.Config, config *quic.Config) (*quic.Conn, error) {
				dials.Add(1)
				return quic.DialAddrEarly(ctx, addr, tls, config)
			},
		}
		open = append(open, client)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		r, _ := http.NewRequestWithContext(ctx, "GET", "https://"+sockets.QUIC.LocalAddr().String(), nil)
		r.Host = "a.test"
		res, err := client.RoundTrip(r)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		_, err = io.ReadAll(res.Body)
		return err
	}
	for i := range 2 {
		if err := get(); err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
	}
	if err := get(); err == nil || refused.Load() == 0 || refused.Load() != dials.Load()-2 {
		t.Errorf("a third connection: %v, %d refused of %d more", err, refused.Load(), dials.Load()-2)
	}
	open[0].Close()
	again := get()
	for range 1500 {
		if again == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
		again = get()
	}
	if again != nil {
		t.Errorf("after one has left: %v", again)
	}
	for _, client := range open {
		client.Close()
	}
	e.Close()
	if err := <-served; err != http.ErrServerClosed && err != quic.ErrServerClosed {
		t.Error(err)
	}
	sockets.Close()
	front.Close()
}
