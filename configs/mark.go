package configs

import (
	"strings"

	"go.yaml.in/yaml/v4"
)

// mark is what is known about one key path.
type mark struct {
	line, column int
	failed       bool // has a problem of its own
	touched      bool // it or something below it has a problem
}

// mark returns the mark of path, new if there is none.
func (d *decoder) mark(path string) *mark {
	m := d.marks[path]
	if m == nil {
		m = &mark{}
		d.marks[path] = m
	}
	return m
}

// fail adds a problem with the value of path, standing at n.
func (d *decoder) fail(path string, n *yaml.Node, message, fix string) {
	d.problems = append(d.problems, Problem{d.file, n.Line, n.Column, path, message, fix})
	d.mark(path).failed = true
	for p := path; ; p = parent(p) {
		d.mark(p).touched = true
		if p == "" {
			return
		}
	}
}

// object adds a problem with the meaning of path, or with its absence, unless
// one is known there already.
func (d *decoder) object(path, message, fix string) {
	if d.sound(path) {
		line, column := place(d.marks, path)
		d.fail(path, &yaml.Node{Line: line, Column: column}, message, fix)
	}
}

// sound reports whether no problem is known with path, what is below it and the
// groups around it.
func (d *decoder) sound(path string) bool {
	if m := d.marks[path]; m != nil && m.touched {
		return false
	}
	for p := path; ; p = parent(p) {
		if m := d.marks[p]; m != nil && m.failed {
			return false
		}
		if p == "" {
			return true
		}
	}
}

// place returns where path stands, or else the nearest group around it; zeros if
// there is no file.
func place(marks map[string]*mark, path string) (line, column int) {
	for p := path; ; p = parent(p) {
		if m := marks[p]; m != nil && m.line > 0 {
			return m.line, m.column
		}
		if p == "" {
			return 0, 0
		}
	}
}

// parent returns the path around path: a for a.b and for a[0].
func parent(path string) string { return path[:max(0, strings.LastIndexAny(path, ".["))] }

func child(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
