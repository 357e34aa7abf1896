package configs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// environment is the environment of the tests.
func environment(name string) (string, bool) {
	value, ok := map[string]string{
		"ORIGIN":          "http://10.0.0.7:8080",
		"FALLBACK_ORIGIN": "http://10.0.0.8:8080",
		"EMPTY":           "",
		"TOKEN":           "s3cret",
		"ADMIN_TOKEN":     "0123456789abcdef",
		"SHORT":           "0123456789abcde",
		"PG_DSN":          "postgres://ctlive:s3cret@db/ctlive",
		"HOOK_SECRET":     "s3cret",
		"YAML":            "x\nadmin: {listen: \"0.0.0.0:9180\"}",
		"LONG":            strings.Repeat("x", 40<<10),
	}[name]
	return value, ok
}

const tokenFix = `write it as "${CTLIVE_ADMIN_TOKEN}" and set that in the environment, to what "openssl rand -hex 16" prints`

const site = "sites: [{hosts: [a.test], to: [http://127.0.0.1:3000]}]\n"

func TestParseNamesEachMistake(t *testing.T) {
	tests := []struct{ name, yaml, want string }{
		{"empty file", "", `1:1: sites: no site; add - hosts: [www.example.com] with to: [http://127.0.0.1:3000]`},
		{"only comments", "# nothing\n", `1:1: sites: no site; add - hosts: [www.example.com] with to: [http://127.0.0.1:3000]`},
		{"null", "~\n", `1:1: sites: no site; add - hosts: [www.example.com] with to: [http://127.0.0.1:3000]`},
		{"not a mapping", "- a\n", `1:1: a list instead of a group; write it as lines of "key: value"; the keys are listen, admin, data, tls, trusted_proxies, proxy_protocol, sites, collector, log`},
		{"unclosed list", "sites: [\n", `2:1: not valid YAML: did not find expected node content while parsing a flow node; correct the line; text with special characters needs quotes`},
		{"bad indentation", "listen:\n  http: a: b\n", `2:10: not valid YAML: mapping values are not allowed in this context; correct the line; text with special characters needs quotes`},
		{"tab", "listen:\n\thttp: x\n", `2:1: not valid YAML: found character that cannot start any token while scanning for the next token; correct the line; text with special characters needs quotes`},
		{"control character", "data: x\nlog: {level: é\x01}\n", `2:15: not valid YAML: control characters are not allowed (value: 1); correct the line; text with special characters needs quotes`},
		{"not UTF-8", "# \xff\n", `1:3: not valid YAML: invalid leading UTF-8 octet (value: 255); correct the line; text with special characters needs quotes`},
		{"unknown alias", "data: *x\n", `1:7: not valid YAML: unknown anchor 'x' referenced; correct the line; text with special characters needs quotes`},
		{"second document", site + "---\ndata: x\n", `2:1: a second document begins here; keep one document, without a further --- line`},
		{"too deep", strings.Repeat("[", 20000), `1:10001: not valid YAML: exceeded max depth of 10000 while increasing flow level; correct the line; text with special characters needs quotes`},

		{"unknown key", site + "colector: {}\n", `2:1: colector: unknown key; did you mean "collector"?`},
		{"unknown key in the wrong case", site + "log: {Level: info}\n", `2:7: log.Level: unknown key; did you mean "level"?`},
		{"unknown key like none", site + "log: {colour: true}\n", `2:7: log.colour: unknown key; the keys here are level, format, access, query`},
		{"unknown key that hides one", "sites:\n- host: [a.test]\n  to: [http://127.0.0.1:3000]\n", `2:3: sites[0].host: unknown key; did you mean "hosts"?`},
		{"unknown key of odd characters", site + "\"a\\nb: c\": 1\n", `2:1: "a\nb: c": unknown key; the keys here are listen, admin, data, tls, trusted_proxies, proxy_protocol, sites, collector, log`},
		{"empty key", site + "log: {\"\": 1}\n", `2:7: log."": unknown key; the keys here are level, format, access, query`},
		{"key twice", site + "data: a\ndata: b\n", `3:1: data: the key stands here twice; keep one of them`},
		{"list as key", site + "[a]: b\n", `2:1: a list instead of a key; write a plain key`},

		{"text for a list", "sites:\n- hosts: a.test\n  to: [http://127.0.0.1:3000]\n", `2:10: sites[0].hosts: text instead of a list; write it as [value, value] or as lines that begin with "- "`},
		{"group for a list", "sites: {hosts: [a.test]}\n", `1:8: sites: a group of keys instead of a list; write it as [value, value] or as lines that begin with "- "`},
		{"text for a group", site + "listen: ':80'\n", `2:9: listen: text instead of a group; write it as lines of "key: value"; the keys are http, https, grace`},
		{"list for text", site + "data: [a]\n", `2:7: data: a list instead of text; write the path of a folder`},
		{"boolean for text", site + "admin: {token: true}\n", `2:16: admin.token: true or false instead of text; ` + tokenFix},
		{"tagged text", site + "data: !secret s3cret\n", `2:7: data: a value tagged "!secret" instead of text; write the path of a folder`},
		{"text for a boolean", site + "log: {access: yes}\n", `2:15: log.access: text instead of true or false; write true or false`},
		{"environment in a boolean", site + "log: {access: \"${ORIGIN}\"}\n", `2:15: log.access: text instead of true or false; write true or false`},
		{"text for a number", site + "collector: {rate: {burst: many}}\n", `2:27: collector.rate.burst: text instead of a whole number above zero; write a number such as 200`},
		{"negative number", site + "collector: {rate: {burst: -1}}\n", `2:27: collector.rate.burst: a number instead of a whole number above zero; write a number such as 200`},
		{"null that is a list", "sites: !!null [a]\n", `1:16: sites[0]: text instead of a group; write it as lines of "key: value"; the keys are hosts, to, tls, hsts, prefix, tenant, sdk, inject, listener, balance`},
		{"empty item", "sites:\n- hosts: [a.test]\n  to:\n  -\n", `4:4: sites[0].to[0]: the item is empty; give it a value or remove it`},

		{"no hosts", "sites: [{to: [http://127.0.0.1:3000]}]\n", `1:9: sites[0].hosts: missing; add hosts: [www.example.com], or hosts: ["*"] for every host`},
		{"no upstream", "sites:\n- hosts: [a.test]\n  to:\n", `3:6: sites[0].to: missing; name the site's own server, such as http://127.0.0.1:3000`},
		{"empty lists", "sites: [{hosts: [], to: []}]\n", `1:17: sites[0].hosts: missing; add hosts: [www.example.com], or hosts: ["*"] for every host
1:25: sites[0].to: missing; name the site's own server, such as http://127.0.0.1:3000`},
		{"host twice", "sites:\n- hosts: [a.test, b.test]\n  to: [http://127.0.0.1:3000]\n- hosts: [c.test, A.test.]\n  to: [http://127.0.0.1:3000]\n", `4:19: sites[1].hosts[1]: "a.test" is taken by sites[0].hosts[0] on line 2; leave it with one site`},
		{"host with a port", "sites:\n- hosts: [a.test:80]\n  to: [http://127.0.0.1:3000]\n", `2:11: sites[0].hosts[0]: "a.test:80" has a port: a site answers on every port of listen; write the bare name, such as www.example.com, or "*" for every host`},
		{"upstream without a scheme", "sites:\n- hosts: [a.test]\n  to: [localhost:3000]\n", `3:8: sites[0].to[0]: "localhost:3000" is not an http:// or https:// address; write scheme, host and port only, such as http://10.0.0.5:8080`},
		{"prefix without slashes", "sites:\n- hosts: [a.test]\n  to: [http://127.0.0.1:3000]\n  prefix: .ctlive\n", `4:11: sites[0].prefix: ".ctlive" does not begin and end with "/" around a name; write a path of its own that begins and ends with "/", such as /.ctlive/`},
		{"tenant that breaks a URL", "sites:\n- hosts: [a.test]\n  to: [http://127.0.0.1:3000]\n  tenant: a/../b\n", `4:11: sites[0].tenant: "a/../b" cannot stand in a URL as it is; write the tenant's name as it stands in its CTLive address: letters, digits and - . _ ~`},
		{"unknown choice", "sites:\n- hosts: [a.test]\n  to: [http://127.0.0.1:3000]\n  listener: {consent: none}\n", `4:23: sites[0].listener.consent: "none" is not one of implied, required; write implied or required`},
		{"missing file", "sites:\n- hosts: [a.test]\n  to: [http://127.0.0.1:3000]\n  listener: {handlers: no.js}\n", `4:24: sites[0].listener.handlers: stat no.js: no such file or directory; name a readable file; a relative path starts at the folder of the configuration file`},
		{"folder for a file", "sites:\n- hosts: [a.test]\n  to: [http://127.0.0.1:3000]\n  listener: {handlers: .}\n", `4:24: sites[0].listener.handlers: . is not a file; name a readable file; a relative path starts at the folder of the configuration file`},
		{"certificate without a key", "sites:\n- hosts: [a.test]\n  to: [http://127.0.0.1:3000]\n  tls: {cert: load.go}\n", `4:8: sites[0].tls: cert and key belong together; set both, or neither for a certificate by ACME`},
		{"admin open to all", site + "admin: {listen: ':9180'}\n", `2:17: admin.listen: anybody who reaches this address could read the events; set admin.token, or listen on 127.0.0.1:9180`},
		{"admin open to all for want of a variable", site + "admin: {listen: ':9180', token: '${NOT_SET}'}\n", `2:33: admin.token: the environment lacks ${NOT_SET}; set the variable for ctlive, or write $${ where the text itself has ${`},
		{"short token", site + "admin: {token: \"${SHORT}\"}\n", `2:16: admin.token: the token is shorter than 16 characters; ` + tokenFix},
		{"one address twice", site + "listen:\n  http: 127.0.0.1:9180\n", `1:1: admin.listen: visitors and the admin listener share this address; choose another port for one of them`},
		{"one address for two protocols", site + "listen: {http: ':443', https: '0.0.0.0:443'}\n", `2:31: listen.https: http and https share this address; choose another port for one of them, such as https: ":443"`},
		{"PROXY headers from nobody", site + "proxy_protocol: true\n", `2:17: proxy_protocol: only trusted_proxies may connect then, and there are none; add trusted_proxies: [10.0.0.0/8] with the addresses of the load balancer`},
		{"PROXY headers from a mistake", site + "proxy_protocol: true\ntrusted_proxies: [lb]\n", `3:19: trusted_proxies[0]: "lb" is not a network; write a network such as 10.0.0.0/8, or a single address`},
		{"half a second of HSTS", "sites: [{hosts: [a.test], to: [http://a.test], hsts: 500ms}]\n", `1:54: sites[0].hsts: "500ms" is not a number of whole seconds; write a duration of whole seconds, such as 180d, or 0s for none`},
		{"no listener", site + "listen:\n  http: ''\n", `3:3: listen: http and https are both empty; set one of them, such as http: ":80"`},
		{"network", site + "trusted_proxies: [10.0.0.0/33]\n", `2:19: trusted_proxies[0]: "10.0.0.0/33" is not a network; write a network such as 10.0.0.0/8, or a single address`},
		{"negative duration", site + "collector: {retention: -5s}\n", `2:24: collector.retention: "-5s" is not longer than zero; write a number and its unit, such as 5s, 1h30m or 395d`},
		{"size in powers of ten", site + "collector: {max_body: 64KB}\n", `2:23: collector.max_body: "64KB" is not a size; write a number with KiB or MiB, such as 64KiB, or plain bytes`},
		{"rate without a unit", site + "collector: {rate: {per_client: 50}}\n", `2:32: collector.rate.per_client: "50" is not a rate; write a number per s, m or h, such as 50/s or 100/m`},
		{"two sinks in one", site + "collector:\n  forward:\n  - kafka: {brokers: ['k:9092']}\n    webhook: {url: http://a.test/, secret: x}\n", `4:5: collector.forward[0]: 2 sinks in one item; write one item for each of nats, kafka, postgres or webhook`},
		{"two sinks of a name", site + "collector:\n  forward:\n  - webhook: {url: http://a.test/?key=s3cret, secret: x}\n  - webhook: {url: http://a.test, secret: y}\n", `5:5: collector.forward[1]: "webhook:a.test" is collector.forward[0] on line 4 already; give it another stream, topic, table or path: how far a sink has come is kept under that name`},
		{"sink without its address", site + "collector:\n  forward:\n  - nats: {}\n  - kafka: {topic: x}\n  - postgres: {table: x}\n  - webhook: {}\n", `4:11: collector.forward[0].nats.url: missing; add it: the sink cannot do without
5:12: collector.forward[1].kafka.brokers: missing; add it: the sink cannot do without
6:15: collector.forward[2].postgres.dsn: missing; add it: the sink cannot do without
7:14: collector.forward[3].webhook.secret: missing; add it: the sink cannot do without
7:14: collector.forward[3].webhook.url: missing; add it: the sink cannot do without`},

		{"unset variable", site + "data: /x/${NOT_SET}/${NEITHER}\n", `2:7: data: the environment lacks ${NOT_SET}, ${NEITHER}; set the variable for ctlive, or write $${ where the text itself has ${`},
		{"broken variable", site + "data: ${A-B}\n", `2:7: data: a ${ is not followed by NAME}; set the variable for ctlive, or write $${ where the text itself has ${`},
		{"variable is no YAML", site + "log: {level: \"${YAML}\"}\n", `2:14: log.level: "x\nadmin: {listen: \"0.0.0.0:9180\"}" is not one of info, debug, warn, error; write info, debug, warn or error`},
		{"empty variable", "sites: [{hosts: [a.test], to: ['${EMPTY}']}]\n", `1:32: sites[0].to[0]: "" is not an http:// or https:// address; write scheme, host and port only, such as http://10.0.0.5:8080`},
		{"long value", site + "data: ${LONG}${LONG}${LONG}\n", `2:7: data: the value is longer than 64KiB; shorten it`},

		{"merge of text", site + "log: {<<: x}\n", `2:11: log: text cannot be merged; write <<: *name, where name marks a group of keys`},
		{"one mistake merged twice", "sites:\n- &base\n  hosts: [a.test]\n  to: [nowhere]\n- {<<: *base, hosts: [b.test]}\n", `4:8: sites[0].to[0]: "nowhere" is not an http:// or https:// address; write scheme, host and port only, such as http://10.0.0.5:8080`},

		{"five mistakes", `listen: {http: ":99999"}
sites:
  - host: [www.example.com]
    to: [http://10.0.0.5:8080/shop]
    listener: {consent: yes please}
collector:
  retention: 13 months
`, `1:16: listen.http: ":99999" has no port from 0 to 65535; write host:port, such as 127.0.0.1:9180, or :80 for every address
3:5: sites[0].host: unknown key; did you mean "hosts"?
4:10: sites[0].to[0]: "http://10.0.0.5:8080/shop" has a path; write scheme, host and port only, such as http://10.0.0.5:8080
5:25: sites[0].listener.consent: "yes please" is not one of implied, required; write implied or required
7:14: collector.retention: "13 months" is not a duration; write a number and its unit, such as 5s, 1h30m or 395d`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { checkParse(t, test.yaml, test.want) })
	}
}

