package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
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
