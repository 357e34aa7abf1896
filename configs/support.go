package configs

import "regexp"

// pending lists the keys that are accepted but that ctlive run does not act on
// yet, with what to do instead. A key stands for all below it.
var pending = []struct{ key, fix string }{
	{"listen.https", "remove it, and end TLS in front of ctlive"},
	{"admin.token", "remove it, and keep admin.listen on 127.0.0.1"},
	{"tls", "remove it, and end TLS in front of ctlive"},
	{"trusted_proxies", "remove it: every peer counts as the visitor"},
	{"proxy_protocol", "remove it, and switch it off in the load balancer"},
	{"sites[].to[1]", "keep one upstream per site"},
	{"sites[].tls", "remove it, and end TLS in front of ctlive"},
	{"sites[].balance", "remove it: a site has one upstream"},
	{"collector.retention", "remove it: events are kept for ever"},
	{"collector.user_ids", "remove it: user ids are stored as they come"},
	{"collector.forward", "remove it: events stay in the local store"},
}

var siteIndex = regexp.MustCompile(`^sites\[\d+\]`)

// Unsupported returns a problem for each key of c that asks for something which
// this version of ctlive accepts but does not do. A key that is empty or off is
// no such key.
func (c *Config) Unsupported() Problems {
	var found Problems
	for path, m := range c.marks {
		if !m.active {
			continue
		}
		for _, p := range pending {
			if siteIndex.ReplaceAllString(path, "sites[]") == p.key {
				found = append(found, Problem{c.file, m.line, m.column, path, "this version does not act on it yet", p.fix})
			}
		}
	}
	return found.sorted()
}
