package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/evanw/esbuild/pkg/api"
)

func TestMinifiedFilesAreCurrent(t *testing.T) {
	for name := range outputs {
		want, err := minify(name)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what %s makes (%v): run go generate ./assets", name, outputs[name].source, err)
		}
	}
}

// The files are ES2017, as written and as served: a compiler that may assume no more leaves them as they are.
func TestScriptsAreES2017(t *testing.T) {
	var names []string
	for name, out := range outputs {
		names = append(names, name, out.source)
	}
	for _, name := range names {
		code, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if !isES2017(string(code)) {
			t.Errorf("%s has younger syntax", name)
		}
	}
}

func TestYoungerSyntaxIsFound(t *testing.T) {
	for _, code := range []string{
		"a?.b()", "a ?? b", "try {} catch {}", "x = {...y}", "({a, ...b} = c)", "for await (const a of b);", "a ||= b",
		"1n", "/a/s", "/(?<=a)b/", "class A { #b }", "class A { b = 1 }", "async function* a() {}",
	} {
		if isES2017("async () => {" + code + "}") {
			t.Errorf("%s passes for ES2017", code)
		}
	}
}

// isES2017 reports whether code needs no change, nor draws a complaint, to run where there is nothing younger.
func isES2017(code string) bool {
	old := api.Transform(code, api.TransformOptions{Target: api.ES2017})
	next := api.Transform(code, api.TransformOptions{Target: api.ESNext})
	return len(old.Errors)+len(old.Warnings) == 0 && bytes.Equal(old.Code, next.Code)
}
