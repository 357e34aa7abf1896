package configs

import (
	"strings"
	"testing"
)

const needsRestart = ": the new value needs a restart; restart ctlive, or leave it as it was"

func TestNeedsRestart(t *testing.T) {
	parse := func(yaml string) *Config {
		t.Helper()
		c, err := Parse("c.yaml", []byte(site+yaml), environment)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	running := parse("listen: {http: ':8080'}\ntrusted_proxies: [10.0.0.0/8]\n")
	for _, test := range []struct{ name, yaml, want string }{
		{"the same", "listen: {http: ':8080'}\n", ""},
		{"what can change", "listen: {http: ':8080'}\ntrusted_proxies: [10.1.0.0/16]\nlog: {query: true}\ntls: {ca: 'https://ca.internal/'}\ncollector: {ip: drop}\n", ""},
		{"other sinks", "listen: {http: ':8080'}\ncollector: {backlog: 3d, forward: [{kafka: {brokers: ['k:1']}}]}\n", "c.yaml:3:22: collector.backlog" + needsRestart + "\nc.yaml:3:35: collector.forward" + needsRestart},
		{"a key left out", "log: {query: true}\n", "c.yaml:1:1: listen.http" + needsRestart},
		{"a key left out of its group", "listen: {grace: 10s}\n", "c.yaml:2:9: listen.http" + needsRestart},
		{"PROXY headers from others", "listen: {http: ':8080'}\nproxy_protocol: true\ntrusted_proxies: [10.1.0.0/16]\n", "c.yaml:3:17: proxy_protocol" + needsRestart + "\nc.yaml:4:18: trusted_proxies" + needsRestart},
		{"all", "listen: {http: ':81', https: ':443', grace: 20s}\nadmin: {listen: '[::1]:9180', token: '${ADMIN_TOKEN}'}\ndata: /x\ntls: {ca: 'https://ca.internal/', storage: s}\nlog: {level: debug, format: json}\n", strings.Join([]string{
			"c.yaml:2:16: listen.http", "c.yaml:2:30: listen.https", "c.yaml:2:45: listen.grace",
			"c.yaml:3:17: admin.listen", "c.yaml:3:38: admin.token", "c.yaml:4:7: data", "c.yaml:5:44: tls.storage", "c.yaml:6:14: log.level", "c.yaml:6:29: log.format", "",
		}, needsRestart+"\n")},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := parse(test.yaml).NeedsRestart(running).Error(); got != strings.TrimSuffix(test.want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}
