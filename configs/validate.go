package configs

import "fmt"

// validate reports what is wrong between the keys, each of which is well formed
// or has its problem already.
func (d *decoder) validate(c *Config) {
	d.addresses(c)
	if c.ProxyProtocol && len(c.TrustedProxies) == 0 && d.sound("trusted_proxies") {
		d.object("proxy_protocol", "only trusted_proxies may connect then, and there are none", "add trusted_proxies: [10.0.0.0/8] with the addresses of the load balancer")
	}
	if len(c.Sites) == 0 {
		d.object("sites", "no site", "add - hosts: [www.example.com] with to: [http://127.0.0.1:3000]")
	}
	owner := map[string]string{}
	for i := range c.Sites {
		d.site(fmt.Sprintf("sites[%d]", i), &c.Sites[i], owner)
	}
	d.certificates(c)
	first := map[string]string{}
	for i := range c.Collector.Forward {
		d.sink(fmt.Sprintf("collector.forward[%d]", i), &c.Collector.Forward[i], first)
	}
}

// site checks the site at path. The owner of a host is the path that named it first.
func (d *decoder) site(path string, s *Site, owner map[string]string) {
	if len(s.Hosts) == 0 {
		d.object(path+".hosts", "missing", "add hosts: [www.example.com], or hosts: [\"*\"] for every host")
	}
	if len(s.To) == 0 {
		d.object(path+".to", "missing", "name the site's own server, such as http://127.0.0.1:3000")
	}
	if (s.TLS.Cert == "") != (s.TLS.Key == "") {
		d.object(path+".tls", "cert and key belong together", "set both, or neither for a certificate by ACME")
	}
	for i, host := range s.Hosts {
		at := fmt.Sprintf("%s.hosts[%d]", path, i)
		if first := owner[host]; first != "" {
			d.object(at, fmt.Sprintf("%s is taken by %s on line %d", quote(host), first, d.mark(first).line), "leave it with one site")
			continue
		}
		owner[host] = at
	}
}

// sink checks the sink at path. The first of a name is the path that had it first.
func (d *decoder) sink(path string, s *Sink, first map[string]string) {
	d.oneOf(path, s.NATS != nil, s.Kafka != nil, s.Postgres != nil, s.Webhook != nil)
	if n := s.NATS; n != nil {
		d.require(path+".nats.url", n.URL != "")
	}
	if k := s.Kafka; k != nil {
		d.require(path+".kafka.brokers", len(k.Brokers) > 0)
	}
	if p := s.Postgres; p != nil {
		d.require(path+".postgres.dsn", p.DSN != "")
	}
	if w := s.Webhook; w != nil {
		d.require(path+".webhook.url", w.URL != "")
		d.require(path+".webhook.secret", w.Secret != "")
	}
	name := s.Name()
	if other := first[name]; other != "" {
		d.object(path, fmt.Sprintf("%s is %s on line %d already", quote(name), other, d.mark(other).line), "give it another stream, topic, table or path: how far a sink has come is kept under that name")
		return
	}
	first[name] = path
}

func (d *decoder) oneOf(path string, set ...bool) {
	count := 0
	for _, s := range set {
		if s {
			count++
		}
	}
	if count != 1 {
		d.object(path, fmt.Sprintf("%d sinks in one item", count), "write one item for each of nats, kafka, postgres or webhook")
	}
}

func (d *decoder) require(path string, ok bool) {
	if !ok {
		d.object(path, "missing", "add it: the sink cannot do without")
	}
}
