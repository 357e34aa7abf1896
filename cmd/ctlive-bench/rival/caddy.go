package rival

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// object is a JSON object.
type object = map[string]any

// Caddy builds Caddy into dir, from the module in ctlive's source, and returns it.
func Caddy(ctx context.Context, dir string) (*Server, error) {
	source, err := output(ctx, "go", "list", "-f", "{{.Dir}}", "ctlive/cmd/ctlive-bench")
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "caddy")
	version, err := buildCaddy(ctx, filepath.Join(source, "caddy"), path)
	if err != nil {
		return nil, err
	}
	one := func(does, coding string, injects bool, handlers ...object) Case {
		return Case{"Caddy", does, coding, injects, func(s Setup) (*exec.Cmd, error) { return caddyCommand(path, handlers, s) }}
	}
	replace := object{"handler": "bench_replace", "search": Head, "replace": Head + Tag}
	return &Server{Version: "Caddy/" + version, Cases: []Case{
		one("pass-through", "gzip", false),
		one("replace", "identity", true, replace),
		one("replace, gzip 1", "gzip", true, encode("gzip", object{"level": 1}), replace),
		one("replace, zstd fastest", "zstd", true, encode("zstd", object{"level": "fastest"}), replace),
	}}, nil
}

// buildCaddy builds the module in folder source and returns the version of Caddy that it asks for.
func buildCaddy(ctx context.Context, source, to string) (version string, err error) {
	c := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", to, ".")
	c.Dir, c.Env = source, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build Caddy: %w\n%s", err, out)
	}
	c = exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Version}}", "github.com/caddyserver/caddy/v2")
	c.Dir = source
	out, err := c.Output()
	return strings.TrimPrefix(strings.TrimSpace(string(out)), "v"), err
}

func encode(coding string, options object) object {
	return object{"handler": "encode", "encodings": object{coding: options}}
}

// caddyCommand puts handlers in front of the upstream. With any, the origin is asked for no coding.
func caddyCommand(path string, handlers []object, s Setup) (*exec.Cmd, error) {
	upstream := object{
		"handler":   "reverse_proxy",
		"upstreams": []object{{"dial": s.Origin}},
		"transport": object{"protocol": "http", "compression": false, "keep_alive": object{"max_idle_conns_per_host": Connections}},
	}
	if len(handlers) > 0 {
		upstream["headers"] = object{"request": object{"delete": []string{"Accept-Encoding"}}}
	}
	server := object{
		"listen":          []string{s.Addr},
		"protocols":       []string{"h1", "h2"},
		"automatic_https": object{"disable": true},
		"routes":          []object{{"handle": append(append([]object{}, handlers...), upstream)}},
	}
	apps := object{"http": object{"servers": object{"bench": server}}}
	if s.TLS {
		server["tls_connection_policies"] = []object{{}}
		apps["tls"] = object{"certificates": object{"load_files": []object{{"certificate": s.Cert, "key": s.Key}}}}
	}
	config, err := json.Marshal(object{
		"admin":   object{"disabled": true, "config": object{"persist": false}},
		"logging": object{"logs": object{"default": object{"level": "ERROR"}}},
		"apps":    apps,
	})
	if err != nil {
		return nil, err
	}
	file := filepath.Join(s.Dir, "caddy.json")
	c := exec.Command(path, file)
	c.Env = append(goEnv(s), "HOME="+s.Dir, "XDG_DATA_HOME="+s.Dir, "XDG_CONFIG_HOME="+s.Dir)
	return c, os.WriteFile(file, config, 0o600)
}
