package e2e

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// ownCertificate is a certificate of the operator's own, in two files.
type ownCertificate struct {
	cert, key string // files
	leaf      *x509.Certificate
}

// newOwnCertificate writes a certificate for name into a folder of its own.
func newOwnCertificate(t *testing.T, name string, signer crypto.Signer) *ownCertificate {
	t.Helper()
	dir := t.TempDir()
	c := &ownCertificate{cert: dir + "/cert.pem", key: dir + "/key.pem"}
	c.replace(t, name, signer)
	return c
}

// replace writes a new key and certificate over the old ones.
func (c *ownCertificate) replace(t *testing.T, name string, signer crypto.Signer) {
	t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(90 * 24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, // so that a client may trust it as it is
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, signer.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	if c.leaf, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	writeKey(t, c.key, signer)
	writePEM(t, c.cert, "CERTIFICATE", der)
}

func writeKey(t *testing.T, file string, signer crypto.Signer) {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(signer)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, file, "PRIVATE KEY", key)
}

func (c *ownCertificate) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(c.leaf)
	return pool
}

func newECDSA(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newRSA(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// runOwn runs a proxy whose sites, by name, have certificates of their own. Its
// authority does not exist.
func runOwn(t *testing.T, sites map[string]*ownCertificate) (p *proxy, addr string) {
	t.Helper()
	addr = reserveAddr(t)
	yaml := fmt.Sprintf(`listen: {http: "127.0.0.1:0", https: %q}
admin: {listen: "127.0.0.1:0"}
data: %s
log: {format: json, access: true}
tls: {ca: "https://127.0.0.1:1/dir"}
sites:
`, addr, t.TempDir())
	to := startOrigin(t).url
	for name, c := range sites {
		yaml += fmt.Sprintf("  - {hosts: [%s], to: [%q], tls: {cert: %q, key: %q}}\n", name, to, c.cert, c.key)
	}
	return runProxy(t, yaml), addr
}

// TestCertificateFiles: a certificate that is replaced on disk is served within
// seconds; one that is broken is not, and the log says so.
func TestCertificateFiles(t *testing.T) {
	t.Parallel()
	own := newOwnCertificate(t, "a.test", newECDSA(t))
	p, addr := runOwn(t, map[string]*ownCertificate{"a.test": own})
	if _, err := shake(addr, "a.test", own.pool()); err != nil {
		t.Fatalf("the first: %v\n%s", err, p.log)
	}
	for _, breakage := range []struct {
		name string
		do   func()
	}{
		{"no certificate", func() { overwrite(t, own.cert, "-----BEGIN CERTIFICATE-----\nnone\n") }},
		{"empty file", func() { overwrite(t, own.cert, "") }},
		{"empty key", func() { overwrite(t, own.key, "") }},
		{"key of another", func() { writeKey(t, own.key, newECDSA(t)) }},
		{"missing file", func() { os.Remove(own.cert) }},
	} {
		t.Run(breakage.name, func(t *testing.T) {
			good, told := own.leaf, p.errors(own.cert)+p.errors(own.key)
			breakage.do()
			await(t, "complaint", func() bool { return p.errors(own.cert)+p.errors(own.key) > told })
			if leaf, err := shake(addr, "a.test", own.pool()); err != nil || !leaf.Equal(good) {
				t.Errorf("%v; want the certificate from before", err)
			}
			own.replace(t, "a.test", newECDSA(t))
			await(t, "new certificate", func() bool { _, err := shake(addr, "a.test", own.pool()); return err == nil })
		})
	}
}

// errors returns how many errors in the log name what.
func (p *proxy) errors(what string) (n int) {
	for line := range strings.Lines(p.log.String()) {
		if strings.Contains(line, `"level":"ERROR"`) && strings.Contains(line, what) {
			n++
		}
	}
	return n
}

// overwrite writes in place, as a careless script does.
func overwrite(t *testing.T, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestCertificateInternal: the log names the root certificate of the local
// authority, a client that loads it trusts the sites, and a restart keeps it.
func TestCertificateInternal(t *testing.T) {
	t.Parallel()
	c := newInternal(t, startOrigin(t).url)
	c.hosts = "[localhost, a.test]"
	p, roots := c.run(t)
	await(t, "certificate for a.test", func() bool { _, err := shake(c.https, "a.test", roots); return err == nil })
	if g := greet(t, c.https, hello{name: "b.test"}); g.certificate != nil || g.alert != unrecognizedName {
		t.Errorf("a name of nobody's: %v", g)
	}
	onlyOwner(t, c.data)
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	c.run(t)
	if _, err := shake(c.https, "localhost", roots); err != nil {
		t.Errorf("with the root from before the restart: %v", err)
	}
}

// rootFile returns the file below data that the log says to trust.
func (p *proxy) rootFile(t *testing.T, data string) (file string) {
	t.Helper()
	await(t, "root certificate in the log", func() bool {
		for _, word := range strings.FieldsFunc(p.log.String(), func(r rune) bool { return strings.ContainsRune("\" \t\n,;", r) }) {
			if strings.HasPrefix(word, data) && strings.Contains(filepath.Base(word), "root") && exists(word) {
				file = word
				return true
			}
		}
		return false
	})
	return file
}

// onlyOwner checks that nobody else may read a key below data.
func onlyOwner(t *testing.T, data string) {
	t.Helper()
	keys := 0
	err := filepath.WalkDir(data, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.Contains(filepath.Base(path), "key") {
			return err
		}
		keys++
		info, err := entry.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v", path, info.Mode())
		}
		return err
	})
	if err != nil || keys == 0 {
		t.Errorf("%d keys, %v", keys, err)
	}
}
