package configs

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// withoutSocket follows the comments of ctlive.service.
func withoutSocket(unit string) string {
	unit = strings.ReplaceAll(unit, "\nRequires=ctlive.socket", "")
	unit = strings.ReplaceAll(unit, " ctlive.socket\n", "\n")
	return regexp.MustCompile(`(?m)^#([A-Z])`).ReplaceAllString(unit, "$1")
}

// TestUnits has systemd read the units, and say how much they leave open.
func TestUnits(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("SKIP: there is no systemd-analyze")
	}
	service, socket := string(readFile(t, "systemd/ctlive.service")), string(readFile(t, "systemd/ctlive.socket"))
	tests := []struct{ name, service, socket string }{
		{"with the socket", service, socket},
		{"without the socket", withoutSocket(service), ""},
		{"the dashboard of all edges", string(readFile(t, "cluster/systemd/ctlive-dashboard.service")), ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			unit := filepath.Join(dir, "ctlive.service")
			write(t, unit, strings.ReplaceAll(test.service, "/usr/bin/ctlive", executable(t)))
			files := []string{unit}
			if test.socket != "" {
				files = append(files, filepath.Join(dir, "ctlive.socket"))
				write(t, files[1], test.socket)
			}
			if out := analyze(t, append([]string{"verify", "--man=no"}, files...)...); len(bytes.TrimSpace(out)) > 0 {
				t.Errorf("systemd-analyze verify: %s", out)
			}
			analyze(t, "security", "--offline=true", "--threshold=15", unit) // 1.5 of 10
		})
	}
}

// executable returns a program that is surely there, in place of ctlive.
func executable(t *testing.T) string {
	t.Helper()
	name, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func analyze(t *testing.T, args ...string) []byte {
	t.Helper()
	out, err := exec.Command("systemd-analyze", args...).CombinedOutput()
	if err != nil {
		t.Errorf("systemd-analyze %s: %v\n%s", args[0], err, out)
	}
	return out
}

// systemd waits longer than ctlive does.
func TestUnitOutlastsGrace(t *testing.T) {
	found := regexp.MustCompile(`(?m)^TimeoutStopSec=(.*)$`).FindSubmatch(readFile(t, "systemd/ctlive.service"))
	if found == nil {
		t.Fatal("no TimeoutStopSec")
	}
	wait, err := time.ParseDuration(string(found[1]))
	if grace := time.Duration(Default().Listen.Grace); err != nil || wait < grace+10*time.Second {
		t.Errorf("TimeoutStopSec is %s, %v; want well above %s", found[1], err, grace)
	}
}
