package configs

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// certificates checks that each host has somewhere to get its certificate from,
// and that whoever asks for one listens for TLS.
func (d *decoder) certificates(c *Config) {
	if !d.sound("listen.https") || !d.sound("tls") {
		return
	}
	if t := &c.TLS; t.Internal && (t.Email != "" || t.CARoot != "" || t.CA != publicCA) {
		d.object("tls.internal", "the local CA stands in for tls.ca, but email, ca or ca_root is set", "remove those, or set internal: false")
	}
	if c.TLS.Internal && c.TLS.Storage != "" {
		d.object("tls.storage", "the local CA is of this machine alone", "remove this, or set internal: false")
	}
	if c.Listen.HTTPS == "" {
		d.unusedTLS(c)
		return
	}
	for i := range c.Sites {
		d.siteCertificates(fmt.Sprintf("sites[%d]", i), &c.Sites[i], c)
	}
}

// unusedTLS reports settings that would be taken for encryption where there is
// none.
func (d *decoder) unusedTLS(c *Config) {
	const message, fix = "nothing listens for TLS", `set listen.https: ":443", or remove this`
	if t := c.TLS; t.Internal || t.Email != "" || t.Storage != "" || t.OnDemand.Ask != "" {
		d.object("tls", message, fix)
	}
	for i, s := range c.Sites {
		if s.TLS.Cert != "" {
			d.object(fmt.Sprintf("sites[%d].tls", i), message, fix)
		}
	}
}

// siteCertificates checks the hosts of s, the site at path, one by one.
func (d *decoder) siteCertificates(path string, s *Site, c *Config) {
	if s.TLS.Cert != "" || c.TLS.Internal || !d.sound(path+".tls") {
		return
	}
	for i, host := range s.Hosts {
		at := fmt.Sprintf("%s.hosts[%d]", path, i)
		switch {
		case host == "*" && c.TLS.OnDemand.Ask == "":
			d.object(at, "nothing says which hosts get a certificate", "set tls.on_demand.ask, tls.internal: true, or sites[].tls with a certificate of your own")
		case host != "*" && c.TLS.CA == publicCA && !public(host):
			d.object(at, quote(host)+" cannot get a certificate from a public CA", "set tls.internal: true, or sites[].tls with a certificate of your own")
		}
	}
}

// privateNames are endings of names that the DNS of the Internet never has (RFC
// 6761, RFC 6762, RFC 7686, RFC 8375, and ICANN for internal).
var privateNames = []string{".home.arpa", ".internal", ".invalid", ".local", ".localhost", ".onion", ".test"}

// public reports whether host can have a certificate of a public CA. Those sign
// no name with an underscore or of a single label (CA/Browser Forum, Baseline
// Requirements, 7.1.2.7.12), and addresses only on special terms.
func public(host string) bool {
	_, err := netip.ParseAddr(host)
	private := func(end string) bool { return strings.HasSuffix(host, end) }
	return err != nil && strings.Contains(host, ".") && !strings.Contains(host, "_") && !slices.ContainsFunc(privateNames, private)
}