// checkParse fails unless yaml has exactly these problems, a line each without
// the file's name.
func checkParse(t *testing.T, yaml, want string) {
	t.Helper()
	_, err := Parse("c.yaml", []byte(yaml), environment)
	var got string
	if err != nil {
		got = strings.ReplaceAll("\n"+err.Error(), "\nc.yaml:", "\n")[1:]
	}
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestProblemsDoNotShowSecrets(t *testing.T) {
	for _, yaml := range []string{
		site + "admin: {token: s3cret two}\n",
		site + "admin: {token: [s3cret]}\n",
		site + "admin: {token: !x s3cret}\n",
		site + "collector: {forward: s3cret}\n",
		site + "collector: {forward: [s3cret]}\n",
		site + "collector: {forward: [{nats: {url: 'http://a:s3cret@b'}}]}\n",
		"sites: [{hosts: [a.test], to: ['http://a:s3cret@b']}]\n",
	} {
		_, err := Parse("c.yaml", []byte(yaml), environment)
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: %v", yaml, err)
		}
	}
}

func TestParseSizeLimit(t *testing.T) {
	filler := strings.Repeat("#\n", (maxFile-len(site))/2)
	if _, err := Parse("c.yaml", []byte(site+filler), nil); err != nil {
		t.Errorf("largest file: %v", err)
	}
	_, err := Parse("c.yaml", []byte(site+filler+"# too much\n"), nil)
	if want := "c.yaml:1:1: the file is larger than 1MiB; split it into several configurations"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// Files of a few lines that stand for billions of values.
func TestParseAliasBombs(t *testing.T) {
	repeat := func(s string) string { return strings.TrimSuffix(strings.Repeat(s+", ", 20_000), ", ") }
	tests := []struct{ name, yaml string }{
		{"billion hosts", "sites: [&s {to: [http://a.test], hosts: [" + repeat("a.test") + "]}, " + repeat("*s") + "]"},
		{"billion unknown keys", "sites: [&s {to: [http://a.test], " + repeat("a: b") + "}, " + repeat("*s") + "]"},
		{"merged lists", "log: &l {<<: [" + repeat("&x {a: b}") + "]}\nlisten: {<<: [" + repeat("*l") + "]}"},
		{"merge of itself", "log: &l {<<: *l}"},
		{"merge of itself many times", "log: &l {<<: [" + repeat("*l") + "]}"},
		{"list of itself", "sites: &s [{hosts: *s, to: *s}, " + repeat("*s") + "]"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before := cpuTime(t) // a busy machine takes its time
			_, err := Parse("c.yaml", []byte(test.yaml), nil)
			if err == nil {
				t.Error("taken")
			}
			if d := cpuTime(t) - before; d > 5*time.Second {
				t.Errorf("took %v", d)
			}
		})
	}
}

