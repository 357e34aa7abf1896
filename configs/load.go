package configs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

const maxFile = 1 << 20 // bytes

// Load reads the file at path. The error wraps that of the file system when the
// file cannot be read, and is a Problems otherwise. See Parse.
func Load(path string, env func(string) (string, bool)) (*Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return Parse(path, data, env)
}

// Parse reads data, at most 1 MiB of YAML, as the file called name. Env is
// usually os.LookupEnv; with nil, ${NAME} is ordinary text. The error is a
// Problems. After a mistake in the YAML itself it holds only that one: what
// follows has no sure meaning.
//
// Files that the configuration names are looked for, not read.
func Parse(name string, data []byte, env func(string) (string, bool)) (*Config, error) {
	d := &decoder{file: name, dir: filepath.Dir(name), env: env, marks: map[string]*mark{"": {line: 1, column: 1}}}
	c := Default()
	root := d.compose(data)
	if root != nil {
		d.value("", root, reflect.ValueOf(c).Elem(), "")
	}
	return d.finish(c)
}

// finish checks c as a whole and returns it, or all problems.
func (d *decoder) finish(c *Config) (*Config, error) {
	d.validate(c)
	if len(d.problems) > 0 {
		return nil, d.problems.sorted()
	}
	c.file, c.marks = d.file, d.marks
	return c, nil
}

// compose returns the content of the one document in data, nil when it is empty
// or wrong.
func (d *decoder) compose(data []byte) *yaml.Node {
	if len(data) > maxFile {
		d.fail("", &yaml.Node{Line: 1, Column: 1}, "the file is larger than "+Size(maxFile).String(), "split it into several configurations")
		return nil
	}
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		panic(err) // only options can be wrong, and there are none
	}
	var first, second yaml.Node
	err = loader.Load(&first)
	if err == nil {
		err = loader.Load(&second)
	}
	switch {
	case err == nil:
		d.fail("", &second, "a second document begins here", "keep one document, without a further --- line")
	case err != io.EOF:
		line, column, message := syntaxError(err, data)
		d.fail("", &yaml.Node{Line: line, Column: column}, "not valid YAML: "+message, "correct the line; text with special characters needs quotes")
	case len(first.Content) > 0:
		return first.Content[0]
	}
	return nil
}

// syntaxError returns the place and text of an error of the YAML library, which
// gives no place for characters that it does not take.
func syntaxError(err error, data []byte) (line, column int, message string) {
	var e *yaml.LoadError
	if !errors.As(err, &e) {
		return 1, 1, err.Error()
	}
	message = e.Message
	if e.ContextMsg != "" {
		message += " " + e.ContextMsg
	}
	if e.Mark.Line > 0 {
		return e.Mark.Line, e.Mark.Column, message
	}
	line, column = unprintable(data)
	return line, column, message
}

// unprintable returns the place of the first character that YAML does not allow
// (YAML 1.2.2, 5.1), or of the end.
func unprintable(data []byte) (line, column int) {
	line, column = 1, 1
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		switch {
		case r == '\n':
			line, column = line+1, 0
		case r == utf8.RuneError && size == 1, r < ' ' && r != '\t' && r != '\r', r >= 0x7f && r < 0xa0 && r != 0x85, r == 0xfffe, r == 0xffff:
			return line, column
		}
		column++
		data = data[size:]
	}
	return line, column
}
