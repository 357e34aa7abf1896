package configs

import (
	"encoding/json"
	"fmt"
)

// fixed are the keys that a proxy acts on once, when it starts.
var fixed = []struct {
	key string
	of  func(*Config) any
}{
	{"listen.http", func(c *Config) any { return c.Listen.HTTP }},
	{"listen.https", func(c *Config) any { return c.Listen.HTTPS }},
	{"listen.grace", func(c *Config) any { return c.Listen.Grace }},
	{"admin.listen", func(c *Config) any { return c.Admin.Listen }},
	{"admin.token", func(c *Config) any { return c.Admin.Token }},
	{"data", func(c *Config) any { return c.Data }},
	{"tls.storage", func(c *Config) any { return c.TLS.Storage }},
	{"proxy_protocol", func(c *Config) any { return c.ProxyProtocol }},
	{"trusted_proxies", senders},
	{"collector.forward", sinks},
	{"collector.backlog", func(c *Config) any { return c.Collector.Backlog }},
	{"log.level", func(c *Config) any { return c.Log.Level }},
	{"log.format", func(c *Config) any { return c.Log.Format }},
}

// senders are the networks that the listeners take PROXY headers from.
func senders(c *Config) any {
	if !c.ProxyProtocol {
		return ""
	}
	return fmt.Sprint(c.TrustedProxies)
}

// sinks are all that is said of where events go.
func sinks(c *Config) any {
	text, err := json.Marshal(c.Collector.Forward)
	if err != nil {
		panic(err) // there is nothing that JSON does not have
	}
	return string(text)
}

// NeedsRestart returns a problem for each key of c whose value a proxy that runs
// with the configuration running cannot change to. Without one, c can replace
// running as a whole.
func (c *Config) NeedsRestart(running *Config) Problems {
	var found Problems
	for _, f := range fixed {
		if f.of(c) != f.of(running) {
			found = append(found, c.Problem(f.key, "the new value needs a restart", "restart ctlive, or leave it as it was"))
		}
	}
	return found.sorted()
}
