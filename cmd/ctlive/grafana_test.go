package main

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"ctlive/collector/forward"
	"ctlive/proxy"
)

const (
	rulesFile = "../../configs/grafana/alerts.yaml"
	boardFile = "../../configs/grafana/dashboard.json"
)

func TestRulesAreCorrect(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("SKIP: there is no promtool (Debian: prometheus)")
	}
	if out, err := exec.Command(promtool, "check", "rules", "--lint-fatal", rulesFile).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := exec.Command(promtool, "test", "rules", "../../configs/grafana/testdata/alerts.yaml").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestQueriesParse has promtool read what the panels ask for, with Grafana's variables filled in.
func TestQueriesParse(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("SKIP: there is no promtool (Debian: prometheus)")
	}
	var rules []map[string]string
	for i, query := range queries(t) {
		if query == "" {
			continue // the variable of the data source
		}
		query = regexp.MustCompile(`^label_values\((.*), *\w+\)$`).ReplaceAllString(query, "$1")
		query = regexp.MustCompile(`\$__(rate_interval|interval|range)\b`).ReplaceAllString(query, "5m")
		query = regexp.MustCompile(`\$(site|instance)\b`).ReplaceAllString(query, ".*")
		rules = append(rules, map[string]string{"record": fmt.Sprintf("panel:%d", i), "expr": query})
	}
	text, err := json.Marshal(map[string]any{"groups": []any{map[string]any{"name": "panels", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "rules.yaml") // JSON is YAML
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(promtool, "check", "rules", file).CombinedOutput(); err != nil || regexp.MustCompile(`\$[a-z_]`).Match(text) {
		t.Errorf("%v\n%s\n%s", err, out, text)
	}
}

// TestMetricsExist compares the metrics that are asked for with a scrape.
func TestMetricsExist(t *testing.T) {
	known := scraped(t)
	expressions, recorded := rules(t)
	known = append(known, recorded...)
	for file, list := range map[string][]string{rulesFile: expressions, boardFile: queries(t)} {
		if len(list) < 5 {
			t.Errorf("%s: %d expressions", file, len(list))
		}
		for _, expression := range list {
			for _, name := range metricNames(expression) {
				if !slices.Contains(known, name) {
					t.Errorf("%s: there is no %s: %s", file, name, expression)
				}
			}
		}
	}
}

// metricNames returns the metrics of ours in an expression.
func metricNames(expression string) []string {
	return regexp.MustCompile(`[a-z:]*ctlive_[a-z_:0-9]+`).FindAllString(expression, -1)
}

// scraped returns the names of all samples of a proxy that has seen a bit of everything.
func scraped(t *testing.T) []string {
	t.Helper()
	certificates := proxy.NewMetrics(func() map[string]proxy.Validity {
		return map[string]proxy.Validity{"a.test": {NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour)}}
	}, nil)
	s := newTestService(t)
	s.metrics.Hangup("handshake")
	s.metrics.Certificate("obtained")
	var names []string
	s.metrics.Register(sinkMetrics{func() []forward.Status { return []forward.Status{{Sink: "nats:CTLIVE"}} }})
	for _, m := range []*proxy.Metrics{certificates, s.metrics} {
		w := httptest.NewRecorder()
		m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		for line := range strings.Lines(w.Body.String()) {
			if !strings.HasPrefix(line, "#") {
				names = append(names, line[:strings.IndexAny(line, "{ ")])
			}
		}
	}
	return names
}

type rule struct{ Record, Alert, Expr string }

func rules(t *testing.T) (expressions, recorded []string) {
	t.Helper()
	var file struct {
		Groups []struct{ Rules []rule }
	}
	readInto(t, rulesFile, yaml.Unmarshal, &file)
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			expressions = append(expressions, r.Expr)
			recorded = append(recorded, r.Record)
		}
	}
	return expressions, recorded
}

func queries(t *testing.T) (all []string) {
	t.Helper()
	var board struct {
		Panels []struct {
			ID      int
			Title   string
			Targets []struct{ Expr string }
		}
		Templating struct{ List []struct{ Definition string } }
	}
	readInto(t, boardFile, json.Unmarshal, &board)
	ids := map[int]string{}
	for _, p := range board.Panels {
		if ids[p.ID] != "" || p.Title == "" || len(p.Targets) == 0 {
			t.Errorf("panel %d %q: number taken, no title or no query", p.ID, p.Title)
		}
		ids[p.ID] = p.Title
		for _, target := range p.Targets {
			all = append(all, target.Expr)
		}
	}
	for _, v := range board.Templating.List {
		all = append(all, v.Definition)
	}
	return all
}

func readInto(t *testing.T, file string, decode func([]byte, any) error, v any) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err == nil {
		err = decode(data, v)
	}
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}
