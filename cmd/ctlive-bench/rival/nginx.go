package rival

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// brotliModule is where Debian puts it; it is not part of nginx.
const brotliModule = "/usr/lib/nginx/modules/ngx_http_brotli_filter_module.so"

const nginxConfig = `daemon off;
{{if .Root}}user root;{{end}}
{{.Modules}}
worker_processes {{.Workers}};
worker_rlimit_nofile 8192;
pid {{.Dir}}/pid;
error_log stderr error;
events { worker_connections 4096; }
http {
	access_log off;
	client_body_temp_path {{.Dir}}/b; proxy_temp_path {{.Dir}}/p; fastcgi_temp_path {{.Dir}}/f; uwsgi_temp_path {{.Dir}}/u; scgi_temp_path {{.Dir}}/s;
	keepalive_requests 100000000;
	upstream origin { server {{.Origin}}; keepalive {{.Connections}}; keepalive_requests 100000000; }
	server {
{{- if .TLS}}
		listen {{.Addr}} ssl http2;
		ssl_certificate {{.Cert}};
		ssl_certificate_key {{.Key}};
{{- else}}
		listen {{.Addr}};
{{- end}}
		server_name {{.Host}};
		location / {
			proxy_pass http://origin;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_set_header Host $host;
			proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
			{{.Directives}}
		}
	}
}
`

// subFilter needs pages as they are: it cannot read a compressed one.
const subFilter = `proxy_set_header Accept-Encoding ""; sub_filter '` + Head + `' "` + Head + Tag + `"; sub_filter_once on;`

// Nginx returns nginx, as it is installed.
func Nginx(ctx context.Context) (*Server, error) {
	path, err := find("nginx")
	if err != nil {
		return nil, err
	}
	version, err := output(ctx, path, "-v")
	if err != nil {
		return nil, err
	}
	one := func(does, coding string, injects bool, modules, directives string) Case {
		return Case{"nginx", does, coding, injects, func(s Setup) (*exec.Cmd, error) {
			return nginxCommand(path, modules, directives, s)
		}}
	}
	server := &Server{Version: strings.TrimPrefix(version, "nginx version: "), Cases: []Case{
		one("pass-through", "gzip", false, "", ""),
		one("sub_filter", "identity", true, "", subFilter),
		one("sub_filter, gzip 1", "gzip", true, "", subFilter+" gzip on; gzip_comp_level 1;"),
		one("sub_filter, gzip 5", "gzip", true, "", subFilter+" gzip on; gzip_comp_level 5;"),
	}}
	if _, err := os.Stat(brotliModule); err == nil {
		server.Cases = append(server.Cases,
			one("sub_filter, brotli 4", "br", true, "load_module "+brotliModule+";", subFilter+" brotli on; brotli_comp_level 4;"))
	}
	return server, nil
}

func nginxCommand(path, modules, directives string, s Setup) (*exec.Cmd, error) {
	config, err := write(s.Dir, "nginx.conf", nginxConfig, struct {
		Setup
		Root                bool
		Modules, Directives string
		Connections         int
	}{s, isRoot(), modules, directives, Connections})
	return exec.Command(path, "-p", s.Dir, "-e", filepath.Join(s.Dir, "errors"), "-c", config), err
}
