package rival

import (
	"context"
	"os/exec"
)

const ctliveConfig = `listen: {{if .TLS}}{http: "", https: {{printf "%q" .Addr}}}{{else}}{http: {{printf "%q" .Addr}}}{{end}}
admin: {listen: "127.0.0.1:0"}
data: {{printf "%q" .Data}}
log: {level: error, format: json, access: false}
sites:
  - hosts: [{{.Host}}]
    to: ["http://{{.Origin}}"]
    {{- if .TLS}}
    tls: {cert: {{printf "%q" .Cert}}, key: {{printf "%q" .Key}}}
    {{- end}}
    {{- if .Exclude}}
    inject: {exclude: ["/**"]}
    {{- end}}
`

// Name of the server that the others are compared with.
const Name = "ctlive"

// Ctlive returns the ctlive at path.
func Ctlive(ctx context.Context, path string) (*Server, error) {
	version, err := output(ctx, path, "version")
	if err != nil {
		return nil, err
	}
	one := func(does, coding string, injects bool) Case {
		return Case{Name, does, coding, injects, func(s Setup) (*exec.Cmd, error) { return ctliveCommand(path, !injects, s) }}
	}
	return &Server{Version: version, Cases: []Case{
		one("pass-through", "gzip", false),
		one("inject", "identity", true),
		one("inject", "gzip", true),
		one("inject", "br", true),
		one("inject", "zstd", true),
	}}, nil
}

func ctliveCommand(path string, exclude bool, s Setup) (*exec.Cmd, error) {
	config, err := write(s.Dir, "ctlive.yaml", ctliveConfig, struct {
		Setup
		Data    string
		Exclude bool
	}{s, s.Dir + "/data", exclude})
	c := exec.Command(path, "run", "--config", config)
	c.Env = goEnv(s)
	return c, err
}
