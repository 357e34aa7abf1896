// Command build minifies the scripts of ../listener. It is run by go generate in the folder above, and is a module of
// its own so that neither the minifier nor the browser driver of its tests becomes a dependency of ctlive.
package main

import (
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/evanw/esbuild/pkg/api"
)

const dir = "../listener"

// outputs maps each minified file to how it is made.
var outputs = map[string]struct {
	source string
	format api.Format
	define map[string]string
}{
	// As a function, so that its names are its own and can be shortened.
	"listener.min.js":  {source: "listener.js", format: api.FormatIIFE},
	"datalayer.min.js": {source: "datalayer.js"},
	"handlers.min.js":  {source: "handlers.js"},
	// The server writes the path in.
	"inline.min.js": {source: "inline.js", define: map[string]string{"LOAD": "true", "PATH": `"{path}"`}},
	"buffer.min.js": {source: "inline.js", define: map[string]string{"LOAD": "false"}},
}

func main() {
	for name := range outputs {
		code, err := minify(name)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), code, 0o644)
		}
		if err != nil {
			log.Fatalf("build %s: %v", name, err)
		}
	}
}

// minify returns what the file called name should hold: ES2017, ASCII only.
func minify(name string) ([]byte, error) {
	out := outputs[name]
	source, err := os.ReadFile(filepath.Join(dir, out.source))
	if err != nil {
		return nil, err
	}
	res := api.Transform(string(source), api.TransformOptions{
		Sourcefile:        out.source,
		Format:            out.format,
		Define:            out.define,
		Target:            api.ES2017,
		Charset:           api.CharsetASCII,
		MinifyWhitespace:  true,
		MinifyIdentifiers: true,
		MinifySyntax:      true,
	})
	return res.Code, problems(append(res.Errors, res.Warnings...))
}

func problems(messages []api.Message) error {
	var errs []error
	for _, m := range messages {
		at := ""
		if l := m.Location; l != nil {
			at = fmt.Sprintf("%s:%d:%d: ", l.File, l.Line, l.Column)
		}
		errs = append(errs, errors.New(at+m.Text))
	}
	return errors.Join(errs...)
}
