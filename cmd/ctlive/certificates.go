package main

import (
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"ctlive/configs"
	"ctlive/proxy"
	"ctlive/proxy/certify"
	"ctlive/proxy/certify/postgres"
)

// openCertificates opens what handshakes are answered with, and for that the
// storage that edges share.
func (s *service) openCertificates(c *configs.Config) error {
	if c.TLS.Storage != "" {
		shared, err := postgres.New(postgres.Options{DSN: c.TLS.Storage, Logger: s.log})
		if err != nil {
			return fmt.Errorf("tls.storage: %w", err)
		}
		s.shared = shared
	}
	o, err := s.certificates(c)
	if err == nil {
		s.certs, err = certify.New(o)
	}
	return err
}

// certificates says where the certificates of c come from.
func (s *service) certificates(c *configs.Config) (certify.Options, error) {
	host, _, _ := net.SplitHostPort(c.Listen.HTTPS)
	o := certify.Options{
		Dir: filepath.Join(c.Data, "certificates"), Email: c.TLS.Email, CA: c.TLS.CA,
		Internal: c.TLS.Internal, Ask: c.TLS.OnDemand.Ask,
		HTTPPort: proxy.Port(s.sockets.HTTP), TLSPort: proxy.Port(s.sockets.HTTPS), ListenHost: host, Logger: s.log,
		Event: s.certificateEvent,
	}
	if s.shared != nil {
		o.Storage = s.shared
	}
	for _, site := range c.Sites {
		o.Sites = append(o.Sites, certify.Site{Hosts: site.Hosts, CertFile: site.TLS.Cert, KeyFile: site.TLS.Key})
	}
	if c.TLS.CARoot == "" {
		return o, nil
	}
	pem, err := os.ReadFile(c.TLS.CARoot)
	if err != nil {
		return o, fmt.Errorf("read tls.ca_root: %w", err)
	}
	o.Roots = x509.NewCertPool()
	if !o.Roots.AppendCertsFromPEM(pem) {
		return o, fmt.Errorf("tls.ca_root: there is no certificate in %s; name the PEM file of the CA's root", c.TLS.CARoot)
	}
	return o, nil
}

// certificateEvent counts what happens to a host's certificate. Failures are
// logged where they are.
func (s *service) certificateEvent(event, host string, err error) {
	s.metrics.Certificate(event)
	if err == nil {
		s.log.Info("certificate", "event", event, "host", host)
	}
}

func (s *service) updateCertificates(c *configs.Config) error {
	if s.certs == nil {
		return nil
	}
	o, err := s.certificates(c)
	if err != nil {
		return err
	}
	return s.certs.Update(o)
}

// validities returns for how long the certificate of each host is valid.
func (s *service) validities() map[string]proxy.Validity {
	all := map[string]proxy.Validity{}
	if s.certs == nil {
		return all
	}
	for _, c := range s.certs.Certificates() {
		if !c.NotAfter.IsZero() {
			all[c.Host] = proxy.Validity{NotBefore: c.NotBefore, NotAfter: c.NotAfter}
		}
	}
	return all
}
