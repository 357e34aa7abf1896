package configs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// The schema for editors is generated here, in the tests, because it is made of
// what only this package and its tests see, and because no part of it belongs in
// the program. It takes each file that Parse takes, and refuses what can be
// refused one key at a time.

// node is a JSON Schema (draft 7, which editors know best).
type node struct {
	Schema               string           `json:"$schema,omitempty"`
	Title                string           `json:"title,omitempty"`
	Description          string           `json:"description,omitempty"`
	Default              any              `json:"default,omitempty"`
	Types                []string         `json:"type,omitempty"`
	AnyOf                []*node          `json:"anyOf,omitempty"`
	Enum                 []string         `json:"enum,omitempty"`
	Pattern              string           `json:"pattern,omitempty"`
	Minimum              *int             `json:"minimum,omitempty"`
	Maximum              *int             `json:"maximum,omitempty"`
	MinItems             int              `json:"minItems,omitempty"`
	Items                *node            `json:"items,omitempty"`
	MinProperties        int              `json:"minProperties,omitempty"`
	MaxProperties        int              `json:"maxProperties,omitempty"`
	Required             []string         `json:"required,omitempty"`
	AdditionalProperties *bool            `json:"additionalProperties,omitempty"`
	Properties           map[string]*node `json:"properties,omitempty"`
}

// required names the keys that the group at a path cannot do without.
var required = map[string][]string{
	"":                             {"sites"},
	"sites[]":                      {"hosts", "to"},
	"collector.forward[].nats":     {"url"},
	"collector.forward[].kafka":    {"brokers"},
	"collector.forward[].postgres": {"dsn"},
	"collector.forward[].webhook":  {"url", "secret"},
}

// generate returns the content of ctlive.schema.json.
func generate(t *testing.T) []byte {
	t.Helper()
	root := groupNode("", reflect.ValueOf(Default()).Elem(), descriptions(t))
	root.Schema, root.Title = "http://json-schema.org/draft-07/schema#", "Configuration of ctlive"
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "\t")
	if err := e.Encode(root); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// groupNode describes a group of keys whose defaults are in v.
func groupNode(path string, v reflect.Value, about map[string]string) *node {
	n := &node{Types: []string{"object"}, Required: required[path], AdditionalProperties: new(bool), Properties: map[string]*node{}}
	if path == "collector.forward[]" {
		n.MinProperties, n.MaxProperties = 1, 1
	}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		key := f.Tag.Get("yaml")
		if key == "" {
			continue
		}
		at := child(path, key)
		p := valueNode(at, v.Field(i), f.Tag.Get("is"), about)
		p.Description = about[at]
		if slices.Contains(n.Required, key) {
			p.demand()
		} else {
			p.orNull()
		}
		n.Properties[key] = p
	}
	return n
}

// demand makes a list of at least one item, and takes the default away.
func (n *node) demand() {
	n.Default = nil
	if n.Items != nil {
		n.MinItems = 1
	}
}

// orNull lets a key have no value, which is as good as leaving it out.
func (n *node) orNull() {
	if n.AnyOf != nil {
		n = n.AnyOf[len(n.AnyOf)-1]
	}
	n.Types = append(n.Types, "null")
}

func valueNode(path string, v reflect.Value, is string, about map[string]string) *node {
	var n *node
	switch elem := v.Type(); {
	case v.Kind() == reflect.Slice && elem.Elem().Kind() == reflect.Struct && is == "":
		n = &node{Types: []string{"array"}, Items: groupNode(path+"[]", fresh(elem.Elem()), about)}
	case v.Kind() == reflect.Slice:
		n = &node{Types: []string{"array"}, Items: textNode(is)}
	case is != "":
		n = textNode(is)
	case v.Kind() == reflect.Bool:
		n = &node{Types: []string{"boolean"}}
	case v.Kind() == reflect.Int:
		n = &node{Types: []string{"integer"}, Minimum: new(1), Maximum: new(math.MaxInt32)}
	case v.Kind() == reflect.Pointer:
		return groupNode(path, fresh(elem.Elem()), about)
	default:
		return groupNode(path, v, about)
	}
	n.Default = written(v)
	return n
}

