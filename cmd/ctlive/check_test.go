package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// check runs ctlive check on a file with this content in dir, and returns its
// exit status and its messages, without the name of the folder.
func check(t *testing.T, dir, yaml string) (code int, says string) {
	t.Helper()
	name := filepath.Join(dir, "c.yaml")
	if err := os.WriteFile(name, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	code = execute(t.Context(), []string{"check", "--config", name}, nil, &stdout, &stderr)
	if stdout.Len() > 0 {
		t.Errorf("stdout: %s", &stdout)
	}
	return code, strings.ReplaceAll(stderr.String(), dir+"/", "")
}

// writePair writes cert.pem and key.pem, and other.pem with another key.
func writePair(t *testing.T, dir string, from, until time.Time, hosts ...string) {
	t.Helper()
	key, other := newKey(t), newKey(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: from, NotAfter: until, DNSNames: hosts}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, filepath.Join(dir, "cert.pem"), "CERTIFICATE", der)
	writeKey(t, filepath.Join(dir, "key.pem"), key)
	writeKey(t, filepath.Join(dir, "other.pem"), other)
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func writeKey(t *testing.T, name string, key *ecdsa.PrivateKey) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, name, "PRIVATE KEY", der)
}

func writePEM(t *testing.T, name, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Mistakes of different kinds, each with its place and its fix.
func TestCheckNamesFiveMistakes(t *testing.T) {
	code, says := check(t, t.TempDir(), `listen: {https: "443"}
admin: {listen: ":9180"}
proxy_protocol: true
sites:
  - host: [www.example.com]
    to: [http://10.0.0.5]
    listener: {query: true}
`)
	want := `c.yaml:1:17: listen.https: "443" is not host:port; write host:port, such as 127.0.0.1:9180, or :80 for every address
c.yaml:2:17: admin.listen: anybody who reaches this address could read the events; set admin.token, or listen on 127.0.0.1:9180
c.yaml:3:17: proxy_protocol: only trusted_proxies may connect then, and there are none; add trusted_proxies: [10.0.0.0/8] with the addresses of the load balancer
c.yaml:5:5: sites[0].host: unknown key; did you mean "hosts"?
c.yaml:7:23: sites[0].listener.query: true or false instead of text; write strip or keep
`
	if code != 2 || says != want {
		t.Errorf("exit status %d, want 2; got\n%s\nwant\n%s", code, says, want)
	}
}

func TestCheckReadsFiles(t *testing.T) {
	const day = 24 * time.Hour
	now := time.Now()
	dir := t.TempDir()
	writePair(t, dir, now.Add(-day), now.Add(90*day), "a.test", "*.b.test")
	own := func(hosts, cert, key string) string {
		return "listen: {https: ':443'}\nsites: [{hosts: [" + hosts + "], to: ['http://127.0.0.1:1'], tls: {cert: " + cert + ", key: " + key + "}}]\n"
	}
	for _, test := range []struct {
		name, yaml string
		code       int
		says       []string
	}{
		{"a good pair", own("a.test, www.b.test, '*'", "cert.pem", "key.pem"), 0, []string{"The configuration is valid; sites: 1.\n"}},
		{"another key", own("a.test", "cert.pem", "other.pem"), 2, []string{"c.yaml:2:60: sites[0].tls: tls: private key does not match public key; name PEM files"}},
		{"no certificate", own("a.test", "key.pem", "key.pem"), 2, []string{"c.yaml:2:60: sites[0].tls: tls: failed to find certificate PEM data"}},
		{"another host", own("a.test, c.test", "cert.pem", "key.pem"), 0, []string{`warning: c.yaml:2:26: sites[0].hosts[1]: the certificate of this site is not for "c.test"; use`, "is valid"}},
		{"no root", "listen: {https: ':443'}\ntls: {ca: 'https://ca.test/', ca_root: key.pem}\nsites: [{hosts: [a.test], to: ['http://127.0.0.1:1']}]\n", 2, []string{"c.yaml:2:40: tls.ca_root: there is no certificate in key.pem; name"}},
		{"no database", "listen: {https: ':443'}\ntls: {storage: 'redis://:s3cr3t@a.test/'}\nsites: [{hosts: [www.example.com], to: ['http://127.0.0.1:1']}]\n", 2, []string{"c.yaml:2:16: tls.storage: the value is no address of a PostgreSQL database; write"}},
		{"a sink that nobody could send to, too", own("a.test", "cert.pem", "other.pem") + "collector: {forward: [{kafka: {brokers: [\"k1:9092\"], topic: \"a/b\"}}]}\n", 2, []string{"c.yaml:2:60: sites[0].tls: ", "c.yaml:3:23: collector.forward[0]: kafka: topic \"a/b\": "}},
	} {
		t.Run(test.name, func(t *testing.T) {
			code, says := check(t, dir, test.yaml)
			if code != test.code {
				t.Errorf("exit status %d, want %d", code, test.code)
			}
			for _, want := range test.says {
				if !strings.Contains(says, want) {
					t.Errorf("says\n%s\nnot %q", says, want)
				}
			}
		})
	}
}

func TestCheckOfCertificatesThatEnd(t *testing.T) {
	const day = 24 * time.Hour
	now := time.Now()
	for _, test := range []struct {
		name        string
		from, until time.Duration
		says        string
	}{
		{"long", -day, 15 * day, ""},
		{"soon", -day, 13 * day, "the certificate expires on " + now.Add(13*day).UTC().Format("2006-01-02")},
		{"ended", -2 * day, -day, "the certificate expired on "},
		{"not begun", day, 90 * day, "the certificate is not valid before "},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			writePair(t, dir, now.Add(test.from), now.Add(test.until), "a.test")
			code, says := check(t, dir, "listen: {https: ':443'}\nsites: [{hosts: [a.test], to: ['http://127.0.0.1:1'], tls: {cert: cert.pem, key: key.pem}}]\n")
			warned := strings.Contains(says, "warning: c.yaml:2:67: sites[0].tls.cert: "+test.says)
			if code != 0 || warned != (test.says != "") {
				t.Errorf("exit status %d, says\n%s", code, says)
			}
		})
	}
}