// cpuTime returns the CPU time of this process.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "ctlive.yaml")
	write(t, file, "data: events\nsites: [{hosts: [a.test], to: [http://a.test], listener: {handlers: ./own.js}}]\n")
	write(t, filepath.Join(dir, "own.js"), "")

	c, err := Load(file, os.LookupEnv)
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(dir, "events"); c.Data != want {
		t.Errorf("data is %s, want %s", c.Data, want)
	}
	if want := filepath.Join(dir, "own.js"); c.Sites[0].Listener.Handlers != want {
		t.Errorf("handlers is %s, want %s", c.Sites[0].Listener.Handlers, want)
	}
	if _, err := Load(filepath.Join(dir, "none.yaml"), os.LookupEnv); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	if _, err := Load(dir, os.LookupEnv); err == nil || errors.As(err, new(Problems)) {
		t.Errorf("folder: %v", err)
	}
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestParseMerge(t *testing.T) {
	c, err := Parse("c.yaml", []byte(`
sites:
  - &first {hosts: [a.test], to: [http://a.test], prefix: /x/, listener: &l {query: keep}}
  - {<<: *first, hosts: [b.test]}
  - {hosts: [c.test], <<: [{prefix: /y/}, *first], listener: {gpc: ignore, <<: *l}}
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	b, third := c.Sites[1], c.Sites[2]
	if b.Hosts[0] != "b.test" || b.Prefix != "/x/" || b.Listener.Query != "keep" {
		t.Errorf("one merged group: %+v", b)
	}
	if third.Hosts[0] != "c.test" || third.Prefix != "/y/" || third.To[0].Host != "a.test" {
		t.Errorf("a list of merged groups: %+v", third)
	}
	if third.Listener.GPC != "ignore" || third.Listener.Query != "keep" {
		t.Errorf("a merge within a group: %+v", third.Listener)
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range examples(f) {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("a: &a [*a]\nb: {<<: *a}\n"))
	f.Add([]byte("sites: &s [{<<: *s, hosts: ${X}}]\n---\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("c.yaml", data, environment)
		if err == nil {
			checkConfig(t, c)
			return
		}
		if c != nil {
			t.Error("both a configuration and an error")
		}
		checkProblems(t, err)
	})
}

// checkConfig fails if c lacks what every configuration has.
func checkConfig(t *testing.T, c *Config) {
	if c.Listen.HTTP == "" && c.Listen.HTTPS == "" || c.ProxyProtocol && len(c.TrustedProxies) == 0 {
		t.Errorf("nobody can connect: %+v", c)
	}
	if len(c.Sites) == 0 || c.Data == "" || c.Admin.Listen == "" || c.Collector.MaxBody <= 0 {
		t.Errorf("incomplete: %+v", c)
	}
	for _, s := range c.Sites {
		if len(s.Hosts) == 0 || len(s.To) == 0 || len(s.Prefix) < 3 {
			t.Errorf("incomplete site: %+v", s)
		}
	}
}

// checkProblems fails unless err is a list of problems in order, each complete
// and on one line.
func checkProblems(t *testing.T, err error) {
	problems, ok := err.(Problems)
	if !ok || len(problems) == 0 {
		t.Fatalf("not problems: %v", err)
	}
	for i, p := range problems {
		if p.File != "c.yaml" || p.Line < 1 || p.Column < 1 || p.Message == "" || p.Fix == "" || strings.Contains(p.String(), "\n") {
			t.Errorf("incomplete: %q", p)
		}
		if i > 0 && p.Line < problems[i-1].Line {
			t.Errorf("out of order: %v", problems)
		}
	}
}
