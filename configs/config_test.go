package configs

import (
	"bytes"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// examples returns the configuration files of this folder.
func examples(t testing.TB) []string {
	t.Helper()
	names, err := filepath.Glob("*.yaml")
	if err != nil || len(names) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	return names
}

func TestExamplesLoad(t *testing.T) {
	for _, name := range examples(t) {
		t.Run(name, func(t *testing.T) {
			if _, err := Load(name, environment); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// parseReference parses reference.yaml after edit.
func parseReference(t *testing.T, edit func([]byte) []byte) *Config {
	t.Helper()
	data, err := os.ReadFile("reference.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := Parse("reference.yaml", edit(data), environment)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var (
	oneSink = regexp.MustCompile(`(?m)^( *)# (- (?:nats|kafka|postgres|webhook): .*)$`)
	noSink  = regexp.MustCompile(`forward: \[\]`)
)

// withSinks makes the commented sinks of reference.yaml count.
func withSinks(data []byte) []byte {
	return oneSink.ReplaceAll(noSink.ReplaceAll(data, []byte("forward:")), []byte("$1$2"))
}

// defaultReference is what reference.yaml should say: Default, and one site.
func defaultReference() *Config {
	want := Default()
	var site Site
	site.setDefaults()
	site.Hosts = []string{"www.example.com", "example.com"}
	site.To = []*url.URL{{Scheme: "http", Host: "10.0.0.5:8080"}}
	want.Sites = []Site{site}
	return want
}

func TestReferenceShowsDefaults(t *testing.T) {
	asIs := parseReference(t, bytes.Clone)
	complete := parseReference(t, withSinks)
	for _, c := range []*Config{asIs, complete} {
		if got, want := settings(c), defaultReference(); !reflect.DeepEqual(got, want) {
			t.Errorf("got\n%+v\nwant\n%+v", got, want)
		}
	}
	for _, sink := range complete.Collector.Forward {
		for _, v := range []any{sink.NATS, sink.Kafka, sink.Postgres} {
			checkSinkDefaults(t, reflect.ValueOf(v))
		}
	}
}

// checkSinkDefaults fails where the sink in v differs from its defaults, other
// than in what has none.
func checkSinkDefaults(t *testing.T, v reflect.Value) {
	if v.IsNil() {
		return
	}
	got, want := v.Elem(), fresh(v.Type().Elem())
	for i := range got.NumField() {
		if !want.Field(i).IsZero() && !want.Field(i).Equal(got.Field(i)) {
			t.Errorf("%s.%s is %v, want %v", got.Type(), got.Type().Field(i).Name, got.Field(i), want.Field(i))
		}
	}
}

// settings returns what c says, without where it says it and without sinks.
func settings(c *Config) *Config {
	plain := *c
	plain.file, plain.marks, plain.Collector.Forward = "", nil, nil
	return &plain
}

func TestReferenceHasEveryKey(t *testing.T) {
	found := map[string]bool{}
	for path := range parseReference(t, withSinks).marks {
		found[anyIndex.ReplaceAllString(path, "[]")] = true
	}
	for _, path := range schema("", reflect.TypeFor[Config]()) {
		if !found[path] {
			t.Errorf("reference.yaml does not have %s", path)
		}
	}
}

var anyIndex = regexp.MustCompile(`\[\d+\]`)

// schema returns the paths of all keys of t.
func schema(path string, t reflect.Type) []string {
	switch t.Kind() {
	case reflect.Pointer:
		return schema(path, t.Elem())
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Struct {
			return schema(path+"[]", t.Elem())
		}
	case reflect.Struct:
		var paths []string
		for i := range t.NumField() {
			if key := t.Field(i).Tag.Get("yaml"); key != "" {
				paths = append(paths, child(path, key))
				if t.Field(i).Tag.Get("is") == "" {
					paths = append(paths, schema(child(path, key), t.Field(i).Type)...)
				}
			}
		}
		return paths
	}
	return nil
}

// Every text field says what it may hold, and each kind is used.
func TestKindsAreThoseOfTheFields(t *testing.T) {
	used := map[string]bool{}
	var visit func(t reflect.Type)
	visit = func(typ reflect.Type) {
		for typ.Kind() == reflect.Slice || typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		for i := range typ.NumField() {
			f := typ.Field(i)
			is := strings.TrimSuffix(f.Tag.Get("is"), "?")
			switch {
			case !f.IsExported():
			case is != "":
				used[is] = true
				if kindOf(is).parse == nil {
					t.Errorf("%s: no kind %q", f.Name, is)
				}
			case f.Type.Kind() != reflect.Bool && f.Type.Kind() != reflect.Int:
				visit(f.Type)
			}
		}
	}
	visit(reflect.TypeFor[Config]())
	for name := range kinds {
		if !used[name] {
			t.Errorf("kind %q is unused", name)
		}
	}
}

func TestSDKURL(t *testing.T) {
	var s Site
	s.setDefaults()
	if got := s.SDKURL(); got != "" {
		t.Errorf("without a tenant: %q", got)
	}
	s.Tenant = "acme"
	if got, want := s.SDKURL(), "https://ctlive.cloudando.com/livechat/acme/lib/livechatsdk.js"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
