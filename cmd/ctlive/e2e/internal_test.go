package e2e

import (
	"crypto/x509"
	"fmt"
	"strings"
	"testing"
	"time"
)

// internal is a configuration whose certificates come from the internal CA. Its
// addresses stay the same when the proxy starts again.
type internal struct {
	https, admin, data, to string
	hosts                  string // YAML list
	more                   string // further keys of the site, in YAML
	grace                  time.Duration
}

func newInternal(t *testing.T, to string) internal {
	return internal{https: reserveAddr(t), admin: reserveAddr(t), data: t.TempDir(), to: to, hosts: "[localhost]", grace: 5 * time.Second}
}

func (c internal) yaml() string {
	return fmt.Sprintf(`listen: {http: "", https: %q, grace: %v}
admin: {listen: %q}
data: %s
tls: {internal: true}
log: {format: json, access: false}
collector: {rate: {per_client: 1000000/s, burst: 1000000}}
sites: [{hosts: %s, to: [%q], %s}]
`, c.https, c.grace, c.admin, c.data, c.hosts, c.to, c.more)
}

// run starts the proxy and waits for its certificate.
func (c internal) run(t *testing.T) (p *proxy, roots *x509.CertPool) {
	t.Helper()
	p = runProxy(t, c.yaml())
	p.data = c.data
	roots = readPool(t, p.rootFile(t, c.data))
	name, _, _ := strings.Cut(strings.Trim(c.hosts, "[]"), ",")
	await(t, "certificate for "+name, func() bool { _, err := shake(c.https, name, roots); return err == nil })
	return p, roots
}

// url is that of the site localhost.
func (c internal) url() string {
	return "https://localhost" + c.https[strings.LastIndex(c.https, ":"):]
}
