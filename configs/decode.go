package configs

import (
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// maxValues bounds the keys and values of a configuration, counted again each
// time an alias repeats them: a file of a few lines can stand for billions.
const maxValues = 100_000

// decoder fills a Config from YAML nodes and collects what is wrong with them.
type decoder struct {
	file     string
	dir      string                      // where relative paths start
	env      func(string) (string, bool) // nil: ${NAME} stays as it is
	values   int                         // seen so far, up to maxValues
	problems Problems
	marks    map[string]*mark // by key path
}

// spend counts one key or value and reports whether there may be more.
func (d *decoder) spend(n *yaml.Node) bool {
	d.values++
	if d.values == maxValues+1 {
		d.fail("", n, fmt.Sprintf("more than %d values", maxValues), "use fewer aliases, or several smaller configurations")
	}
	return d.values <= maxValues
}

// value stores n in out, which holds the default. The is tag comes from the
// field, or from the list around it.
func (d *decoder) value(path string, n *yaml.Node, out reflect.Value, is string) {
	n = target(n)
	if !d.spend(n) {
		return
	}
	m := d.mark(path)
	m.line, m.column = n.Line, n.Column
	switch {
	case isNull(n): // keeps the default
	case out.Kind() == reflect.Slice:
		d.list(path, n, out, is)
	case is != "":
		d.text(path, n, out, is)
	case out.Kind() == reflect.Bool:
		d.bool(path, n, out)
	case out.Kind() == reflect.Int:
		d.count(path, n, out)
	case out.Kind() == reflect.Pointer:
		out.Set(fresh(out.Type().Elem()).Addr())
		d.group(path, n, out.Elem())
	default:
		d.group(path, n, out)
	}
}

// fresh returns a new value of type t with its defaults.
func fresh(t reflect.Type) reflect.Value {
	v := reflect.New(t)
	if d, ok := v.Interface().(interface{ setDefaults() }); ok {
		d.setDefaults()
	}
	return v.Elem()
}

func (d *decoder) list(path string, n *yaml.Node, out reflect.Value, is string) {
	if n.Kind != yaml.SequenceNode {
		d.fail(path, n, describe(n)+" instead of a list", "write it as [value, value] or as lines that begin with \"- \"")
		return
	}
	items := reflect.Zero(out.Type())
	for i, c := range n.Content {
		itemPath := fmt.Sprintf("%s[%d]", path, i)
		if isNull(target(c)) {
			d.fail(itemPath, c, "the item is empty", "give it a value or remove it")
		}
		item := fresh(out.Type().Elem())
		d.value(itemPath, c, item, is)
		items = reflect.Append(items, item)
	}
	out.Set(items)
}

func (d *decoder) group(path string, n *yaml.Node, out reflect.Value) {
	if n.Kind != yaml.MappingNode {
		d.fail(path, n, describe(n)+" instead of a group", "write it as lines of \"key: value\"; the keys are "+strings.Join(keys(out.Type()), ", "))
		return
	}
	for _, e := range d.entries(path, n) {
		i := field(out.Type(), e.key.Value)
		if i < 0 {
			d.unknown(path, e.key, keys(out.Type()))
			continue
		}
		d.value(child(path, e.key.Value), e.value, out.Field(i), out.Type().Field(i).Tag.Get("is"))
	}
}

// unknown reports a key that does not exist. The key it was meant to be is not
// reported as missing too.
func (d *decoder) unknown(path string, key *yaml.Node, known []string) {
	fix := "the keys here are " + strings.Join(known, ", ")
	if meant := closest(key.Value, known); meant != "" {
		fix = fmt.Sprintf("did you mean %q?", meant)
		d.mark(child(path, meant)).touched = true
	}
	d.fail(child(path, keyName(key)), key, "unknown key", fix)
}

var plainKey = regexp.MustCompile(`^[A-Za-z0-9_-]{1,60}$`)

// keyName returns the key for a path: as it is when it is a plain word.
func keyName(n *yaml.Node) string {
	if plainKey.MatchString(n.Value) {
		return n.Value
	}
	return quote(n.Value)
}

// keys returns the YAML keys of a struct type.
func keys(t reflect.Type) []string {
	var names []string
	for i := range t.NumField() {
		if name := t.Field(i).Tag.Get("yaml"); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// field returns the index of the field with this YAML key, or -1.
func field(t reflect.Type, key string) int {
	for i := range t.NumField() {
		if key != "" && t.Field(i).Tag.Get("yaml") == key {
			return i
		}
	}
	return -1
}

// maxText bounds one value in bytes, with the environment filled in.
const maxText = 64 << 10

// text stores a scalar that is a string, or written like a number or a date.
func (d *decoder) text(path string, n *yaml.Node, out reflect.Value, is string) {
	is, optional := strings.CutSuffix(is, "?")
	k := kindOf(is)
	switch n.ShortTag() {
	case "!!str", "!!int", "!!float", "!!timestamp":
	default:
		d.fail(path, n, describe(n)+" instead of text", k.fix)
		return
	}
	text := n.Value
	if d.env != nil && n.ShortTag() == "!!str" {
		var err error
		if text, err = expand(text, d.env); err != nil {
			d.fail(path, n, err.Error(), "set the variable for ctlive, or write $${ where the text itself has ${")
			return
		}
	}
	if len(text) > maxText {
		d.fail(path, n, "the value is longer than "+Size(maxText).String(), "shorten it")
		return
	}
	if text == "" && optional {
		out.SetZero()
		return
	}
	v, err := k.parse(text, d.dir)
	if err != nil {
		d.fail(path, n, err.Error(), k.fix)
		return
	}
	out.Set(reflect.ValueOf(v))
}

func (d *decoder) bool(path string, n *yaml.Node, out reflect.Value) {
	word := strings.ToLower(n.Value)
	if n.ShortTag() != "!!bool" || word != "true" && word != "false" {
		d.fail(path, n, describe(n)+" instead of true or false", "write true or false")
		return
	}
	out.SetBool(word == "true")
}

func (d *decoder) count(path string, n *yaml.Node, out reflect.Value) {
	i, err := strconv.ParseInt(n.Value, 10, 32)
	if n.ShortTag() != "!!int" || err != nil || i < 1 {
		d.fail(path, n, describe(n)+" instead of a whole number above zero", "write a number such as 200")
		return
	}
	out.SetInt(i)
}

// describe names what n is, never what it says, which may be a secret.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a group of keys"
	case yaml.SequenceNode:
		return "a list"
	}
	switch tag := n.ShortTag(); tag {
	case "!!str":
		return "text"
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "true or false"
	default:
		return "a value tagged " + quote(tag)
	}
}
