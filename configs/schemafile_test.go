package configs

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
	"go.yaml.in/yaml/v4"
)

const schemaFile = "ctlive.schema.json"

var update = flag.Bool("update", false, "write "+schemaFile+" anew")

func TestSchemaFile(t *testing.T) {
	want := generate(t)
	if *update {
		if err := os.WriteFile(schemaFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the keys and reference.yaml make it: run go generate ./configs", schemaFile)
	}
}

// resolve returns a validator for a schema.
func resolve(t *testing.T, schema []byte) *jsonschema.Resolved {
	t.Helper()
	var s jsonschema.Schema
	if err := json.Unmarshal(schema, &s); err != nil {
		t.Fatal(err)
	}
	r, err := s.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// instance returns what YAML data is to a validator.
func instance(t *testing.T, data []byte) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var plain any
	if err := json.Unmarshal(text, &plain); err != nil {
		t.Fatal(err)
	}
	return plain
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestSchemaTakesExamples(t *testing.T) {
	schema := resolve(t, readFile(t, schemaFile))
	for _, name := range examples(t) {
		data := readFile(t, name)
		if !bytes.HasPrefix(data, []byte("# yaml-language-server: $schema="+schemaFile+"\n")) {
			t.Errorf("%s does not begin with the name of its schema", name)
		}
		for _, data := range [][]byte{data, withSinks(data)} {
			if err := schema.Validate(instance(t, data)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// What reads oddly but is taken when ctlive runs.
func TestSchemaTakesWhatParseTakes(t *testing.T) {
	schema := resolve(t, readFile(t, schemaFile))
	for _, text := range []string{
		site + "listen:\ntls:\nadmin: {token:}\nlog: {level:, access:}\ntrusted_proxies:\n",
		site + "log: {level: \"${LEVEL}\"}\ncollector: {rate: {per_client: \"${RATE}\"}}\n",
		site + "data: 2026\ncollector: {max_body: 65536}\nadmin: {token: 2026-11-22T10:00:00Z}\n",
		site + "log: &l {access: FALSE}\n",
		"sites: [&s {hosts: [127], to: [http://a.test], hsts: 0, tenant: 7}, {<<: *s, hosts: ['*']}]\n",
	} {
		if err := schema.Validate(instance(t, []byte(text))); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		env := func(name string) (string, bool) {
			value, ok := map[string]string{"LEVEL": "warn", "RATE": "1/s"}[name]
			return value, ok
		}
		if _, err := Parse("c.yaml", []byte(text), env); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestSchemaRefuses(t *testing.T) {
	schema := resolve(t, readFile(t, schemaFile))
	for name, text := range map[string]string{
		"no site":            "data: x\n",
		"no hosts":           "sites: [{to: [http://a.test]}]\n",
		"empty hosts":        "sites: [{hosts: [], to: [http://a.test]}]\n",
		"no upstream":        "sites: [{hosts: [a.test]}]\n",
		"upstream, no value": "sites: [{hosts: [a.test], to: }]\n",
		"bare upstream":      "sites: [{hosts: [a.test], to: [localhost:3000]}]\n",
		"upstream with path": "sites: [{hosts: [a.test], to: [http://a.test/x]}]\n",
		"wildcard":           "sites: [{hosts: ['*.a.test'], to: [http://a.test]}]\n",
		"unknown key":        site + "colector: {}\n",
		"unknown key inside": site + "log: {colour: true}\n",
		"text for a list":    site + "trusted_proxies: 10.0.0.0/8\n",
		"text for a group":   site + "listen: ':80'\n",
		"text for a boolean": site + "log: {access: 'true'}\n",
		"zero":               site + "collector: {rate: {burst: 0}}\n",
		"fraction":           site + "collector: {rate: {burst: 1.5}}\n",
		"unknown choice":     site + "log: {level: loud}\n",
		"port alone":         site + "listen: {https: '443'}\n",
		"bare duration":      site + "listen: {grace: 10}\n",
		"strange duration":   site + "listen: {grace: 10 seconds}\n",
		"strange size":       site + "collector: {max_body: 64KB}\n",
		"strange rate":       site + "collector: {rate: {per_client: 50/d}}\n",
		"short token":        site + "admin: {token: secret}\n",
		"two sinks in one":   site + "collector: {forward: [{kafka: {brokers: ['k:1']}, webhook: {url: 'http://a.test', secret: x}}]}\n",
		"sink of nothing":    site + "collector: {forward: [{}]}\n",
		"sink without a URL": site + "collector: {forward: [{nats: {stream: X}}]}\n",
	} {
		if err := schema.Validate(instance(t, []byte(text))); err == nil {
			t.Errorf("%s: the schema takes %s", name, text)
		}
		if _, err := Parse("c.yaml", []byte(text), environment); err == nil {
			t.Errorf("%s: Parse takes %s", name, text)
		}
	}
}

// Each text that a kind takes fits its form.
func TestForms(t *testing.T) {
	for _, test := range kindTests {
		schema, err := json.Marshal(textNode(test.is))
		if err != nil {
			t.Fatal(err)
		}
		r := resolve(t, schema)
		for text := range test.good {
			if err := r.Validate(text); err != nil {
				t.Errorf("%s: %q: %v", test.is, text, err)
			}
		}
	}
	for is := range kinds {
		if _, found := forms[is]; !found {
			t.Errorf("no form of %s", is)
		}
	}
}

// An editor can say of each key what it is for.
func TestSchemaDescribesEachKey(t *testing.T) {
	var visit func(path string, n map[string]any)
	visit = func(path string, n map[string]any) {
		if items, ok := n["items"].(map[string]any); ok && items["properties"] != nil {
			visit(path, items)
			return
		}
		keys, isGroup := n["properties"].(map[string]any)
		if about, _ := n["description"].(string); !isGroup && strings.TrimSpace(about) == "" {
			t.Errorf("reference.yaml has no comment beside %s", path)
		}
		for key, value := range keys {
			visit(child(path, key), value.(map[string]any))
		}
	}
	var root map[string]any
	if err := json.Unmarshal(readFile(t, schemaFile), &root); err != nil {
		t.Fatal(err)
	}
	visit("", root)
}