// written returns a default the way a file has it.
func written(v reflect.Value) any {
	if v.Kind() == reflect.Slice {
		items := []any{}
		for i := range v.Len() {
			items = append(items, written(v.Index(i)))
		}
		return items
	}
	if s, ok := v.Interface().(fmt.Stringer); ok {
		return s.String()
	}
	return v.Interface()
}

// fromEnvironment is in texts that may turn out to be anything.
const fromEnvironment = `\$\{`

// textNode describes a text by its is tag.
func textNode(is string) *node {
	is, optional := strings.CutSuffix(is, "?")
	if words := strings.Split(is, "|"); len(words) > 1 {
		return &node{AnyOf: []*node{{Enum: words}, {Types: []string{"string"}, Pattern: fromEnvironment}}}
	}
	n := &node{Types: []string{"string"}}
	form := forms[is]
	if form.number != "" {
		n.Types = append(n.Types, form.number)
	}
	if form.pattern != "" {
		n.Pattern = "^(?:" + form.pattern + ")$|" + fromEnvironment
		if optional {
			n.Pattern += "|^$"
		}
	}
	return n
}

// A form is what a schema can say of a kind: the pattern of the text as a whole,
// and the JSON type of a text that looks like a number.
type form struct{ pattern, number string }

const (
	clock    = `[0-9.]+(?:ns|us|µs|μs|ms|s|m|h)`
	duration = `(?:[0-9]+d|\+?` + clock + `)(?:` + clock + `)*`
	web      = `[Hh][Tt][Tt][Pp][Ss]?://`
)

var forms = map[string]form{
	"address":  {pattern: `.*:[0-9]+`},
	"age":      {pattern: duration + "|0", number: "integer"},
	"duration": {pattern: duration},
	"email":    {pattern: `.+@.+`},
	"file":     {number: "number"},
	"host":     {pattern: `\*|[^*/]+`, number: "number"},
	"name":     {pattern: trim(oneWord.String()), number: "number"},
	"nats":     {pattern: `[A-Za-z]+://.+`},
	"key":      {pattern: fmt.Sprintf(`.{%d,}`, minKey), number: "number"},
	"network":  {pattern: `[0-9A-Fa-f.:]+(?:/[0-9]+)?`},
	"origin":   {pattern: web + `[^/?#]+/?`},
	"path":     {number: "number"},
	"pattern":  {pattern: `/.*`},
	"prefix":   {pattern: trim(prefixPath.String())},
	"rate":     {pattern: `[0-9]+ */ *[smh]`},
	"route":    {pattern: `/[!-~]*`},
	"sdk":      {pattern: web + `.+/\{tenant\}/lib/livechatsdk\.js.*`},
	"secret":   {number: "number"},
	"size":     {pattern: `[0-9]+ *(?:KiB|MiB)?`, number: "integer"},
	"tenant":   {pattern: trim(tenant.String()), number: "number"},
	"token":    {pattern: fmt.Sprintf(`[!-~]{%d,}`, minToken), number: "number"},
	"upstream": {pattern: web + `[^/?#]+/?`},
	"url":      {pattern: web + `.+`},
}

// trim takes the anchors from a pattern.
func trim(pattern string) string {
	return strings.TrimSuffix(strings.TrimPrefix(pattern, "^"), "$")
}

// descriptions returns the comments of reference.yaml by the path of the key in
// the same line. A comment at a group in one line is that of all its keys.
func descriptions(t *testing.T) map[string]string {
	t.Helper()
	about := map[string]string{}
	for _, edit := range []func([]byte) []byte{withSinks, bytes.Clone} {
		var lines []string
		c := parseReference(t, func(data []byte) []byte {
			data = edit(data)
			lines = strings.Split(string(data), "\n")
			return data
		})
		for path, m := range c.marks {
			key := strings.TrimPrefix(path[len(parent(path)):], ".")
			content, comment, found := cutLast(lines[m.line-1], " # ")
			if found && strings.Contains(content, key+":") {
				about[anyIndex.ReplaceAllString(path, "[]")] = comment
			}
		}
	}
	return about
}

// cutLast is strings.Cut at the last separator.
func cutLast(s, separator string) (before, after string, found bool) {
	i := strings.LastIndex(s, separator)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(separator):], true
}
