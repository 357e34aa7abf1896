package collector

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"
)

func replay(t *testing.T, c *Collector) Replayed {
	t.Helper()
	done, err := c.Replay(t.Context(), Filter{})
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// TestE2Replay: what today's rules take is stored as of its arrival and leaves the quarantine, once,
// however often it is tried; the rest stays.
func TestE2Replay(t *testing.T) {
	s := openStore(t, t.TempDir())
	arrival := func() time.Time { return testTime }
	strict := New(s, Options{Now: arrival, MaxBody: 300}).Handler(testSite)
	lax := New(s, Options{Now: func() time.Time { return testTime.Add(time.Hour) }})

	long := batchOf(loaded("long"), `{"id":"bare"}`, loaded("twice"), loaded("twice"))
	bomb := zipped(t, batchOf(loaded("zipped"), strings.Repeat(" ", 2000)+loaded("zipped 2")))
	for name, a := range map[string]answer{
		"long":   sendText(t, strict, batchOf(loaded("cut"))+strings.Repeat(" ", 300)),
		"zipped": send(t, strict, bytes.NewReader(bomb), "Content-Encoding: gzip"),
	} {
		if a.code != 413 {
			t.Fatalf("%s: %d", name, a.code)
		}
	}
	wide := New(s, Options{Now: arrival}).Handler(testSite)
	sendText(t, wide, long, "Content-Type: text/csv")
	sendText(t, wide, "nonsense")
	sendText(t, wide, batchOf(loaded("with it"), `17`))
	before := len(allRejects(t, s))
	if before != 5 {
		t.Fatalf("%d rejects", before)
	}
	// A rule that is no more, as far as the rows go.
	if _, err := writeDB(t, s).Exec(`UPDATE quarantine SET content_type = 'text/plain' WHERE content_type = 'text/csv'`); err != nil {
		t.Fatal(err)
	}
	if _, err := writeDB(t, s).Exec(`UPDATE quarantine SET raw = CAST('{"id":"mended","type":"Loaded"}' AS BLOB), length = 31 WHERE raw = CAST('17' AS BLOB)`); err != nil {
		t.Fatal(err)
	}

	want := Replayed{Inputs: 5, Stored: 5, Duplicates: 1, Rejected: 1, Refused: 1, Incomplete: 1}
	if got := replay(t, lax); got != want {
		t.Errorf("first time %+v, want %+v", got, want)
	}
	want = Replayed{Inputs: 3, Refused: 2, Incomplete: 1}
	if got := replay(t, lax); got != want {
		t.Errorf("again %+v, want %+v", got, want)
	}
	var ids []string
	for _, e := range allEvents(t, s) {
		ids = append(ids, e.ID)
		if e.ReceivedAt != millis(testTime) || e.Page != "p1" || e.Client != "192.0.2.0" {
			t.Errorf("stored %+v", e)
		}
	}
	slices.Sort(ids)
	if want := []string{"long", "mended", "twice", "with it", "zipped", "zipped 2"}; !slices.Equal(ids, want) {
		t.Errorf("events %q, want %q", ids, want)
	}
	waitForLosses(t, s, []Loss{{testSite.Name, "bad_json", 1}, {testSite.Name, "not_an_event", 1}, {testSite.Name, "too_large", 1}})
}

// TestReplayKeepsFlags: an event is trusted as its batch was, also when it passes later.
func TestReplayKeepsFlags(t *testing.T) {
	keys, _ := keysAt(testTime)
	tokens := keys.Tokens()
	s := openStore(t, t.TempDir())
	c := New(s, Options{Now: func() time.Time { return testTime }, Tokens: tokens})
	bad := func(token, page string) string {
		return `{"v":1,"token":"` + token + `","page":"` + page + `","events":[{"id":"` + page + `"}]}`
	}
	sendText(t, c.Handler(testSite), bad(tokens.Token(testSite.Name), "good"))
	sendText(t, c.Handler(testSite), bad("", "none"))
	sendText(t, c.Handler(testSite), bad(tokens.Token(testSite.Name), "robot"), "User-Agent: Googlebot")
	if _, err := writeDB(t, s).Exec(`UPDATE quarantine SET raw = CAST('{"type":"Loaded"}' AS BLOB), length = 17`); err != nil {
		t.Fatal(err)
	}
	if got := replay(t, c); got.Stored != 3 {
		t.Fatalf("replayed %+v", got)
	}
	want := map[string]string{"good": "", "none": "untrusted", "robot": "bot"}
	for _, e := range allEvents(t, s) {
		if got := strings.Join(e.Flags, " "); got != want[e.Page] {
			t.Errorf("%s: %q, want %q", e.Page, got, want[e.Page])
		}
	}
}

// TestReplayUnderPseudonyms: what was quarantined before is stored without its user ids.
func TestReplayUnderPseudonyms(t *testing.T) {
	s := openStore(t, t.TempDir())
	now := func() time.Time { return testTime }
	sendText(t, New(s, Options{Now: now}).Handler(testSite), batchOf(loaded("a")), "Content-Type: text/csv")
	if _, err := writeDB(t, s).Exec(`UPDATE quarantine SET content_type = 'text/plain'`); err != nil {
		t.Fatal(err)
	}
	later := func() time.Time { return testTime.Add(5 * 24 * time.Hour) }
	replay(t, New(s, Options{Now: later, UserIDs: PseudonymUserIDs}))
	if e := allEvents(t, s)[0]; !strings.HasPrefix(e.UserID, pseudonymPrefix) || strings.Contains(string(e.Object), "u1") {
		t.Errorf("stored %+v", e)
	}
}
