package configs

import "testing"

// Between the keys of TLS: what contradicts, and who gets no certificate.
func TestCertificateProblems(t *testing.T) {
	const https = "listen: {https: ':443'}\n"
	const own = ", tls: {cert: load.go, key: load.go}"
	hosts := func(list, more string) string {
		return "sites: [{hosts: [" + list + "], to: [http://10.0.0.5]" + more + "}]\n"
	}
	const privateFix = `set tls.internal: true, or sites[].tls with a certificate of your own`
	tests := []struct{ name, yaml, want string }{
		{"public names", https + hosts("www.example.com, example.com", ""), ""},
		{"private name", https + hosts("www.example.com, app.local", ""), `2:35: sites[0].hosts[1]: "app.local" cannot get a certificate from a public CA; ` + privateFix},
		{"address", https + hosts("192.0.2.1", ""), `2:18: sites[0].hosts[0]: "192.0.2.1" cannot get a certificate from a public CA; ` + privateFix},
		{"private name by the local CA", https + "tls: {internal: true}\n" + hosts("localhost, '*'", ""), ""},
		{"private name by a private CA", https + "tls: {ca: 'https://ca.internal/directory'}\n" + hosts("app.local, '192.0.2.1'", ""), ""},
		{"private name with its own certificate", https + hosts("app.local", own), ""},
		{"half a certificate", https + hosts("app.local", ", tls: {cert: load.go}"), `2:58: sites[0].tls: cert and key belong together; set both, or neither for a certificate by ACME`},
		{"every host", https + hosts("'*'", ""), `2:18: sites[0].hosts[0]: nothing says which hosts get a certificate; set tls.on_demand.ask, tls.internal: true, or sites[].tls with a certificate of your own`},
		{"every host by a private CA", https + "tls: {ca: 'https://ca.internal/directory'}\n" + hosts("'*'", ""), `3:18: sites[0].hosts[0]: nothing says which hosts get a certificate; set tls.on_demand.ask, tls.internal: true, or sites[].tls with a certificate of your own`},
		{"every host that is allowed", https + "tls: {on_demand: {ask: 'http://127.0.0.1:5000/'}}\n" + hosts("'*'", ""), ""},
		{"every host with one certificate", https + hosts("'*'", own), ""},
		{"every host without TLS", hosts("'*'", ""), ""},
		{"two CAs", https + "tls: {internal: true, email: ops@example.com}\n" + hosts("a.test", ""), `2:17: tls.internal: the local CA stands in for tls.ca, but email, ca or ca_root is set; remove those, or set internal: false`},
		{"a local CA for several edges", https + "tls: {internal: true, storage: '${TOKEN}'}\n" + hosts("a.test", ""), `2:32: tls.storage: the local CA is of this machine alone; remove this, or set internal: false`},
		{"the default CA spelled out", https + "tls: {internal: true, ca: 'https://acme-v02.api.letsencrypt.org/directory'}\n" + hosts("a.test", ""), ""},
		{"certificates for nobody", "tls: {email: ops@example.com}\n" + hosts("a.test", own), `1:6: tls: nothing listens for TLS; set listen.https: ":443", or remove this
2:55: sites[0].tls: nothing listens for TLS; set listen.https: ":443", or remove this`},
		{"certificates but a mistaken address", "tls: {email: ops@example.com}\nlisten: {htps: ':443'}\n" + hosts("a.test", ""), `2:10: listen.htps: unknown key; did you mean "https"?`},
		{"names but a mistaken CA", https + "tls: {ca: nowhere}\n" + hosts("a.test", ""), `2:11: tls.ca: "nowhere" is not an http:// or https:// address; write a full address, such as https://example.com/path`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { checkParse(t, test.yaml, test.want) })
	}
}

func TestPublic(t *testing.T) {
	for host, want := range map[string]bool{
		"example.com": true, "a.b.example.co.uk": true, "xn--bcher-kva.de": true, "localhost.com": true, "test.example.com": true,
		"localhost": false, "app.localhost": false, "intranet": false, "a.test": false, "printer.local": false, "my.internal": false,
		"nas.home.arpa": false, "my_app.example.com": false, "192.0.2.1": false, "2001:db8::1": false,
	} {
		if got := public(host); got != want {
			t.Errorf("%s: %v, want %v", host, got, want)
		}
	}
}
