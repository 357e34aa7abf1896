// Package rival holds the servers that ctlive is compared with, and ctlive itself: how each one is
// installed, configured and started for the same job. A server listens on one loopback address, gets
// its pages from one origin over connections that it keeps, writes no access log, and either leaves
// the pages alone or puts the same markup after the head's start tag.
//
// A server has a file, and in it the cases that it can do. Where a setting is not said here to be
// equal for all, it is the server's default.
package rival

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/template"
)

// Setup is what a server is to do, and where.
type Setup struct {
	Addr    string // to listen on
	TLS     bool   // with HTTP/2 and the certificate, otherwise HTTP/1.1
	Cert    string // PEM file
	Key     string // PEM file
	Host    string // that the certificate is for
	Origin  string // host:port
	Dir     string // folder for its files; it exists
	Workers int    // processes or threads that serve at the same time
}

// Tag is the markup that the servers put in: as long as ctlive's, and with no character that means
// something in one of their configurations.
const Tag = `<script data-rival>(function(d,w){var s=d.currentScript,q=[],l=function(e){if(e.data!==null&&typeof e.data==='object'){q.push([Date.now(),e.origin,e.data])}};s.remove();w.addEventListener('message',l,true);w.rival={take:function(f){w.removeEventListener('message',l,true);q.forEach(f);q=[]}};s=d.createElement('script');s.src='/.rival/listener.0123456789abcdef.js';s.async=true;d.head.appendChild(s)})(document,window)</script>`

// Head is what Tag stands behind.
const Head = "<head>"

// Connections is how many idle connections to the origin a server keeps, where that can be set.
const Connections = 256

// Case is a server with one configuration.
type Case struct {
	Server  string
	Does    string
	Coding  string // the visitor accepts this one only, and gets it
	Injects bool

	// Command writes the server's files below s.Dir and returns what runs it in the foreground.
	Command func(s Setup) (*exec.Cmd, error)
}

func (c *Case) String() string { return c.Server + ", " + c.Does }

// Server is a server that can be started.
type Server struct {
	Version string // name and number
	Cases   []Case
}

// write fills text, a template, with data and writes it as a file in dir.
func write(dir, name, text string, data any) (path string, err error) {
	t, err := template.New(name).Option("missingkey=error").Parse(text)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	if err := t.Execute(&b, data); err != nil {
		return "", err
	}
	path = filepath.Join(dir, name)
	return path, os.WriteFile(path, []byte(b.String()), 0o600)
}

// find returns the path of a program; those of servers are not on everybody's PATH.
func find(program string) (string, error) {
	path, err := exec.LookPath(program)
	if err == nil {
		return path, nil
	}
	path = filepath.Join("/usr/sbin", program)
	if _, missing := os.Stat(path); missing != nil {
		return "", err
	}
	return path, nil
}

// output returns the first line that a program writes.
func output(ctx context.Context, path string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, path, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", path, err, out)
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(line), nil
}

func isRoot() bool { return os.Geteuid() == 0 }

// goEnv is the environment of a server written in Go.
func goEnv(s Setup) []string {
	return append(os.Environ(), fmt.Sprint("GOMAXPROCS=", s.Workers))
}
