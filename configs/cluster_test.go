package configs

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// composeFile is what a test needs of cluster/compose.yaml.
type composeFile struct {
	Services map[string]struct {
		Environment map[string]string
		Volumes     []string
	}
}

// TestClusterEdge: each edge of the compose file has a configuration with what its environment says.
func TestClusterEdge(t *testing.T) {
	var file composeFile
	if err := yaml.Load(readFile(t, "cluster/compose.yaml"), &file); err != nil {
		t.Fatal(err)
	}
	secrets := map[string]string{
		"${CTLIVE_ADMIN_TOKEN:?a password for the dashboard}":     strings.Repeat("a", 32),
		"${CTLIVE_TOKEN_KEY:?a secret of at least 32 characters}": strings.Repeat("b", 64),
	}
	for _, edge := range []string{"edge1", "edge2", "edge3"} {
		env := file.Services[edge].Environment
		lookup := func(name string) (string, bool) {
			value, ok := env[name]
			if secret, is := secrets[value]; is {
				value = secret
			}
			return value, ok
		}
		c, err := Load("cluster/edge.yaml", lookup)
		if err != nil {
			t.Errorf("%s: %v", edge, err)
			continue
		}
		if len(c.Collector.Forward) != 2 || c.Admin.Token == "" {
			t.Errorf("%s: %d sinks, token %q", edge, len(c.Collector.Forward), c.Admin.Token)
		}
	}
}

// TestClusterMounts: what the compose file mounts from its folder is there.
func TestClusterMounts(t *testing.T) {
	var file composeFile
	if err := yaml.Load(readFile(t, "cluster/compose.yaml"), &file); err != nil {
		t.Fatal(err)
	}
	mounts := 0
	for _, name := range slices.Sorted(maps.Keys(file.Services)) {
		for _, volume := range file.Services[name].Volumes {
			if source, _, _ := strings.Cut(volume, ":"); strings.HasPrefix(source, "./") {
				readFile(t, filepath.Join("cluster", source))
				mounts++
			}
		}
	}
	if mounts == 0 {
		t.Error("nothing is mounted")
	}
}
