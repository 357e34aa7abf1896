package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// TestStats reads the figures of a proxy that runs, and of one that does not any more.
func TestStats(t *testing.T) {
	f, s := readAPIFile(t), newTestService(t)
	awaitFigures(t, s)
	running := statsOf(t, f, s.config.Data)
	table := ctlive(t, 0, "stats", "--data", s.config.Data, "--doubtful")
	s.figures.Close()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		os.Remove(filepath.Join(s.config.Data, "report.db"+suffix))
	}
	if stopped := statsOf(t, f, s.config.Data); stopped != running {
		t.Errorf("while it runs %s\nafter it %s", running, stopped)
	}
	t.Log("\n" + table)
	for _, want := range []string{
		"injected                        1         ████████████████████", "ChatStarted                     1   100%",
		"1 started, 1 online, 1 finished, 0 missed (nobody within 2m), 0 waiting",
		"Waiting time   median 20s, 95 in 100 within 20s (of 1)", "Duration       median 3m,",
		"Chat                            1", "= STORED", "*                          9         8",
	} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q", want)
		}
	}
	for line := range strings.Lines(table) {
		if utf8.RuneCountInString(line) > 81 {
			t.Errorf("wider than 80 columns: %q", line)
		}
	}
}

// statsOf returns what is the same at any time of the JSON form, which the API's schemas describe.
func statsOf(t *testing.T, f *apiFile, dir string) string {
	t.Helper()
	text := []byte(ctlive(t, 0, "stats", "--data", dir, "--format", "json", "--doubtful"))
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(text, &parts); err != nil {
		t.Fatal(err)
	}
	account := parts["account"]
	delete(parts, "account")
	figures, err := json.Marshal(parts)
	if err != nil {
		t.Fatal(err)
	}
	f.validate(t, json.RawMessage(`{"$ref":"#/components/schemas/Stats"}`), account)
	f.validate(t, json.RawMessage(`{"$ref":"#/components/schemas/Report"}`), figures)
	return string(parts["funnel"]) + string(parts["chats"]) + string(parts["clicks"]) + string(account)
}

func TestStatsMisuse(t *testing.T) {
	dir := t.TempDir()
	for args, status := range map[string]int{
		"--format csv": 2, "--since yesterday": 2, "--since 1h --until 2h": 2, "--since 2099-01-01": 2, "--since 1h": 1,
	} {
		if got := ctlive(t, status, append([]string{"stats", "--data", dir}, strings.Fields(args)...)...); got == "" {
			t.Errorf("%s: no reason", args)
		}
	}
}

func TestFigureForms(t *testing.T) {
	for _, test := range []struct{ name, got, want string }{
		{"thousands", thousands(1234567), "1,234,567"}, {"hundreds", thousands(999), "999"}, {"less than nought", thousands(-1234), "-1,234"},
		{"share", share(1, 8), "12%"}, {"small share", share(1, 64), "1.6%"}, {"rounded share", share(999, 10000), "10%"}, {"of nothing", share(0, 0), ""},
		{"bar", bar(20, 20), strings.Repeat("█", barCells)}, {"half a cell", bar(1, 40), "▌"}, {"least bar", bar(1, 1e9), "▏"}, {"no bar", bar(0, 9), ""},
		{"sparkline", sparkline([]int64{0, 1, 4, 8}, 40), " ▁▄█"}, {"least spark", sparkline([]int64{1, 1000}, 40), "▁█"},
		{"squeezed", sparkline([]int64{1, 1, 0, 0, 4, 0}, 3), "▄ █"}, {"flat", sparkline(make([]int64, 9), 40), ""},
		{"seconds", span(1500), "1.5s"}, {"whole seconds", span(59_400), "59s"}, {"minutes", span(90_000), "1m30s"}, {"hours", span(3_660_000), "1h1m"}, {"two minutes", span(120_000), "2m"},
		{"cell", cell("a\x1b[2Jb", 9), "a\uFFFD[2Jb"}, {"long cell", cell("abcdef", 4), "abc…"},
	} {
		if test.got != test.want {
			t.Errorf("%s: %q, want %q", test.name, test.got, test.want)
		}
	}
}

func TestProgress(t *testing.T) {
	now := time.Unix(0, 0)
	var out strings.Builder
	p := &progress{w: &out, now: func() time.Time { return now }, shown: now.Add(progressAfter - progressEvery)}
	for n := range 6 {
		p.say("%d", n)
		now = now.Add(400 * time.Millisecond)
	}
	p.end()
	if want := "\r\x1b[K3\r\x1b[K4\r\x1b[K5\r\x1b[K"; out.String() != want {
		t.Errorf("said %q, want %q", out.String(), want)
	}
	if newProgress(&out).w != nil {
		t.Error("speaks to what is no terminal")
	}
}
