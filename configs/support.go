package configs

// pending lists the keys that are accepted but that ctlive run does not act on
// yet, with what to do instead. A key stands for all below it.
var pending = []struct{ key, fix string }{
	{"collector.forward", "remove it: events stay in the local store"},
}

// Unsupported returns a problem for each key of c that asks for something which
// this version of ctlive accepts but does not do. A key that is empty or off is
// no such key.
func (c *Config) Unsupported() Problems {
	var found Problems
	for _, p := range pending {
		if m := c.marks[p.key]; m != nil && m.active {
			found = append(found, c.Problem(p.key, "this version does not act on it yet", p.fix))
		}
	}
	return found.sorted()
}
