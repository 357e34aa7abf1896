package e2e

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// TestAttackServerName: who names no host of ours gets no certificate, and the
// alert says why (edge 33).
func TestAttackServerName(t *testing.T) {
	t.Parallel()
	b := besiege(t, true, newRecorder(t, nil))
	const unknownName = tls.AlertError(112) // unrecognized_name, RFC 6066 3
	for name, served := range map[string]bool{
		"a.test": true, "b.test": true, "A.TEST": true, "xn--bcher-kva.test": true,
		"evil.test": false, "x.a.test": false, "a.test.evil": false, "test": false, "*.test": false,
		strings.Repeat("a.", 100) + "test": false,
	} {
		config := &tls.Config{ServerName: name, InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}}
		conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 3 * time.Second}, "tcp", strings.TrimPrefix(b.https, "https://"), config)
		var alert tls.AlertError
		switch errors.As(err, &alert); {
		case served && err != nil, !served && err == nil:
			t.Errorf("%q: %v, served is to be %t", name, err, served)
		case !served && alert != unknownName && !strings.Contains(err.Error(), "unrecognized name"):
			t.Errorf("%q: %v", name, err)
		}
		if conn != nil {
			conn.Close()
		}
	}
}

// TestAttackNoServerName: who names nobody is at best told the address that it
// has called, never a host of ours (edge 33).
func TestAttackNoServerName(t *testing.T) {
	t.Parallel()
	b := besiege(t, true, newRecorder(t, nil))
	conn := tls.Client(b.connectRaw(t), &tls.Config{InsecureSkipVerify: true})
	conn.SetDeadline(time.Now().Add(3 * time.Second))
	if err := conn.Handshake(); err != nil {
		return
	}
	leaf := conn.ConnectionState().PeerCertificates[0]
	if len(leaf.DNSNames) > 0 || leaf.VerifyHostname("127.0.0.1") != nil {
		t.Errorf("the certificate is for %q, %v", leaf.DNSNames, leaf.IPAddresses)
	}
}

// TestAttackMisdirected: a connection is good for the hosts of its certificate,
// and for no other (edge 31, 32).
func TestAttackMisdirected(t *testing.T) {
	t.Parallel()
	b := besiege(t, true, newRecorder(t, nil))
	for _, test := range []struct {
		name, host string
		status     int
	}{
		{"a.test", "a.test", 200}, {"a.test", "A.Test.", 200}, {"b.test", "b.test", 200},
		{"a.test", "b.test", 421}, {"b.test", "a.test", 421},
		{"a.test", "evil.test", 421}, {"a.test", "127.0.0.1", 421}, {"a.test", "[::1]", 421},
	} {
		t.Run(test.name+" asks for "+test.host, func(t *testing.T) {
			since := b.origin.count()
			got := map[string]int{}
			got["HTTP/2"] = b.statusHTTP2(t, test.name, test.host)
			fields := requestAttack{fields: []string{":authority", test.host}}.list("")
			got["HTTP/3"], _, _ = b.openHTTP3(t, test.name).ask(frameHTTP3(headersFrame, fieldSection(fields)))
			c := tls.Client(b.connectRaw(t), &tls.Config{ServerName: test.name, InsecureSkipVerify: true})
			c.SetDeadline(time.Now().Add(3 * time.Second))
			got["HTTP/1.1"] = exchangeHTTP1(c, "GET / HTTP/1.1\r\nHost: "+test.host+"\r\nConnection: close\r\n\r\n", false).status
			for protocol, status := range got {
				if status != test.status {
					t.Errorf("%s: status %d, want %d", protocol, status, test.status)
				}
			}
			if test.status != http.StatusOK && b.origin.count() > since {
				t.Errorf("the origin saw %v", b.origin.since(since))
			}
		})
	}
}

