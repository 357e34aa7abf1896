package collector

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestAccounts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir)
	h := New(s, Options{}).Handler(testSite)
	page := func(page, title string, seen, refused, dropped int, events ...string) {
		sendText(t, h, fmt.Sprintf(`{"v":1,"page":%q,"title":%q,"seen":%d,"refused":%d,"dropped":%d,"events":[%s]}`,
			page, title, seen, refused, dropped, strings.Join(events, ",")))
	}
	page("a", "one", 5, 1, 0, loaded("1"))
	page("a", "two", 9, 1, 2, loaded("1"), loaded("2"), `{"no":"event"}`) // its title has changed: a further row
	page("b", "", 0, 0, 0, loaded("3"), loaded("4"))                      // an older listener
	page("c", "", 3, 3, 0)
	s.lose(input{site: testSite.Name, received: millis(time.Now())}, "rate", 4)
	want := Account{Site: testSite.Name, Seen: 9 + 2 + 3, Stored: 4, Rejected: 1, Refused: 1 + 3, Dropped: 2, Pending: 9 - 2 - 1 - 1 - 2, Duplicate: 1}
	var got []Account
	for end := time.Now().Add(30 * time.Second); !slices.Equal(got, []Account{want}); time.Sleep(50 * time.Millisecond) {
		var err error
		if got, err = s.Accounts(t.Context(), testSite.Name); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(end) {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	}
	s.Close() // writes what is only counted yet
	s = openStore(t, dir)
	losses, err := s.Losses(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprint(losses)
	for _, want := range []string{"rate 4", "refused 4", "dropped 2", "not_an_event 1"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
	if strings.Contains(text, "duplicate") {
		t.Errorf("what came twice is no loss: %s", text)
	}
	if other, err := s.Accounts(t.Context(), "other"); err != nil || len(other) != 0 {
		t.Errorf("another site: %v, %v", other, err)
	}
}

func TestFiguresLeaveOutTheDoubtful(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir())
	j := job{input: input{site: testSite.Name, received: 1}, view: &view{}}
	for i, flags := range []Flags{0, BadField, Skew, Untrusted, Bot, Prerender | Skew} {
		j.events = append(j.events, event{id: fmt.Sprint(i), typ: "Loaded", at: 5, was: 3, flags: flags, object: []byte(`{}`)})
	}
	if err := s.do(t.Context(), &j); err != nil {
		t.Fatal(err)
	}
	for all, want := range map[bool]int64{false: 3, true: 6} {
		counts, err := s.Counts(t.Context(), Filter{Doubtful: all})
		if err != nil || len(counts) != 1 || counts[0].Events != want {
			t.Errorf("all %t: %v, %v; want %d", all, counts, err, want)
		}
	}
	for _, r := range allEvents(t, s) {
		if skewed := slices.Contains(r.Flags, "skew"); (r.Reported == 3) != skewed || r.At != 5 {
			t.Errorf("%+v", r)
		}
	}
	if a, err := s.Accounts(t.Context(), ""); err != nil || a[0].Doubtful != 3 {
		t.Errorf("%+v, %v", a, err)
	}
}
