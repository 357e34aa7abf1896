package e2e

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestErase: a person, or a chat, is gone from the store and from its files when
// the command returns, while others come and go; nothing of them is missing.
func TestErase(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, flag, id string
		rules          []string
	}{
		{"user", "--user", "victim-4711", nil},
		{"chat", "--chat", "chat-of-victim-4711", nil},
		{"user with a pseudonym", "--user", "victim-4711", []string{"user_ids: pseudonym"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			data := t.TempDir()
			p := runProxy(t, storeYAML("127.0.0.1:0", "http://127.0.0.1:9", data, tt.rules...))
			ledger := newLedger(8)
			ledger.start(p.url)
			ledger.awaitMore(t, 100)
			for i := range 20 {
				mustDeliver(t, p.url, victimBatch(i), 200)
				mustDeliver(t, p.url, victimBatch(i)[1:], 400) // into the quarantine
			}
			ledger.awaitMore(t, 100)
			erased := ctlive(t, nil, "erase", tt.flag, tt.id, "--config", p.config)
			if erased.code != 0 {
				t.Fatalf("erase: %d %s", erased.code, erased.stderr)
			}
			t.Log(strings.TrimSpace(erased.stdout))
			// The id is noted for those who hold copies; the events are not.
			// The figures, which have the addresses of pages, follow within seconds.
			for _, word := range []string{"mark-of-victim", "page-of-victim"} {
				files := grep(t, []byte(word), data)
				for end := time.Now().Add(15 * time.Second); len(files) > 0 && time.Now().Before(end); files = grep(t, []byte(word), data) {
					if !strings.Contains(strings.Join(files, " "), "report.db") {
						break
					}
					time.Sleep(200 * time.Millisecond)
				}
				if len(files) > 0 {
					t.Errorf("%s is still in %v", word, files)
				}
			}
			ledger.awaitMore(t, 100)
			ledger.finish()
			out := ctlive(t, nil, "events", "--data", data, "--format", "ndjson").stdout
			if n := strings.Count(out, "victim"); n > 0 {
				t.Errorf("the victim is listed %d times", n)
			}
			if out := ctlive(t, nil, "rejected", "--data", data, "--format", "ndjson").stdout; strings.Count(out, "\n") != 0 && tt.flag == "--user" && tt.rules == nil {
				t.Errorf("input with the victim is in quarantine: %s", out)
			}
			ledger.compare(t, stored(t, data))
			mustDeliver(t, p.url, victimBatch(0), 200) // somebody who comes back is somebody new
			p.kill()
			if n := strings.Count(ctlive(t, nil, "events", "--data", data, "--format", "ndjson").stdout, `"id":"mark-of-victim`); n != 2 {
				t.Errorf("of the two events that came after the erasure %d are there", n)
			}
		})
	}
}

// victimBatch is a batch with two events of the victim, on a page of its own.
func victimBatch(i int) string {
	return fmt.Sprintf(`{"v":1,"page":"page-of-victim-%[1]d","session":"s","url":"https://a.test/","title":"mark-of-victim","events":[
		{"id":"mark-of-victim-%[1]d-a","seq":1,"type":"ChatStarted","object":{"chatID":"chat-of-victim-4711","userID":"victim-4711"}},
		{"id":"mark-of-victim-%[1]d-b","seq":2,"type":"ChatOnline","object":{"chatID":"chat-of-victim-4711","users":["victim-4711","operator"]}}]}`, i)
}

// mustDeliver sends a body and expects a status.
func mustDeliver(t *testing.T, url, body string, status int) {
	t.Helper()
	a, err := deliver(url, body)
	if err != nil || a.status != status {
		t.Errorf("%.60s…: %v, %v; want %d", body, a, err, status)
	}
}

// TestReplay: input that was refused by a rule is stored when the rule has
// changed, while the proxy runs; what is no event stays where it is.
func TestReplay(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	p := runProxy(t, storeYAML("127.0.0.1:0", "http://127.0.0.1:9", data, "max_body: 1KiB"))
	ledger := newLedger(2)
	ledger.start(p.url)
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	z.Write([]byte(padded(3000, "replayed-a", "replayed-b")))
	z.Close()
	a, err := deliver(p.url, zipped.String(), "Content-Encoding", "gzip")
	if err != nil || a.status != 413 {
		t.Fatalf("a body of 3 KB: %v, %v", a, err)
	}
	mustDeliver(t, p.url, "nonsense", 400)
	if n := len(rejected(t, data)); n != 2 {
		t.Errorf("%d inputs are in quarantine, want 2", n)
	}
	larger := writeConfig(t, storeYAML("127.0.0.1:0", "http://127.0.0.1:9", data))
	for range 2 { // the second time there is nothing left to do
		if r := ctlive(t, nil, "rejected", "--replay", "--config", larger); r.code != 0 {
			t.Fatalf("replay: %d %s", r.code, r.stderr)
		}
	}
	ledger.awaitMore(t, 20)
	ledger.finish()
	events := stored(t, data)
	if n := countIDs(events, "replayed-"); n != 2 {
		t.Errorf("%d of 2 events are stored", n)
	}
	if left := rejected(t, data); len(left) != 1 || left[0].Reason != "bad_json" {
		t.Errorf("in quarantine: %v", left)
	}
	ledger.compare(t, events)
}

type reject struct{ Reason, Client string }

// rejected returns what is in quarantine.
func rejected(t *testing.T, data string) (all []reject) {
	t.Helper()
	out := ctlive(t, nil, "rejected", "--data", data, "--format", "ndjson")
	if out.code != 0 {
		t.Fatalf("ctlive rejected: %d %s", out.code, out.stderr)
	}
	for line := range strings.Lines(out.stdout) {
		var r reject
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}
