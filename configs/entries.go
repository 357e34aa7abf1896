package configs

import "go.yaml.in/yaml/v4"

// entry is a key of a mapping and its value.
type entry struct{ key, value *yaml.Node }

// entries returns the keys of a mapping, then those that it merges ("<<") and
// does not have itself; of several merged mappings the first wins.
func (d *decoder) entries(path string, n *yaml.Node) []entry {
	var own, merged []entry
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content) && d.spend(n.Content[i]); i += 2 {
		key, value := target(n.Content[i]), n.Content[i+1]
		switch {
		case key.ShortTag() == "!!merge":
			merged = append(merged, d.merge(path, target(value))...)
		case key.Kind != yaml.ScalarNode:
			d.fail(path, key, describe(key)+" instead of a key", "write a plain key")
		case seen[key.Value]:
			d.fail(child(path, keyName(key)), key, "the key stands here twice", "keep one of them")
		default:
			seen[key.Value] = true
			own = append(own, entry{key, value})
		}
	}
	for _, e := range merged {
		if !seen[e.key.Value] {
			seen[e.key.Value] = true
			own = append(own, e)
		}
	}
	return own
}

// merge returns the entries that "<<: n" adds. A mapping that merges itself ends
// with maxValues.
func (d *decoder) merge(path string, n *yaml.Node) []entry {
	sources := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		sources = n.Content
	}
	var all []entry
	for _, s := range sources {
		s = target(s)
		if !d.spend(s) {
			break
		}
		if s.Kind != yaml.MappingNode {
			d.fail(path, s, describe(s)+" cannot be merged", "write <<: *name, where name marks a group of keys")
			continue
		}
		all = append(all, d.entries(path, s)...)
	}
	return all
}

// target returns what n stands for, which is n itself unless it is an alias.
func target(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }
