package certify

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/caddyserver/certmagic"
)

const (
	fromFile = "file"  // tag of certificates that the operator gave us
	maxPEM   = 1 << 20 // of a certificate or key file, in bytes
)

// pair is a certificate and its key in files of the operator.
type pair struct {
	site      Site
	cert, key []byte // PEM, as last read
	leaf      *x509.Certificate
	hash      string // in the cache
	err       error  // of the last look at the files
}

// readSites reads the files of every site that has some. The error names all
// that are not usable.
func readSites(sites []Site) ([]*pair, error) {
	var files []*pair
	var errs []error
	for _, site := range sites {
		if site.CertFile == "" && site.KeyFile == "" {
			continue
		}
		f, err := readPair(site)
		files, errs = append(files, f), append(errs, err)
	}
	return files, errors.Join(errs...)
}

func readPair(site Site) (*pair, error) {
	cert, err := readPEM(site.CertFile)
	if err != nil {
		return nil, fmt.Errorf("read the certificate of %s: %w", site.Hosts, err)
	}
	key, err := readPEM(site.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("read the key of %s: %w", site.Hosts, err)
	}
	f := &pair{site: site, cert: cert, key: key}
	return f, f.check()
}

func readPEM(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxPEM+1))
	if err == nil && len(b) > maxPEM {
		err = fmt.Errorf("%s is larger than %d bytes: name a PEM file", name, maxPEM)
	}
	return b, err
}

// check reports whether the key is that of the certificate, and the certificate
// valid for every host of the site. It fills in the leaf.
func (f *pair) check() error {
	c, err := tls.X509KeyPair(f.cert, f.key)
	if err != nil {
		return fmt.Errorf("certificate %s with key %s: %w: %s", f.site.CertFile, f.site.KeyFile, err, pairFix(err))
	}
	f.leaf = c.Leaf
	if len(c.Leaf.DNSNames)+len(c.Leaf.IPAddresses) == 0 {
		return fmt.Errorf("certificate %s names no host: get one with subject alternative names", f.site.CertFile)
	}
	for _, host := range f.site.Hosts {
		if host != "*" && c.Leaf.VerifyHostname(host) != nil {
			return fmt.Errorf("certificate %s is for %s and not for %s: get one that is, or remove the host from the site",
				f.site.CertFile, namesOf(c.Leaf), host)
		}
	}
	return nil
}

// pairFix says what to do about err of [tls.X509KeyPair].
func pairFix(err error) string {
	switch message := err.Error(); {
	case strings.Contains(message, "does not match"):
		return "name the key that the certificate was made for, and put the site's own certificate first in its file"
	case strings.Contains(message, "key"):
		return "name a PEM file with an RSA, ECDSA or Ed25519 key that has no password"
	}
	return "name a PEM file with the certificate chain, the site's own first"
}

func namesOf(leaf *x509.Certificate) string {
	names := leaf.DNSNames
	for _, ip := range leaf.IPAddresses {
		names = append(names, ip.String())
	}
	return strings.Join(names, ", ")
}

// same reports whether g has the content of f.
func (f *pair) same(g *pair) bool { return bytes.Equal(f.cert, g.cert) && bytes.Equal(f.key, g.key) }

// takeIn puts the certificates of files into memory.
func takeIn(ctx context.Context, config *certmagic.Config, files []*pair) (err error) {
	for _, f := range files {
		f.hash, err = config.CacheUnmanagedCertificatePEMBytes(ctx, f.cert, f.key, []string{fromFile})
		if err != nil {
			return fmt.Errorf("certificate %s: %w", f.site.CertFile, err)
		}
	}
	return nil
}

// leaveOut removes the certificates of old from memory, except those that a file
// in use has.
func (m *Manager) leaveOut(old []*pair) {
	used := map[string]bool{}
	for _, f := range m.files {
		used[f.hash] = true
	}
	for _, f := range old {
		if f.hash != "" && !used[f.hash] {
			m.cache.Remove([]string{f.hash})
		}
	}
}