// TestCoalescing: a connection serves every site whose host its certificate
// covers, as browsers expect, and still no strangers (edge 31).
func TestCoalescing(t *testing.T) {
	t.Parallel()
	origin, both, other := newRecorder(t, nil), newOwnCertificate(t, "*.test", newECDSA(t)), newOwnCertificate(t, "c.other", newECDSA(t))
	yaml := "listen: {http: \"127.0.0.1:0\", https: \"127.0.0.1:0\"}\nadmin: {listen: \"127.0.0.1:0\"}\nlog: {format: json}\ndata: " + t.TempDir() +
		"\ntls: {ca: \"https://127.0.0.1:1/dir\"}\nsites:\n"
	for name, own := range map[string]*ownCertificate{"a.test": both, "b.test": both, "c.other": other} {
		yaml += fmt.Sprintf("  - {hosts: [%s], to: [%q], tls: {cert: %q, key: %q}}\n", name, origin.url, own.cert, own.key)
	}
	b := besieged{runProxy(t, yaml), origin}
	for host, want := range map[string]int{"a.test": 200, "b.test": 200, "B.TEST:443": 200, "c.other": 421, "evil.test": 421} {
		if status := b.statusHTTP2(t, "a.test", host); status != want {
			t.Errorf("on a connection for a.test, %s gets %d, want %d", host, status, want)
		}
	}
}

// statusHTTP2 asks for a host on a connection for a name.
func (b besieged) statusHTTP2(t *testing.T, name, host string) int {
	t.Helper()
	c := b.openHTTP2(t, name)
	c.headers(1, true, requestAttack{fields: []string{":authority", host}}.list("")...)
	return c.answer(1).status
}

// TestAttackPlainListener: beside a secure listener the plain one redirects to
// hosts of ours, to nobody else's, and does not let the origin see anything (edge
// 32, 59).
func TestAttackPlainListener(t *testing.T) {
	t.Parallel()
	b := besiege(t, true, newRecorder(t, nil))
	for _, test := range []struct {
		host, target string
		status       int
		location     string // behind https://host:port
	}{
		{"a.test", "/x?a=1;b", 308, "/x?a=1;b"},
		{"A.TEST:80", "//evil/", 308, "//evil/"},
		{"evil.test", "/", 404, ""},
		{"a.test@evil.test", "/", 400, ""},
		{"a.test", "http://evil.test/", 404, ""},
		{"a.test", "/.well-known/acme-challenge/x", 308, "/.well-known/acme-challenge/x"},
		{"evil.test", "/.well-known/acme-challenge/x", 404, ""},
	} {
		got := exchangeHTTP1(b.connect(t, false), "GET "+test.target+" HTTP/1.1\r\nHost: "+test.host+"\r\nConnection: close\r\n\r\n", false)
		want := ""
		if test.location != "" {
			_, port, _ := strings.Cut(strings.TrimPrefix(b.https, "https://"), ":")
			want = "https://a.test:" + port + test.location
		}
		if got.status != test.status || got.header.Get("Location") != want {
			t.Errorf("%s %s: %v, want %d %s", test.host, test.target, got, test.status, want)
		}
	}
	if seen := b.origin.since(0); len(seen) > 0 {
		t.Errorf("the origin saw %v", seen)
	}
}

// TestAttackLoop: a site whose origin is the proxy itself does not keep it busy
// for ever (edge 34).
func TestAttackLoop(t *testing.T) {
	t.Parallel()
	address := freeAddr(t)
	p := runProxy(t, fmt.Sprintf("listen: {http: %q}\nadmin: {listen: \"127.0.0.1:0\"}\nlog: {format: json, access: true}\ndata: %s\nsites: [{hosts: [\"*\"], to: [\"http://%s\"]}]\n",
		address, t.TempDir(), address))
	res := get(t, p.url+"/")
	if res.StatusCode != http.StatusLoopDetected {
		t.Errorf("status %d", res.StatusCode)
	}
	if n := strings.Count(p.log.String(), `"status":508`); n > 10 {
		t.Errorf("%d rounds", n)
	}
}

// TestExtendedConnect: what we do not do is not offered (edge 73).
func TestExtendedConnect(t *testing.T) {
	t.Parallel()
	b := besiege(t, true, newRecorder(t, nil))
	c := b.openHTTP2(t, "a.test")
	c.get(1, "/")
	c.answer(1)
	if value := c.settings[http2.SettingEnableConnectProtocol]; value != 0 {
		t.Errorf("HTTP/2: SETTINGS_ENABLE_CONNECT_PROTOCOL is %d", value)
	}
	if streams := c.settings[http2.SettingMaxConcurrentStreams]; streams == 0 || streams > 100 {
		t.Errorf("HTTP/2: %d streams at once", streams)
	}
	// quic-go offers it in every connection, and cannot be told not to; it is
	// refused like any other CONNECT.
	t.Logf("HTTP/3: SETTINGS_ENABLE_CONNECT_PROTOCOL is %d", settingsHTTP3(t, b.openHTTP3(t, "a.test"))[enableConnect])
}
