package rival

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const haproxyConfig = `global
	nbthread {{.Workers}}
	maxconn 4096
defaults
	mode http
	timeout connect 5s
	timeout client 60s
	timeout server 60s
frontend visitors
	bind {{.Addr}}{{if .TLS}} ssl crt {{.Dir}}/pair.pem alpn h2,http/1.1{{end}}
	option forwardfor
	default_backend origin
backend origin
	http-reuse always
	server origin {{.Origin}} pool-max-conn {{.Connections}}
`

// HAProxy returns HAProxy, as it is installed. It cannot change a body.
func HAProxy(ctx context.Context) (*Server, error) {
	path, err := find("haproxy")
	if err != nil {
		return nil, err
	}
	version, err := output(ctx, path, "-v")
	if err != nil {
		return nil, err
	}
	version, _, _ = strings.Cut(strings.TrimPrefix(version, "HAProxy version "), " ")
	return &Server{Version: "HAProxy/" + version, Cases: []Case{{"HAProxy", "pass-through", "gzip", false, func(s Setup) (*exec.Cmd, error) {
		if err := writePair(s); err != nil {
			return nil, err
		}
		config, err := write(s.Dir, "haproxy.cfg", haproxyConfig, struct {
			Setup
			Connections int
		}{s, Connections})
		return exec.Command(path, "-db", "-q", "-f", config), err
	}}}}, nil
}

// writePair writes certificate and key into one file, as HAProxy wants them.
func writePair(s Setup) error {
	cert, err := os.ReadFile(s.Cert)
	if err != nil {
		return err
	}
	key, err := os.ReadFile(s.Key)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(s.Dir, "pair.pem"), append(cert, key...), 0o600); err != nil {
		return fmt.Errorf("certificate for HAProxy: %w", err)
	}
	return nil
}
