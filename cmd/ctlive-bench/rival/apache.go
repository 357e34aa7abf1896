package rival

import (
	"context"
	"os/exec"
	"strings"
)

// apacheThreads is how many requests a process can work on. A process without an idle one closes
// connections that are kept, so each has more than there are connections in all.
const apacheThreads = 320

// With SetOutputFilter the page goes through the filters in their order. The origin is not asked for
// a coding, since mod_substitute cannot read one; as that takes the visitor's Accept-Encoding away,
// mod_deflate is told to compress without it.
const apacheConfig = `ServerRoot "{{.Dir}}"
DefaultRuntimeDir "{{.Dir}}"
PidFile "{{.Dir}}/pid"
ServerName {{.Host}}
{{if .Root}}User www-data
Group www-data{{end}}
{{range .Modules}}LoadModule {{.}}_module /usr/lib/apache2/modules/mod_{{.}}.so
{{end -}}
ErrorLog /dev/stderr
LogLevel error
Listen {{.Addr}}
StartServers {{.Workers}}
ServerLimit {{.Workers}}
ThreadLimit {{.Threads}}
ThreadsPerChild {{.Threads}}
MaxRequestWorkers {{.All}}
MinSpareThreads 1
MaxSpareThreads {{.All}}
MaxConnectionsPerChild 0
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 60
{{if .TLS}}SSLEngine on
SSLCertificateFile "{{.Cert}}"
SSLCertificateKeyFile "{{.Key}}"
SSLSessionCache none
Protocols h2 http/1.1
{{end -}}
ProxyPreserveHost On
ProxyPass "/" "http://{{.Origin}}/" enablereuse=on
{{if .Filters -}}
RequestHeader unset Accept-Encoding
SetOutputFilter {{.Filters}}
SubstituteMaxLineLength 10m
Substitute "s|{{.Head}}|{{.Head}}{{.Tag}}|n"
DeflateCompressionLevel 1
SetEnv force-gzip 1
{{end -}}
`

var apacheModules = []string{"mpm_event", "authz_core", "env", "headers", "filter", "deflate", "substitute", "proxy", "proxy_http", "ssl", "http2"}

// Apache returns the Apache HTTP server, as it is installed.
func Apache(ctx context.Context) (*Server, error) {
	path, err := find("apache2")
	if err != nil {
		return nil, err
	}
	version, err := output(ctx, path, "-v")
	if err != nil {
		return nil, err
	}
	one := func(does, coding string, injects bool, filters string) Case {
		return Case{"Apache", does, coding, injects, func(s Setup) (*exec.Cmd, error) { return apacheCommand(path, filters, s) }}
	}
	return &Server{Version: strings.TrimPrefix(version, "Server version: "), Cases: []Case{
		one("pass-through", "gzip", false, ""),
		one("mod_substitute", "identity", true, "SUBSTITUTE"),
		one("mod_substitute, deflate 1", "gzip", true, "SUBSTITUTE;DEFLATE"),
	}}, nil
}

func apacheCommand(path, filters string, s Setup) (*exec.Cmd, error) {
	config, err := write(s.Dir, "apache.conf", apacheConfig, struct {
		Setup
		Root               bool
		Modules            []string
		Threads, All       int
		Filters, Head, Tag string
	}{s, isRoot(), apacheModules, apacheThreads, s.Workers * apacheThreads, filters, Head, Tag})
	return exec.Command(path, "-DFOREGROUND", "-f", config), err
}
