package collector

import (
	"errors"
	"slices"
	"testing"
	"time"
)

func TestCommitError(t *testing.T) {
	broken := errors.New("broken")
	tests := []struct {
		name   string
		commit func(real func() error) error
		again  string // the verdict when the sender tries again
	}{
		{"before it took effect", func(func() error) error { return broken }, "stored"},
		{"after it took effect", func(real func() error) error { real(); return broken }, "duplicate"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h, s, f := newFaulty(t)
			f.onCommit(test.commit)
			for _, body := range []string{batchOf(loaded("a")), `nonsense`} {
				if a := sendText(t, h, body); a.code != 503 || a.Reason != "store" {
					t.Errorf("got %d %q", a.code, a.Reason)
				}
			}
			f.onCommit(nil)
			waitReady(t, s)
			a := sendText(t, h, batchOf(loaded("a")))
			if a.code != 200 || !slices.Equal(a.verdicts(), []string{test.again}) {
				t.Errorf("sent again: %d %q, want %s", a.code, a.verdicts(), test.again)
			}
			checkLedger(t, s, []string{"a"})
		})
	}
}

func TestReady(t *testing.T) {
	h, s, f := newFaulty(t)
	if err := s.Ready(); err != nil {
		t.Errorf("at first: %v", err)
	}
	broken := errors.New("no space left")
	f.onCommit(func(func() error) error { return broken })
	sendText(t, h, batchOf(loaded("a")))
	for range 3 {
		start := time.Now()
		if err := s.Ready(); !errors.Is(err, broken) {
			t.Errorf("after a failure: %v", err)
		}
		if a := sendText(t, h, batchOf(loaded("b"))); a.code != 503 || time.Since(start) > storeTimeout/2 {
			t.Errorf("%d after %v, want 503 at once", a.code, time.Since(start))
		}
		time.Sleep(upkeep / 2)
	}
	f.onCommit(nil)
	waitReady(t, s) // nobody sends
	if a := sendText(t, h, batchOf(loaded("b"))); a.code != 200 {
		t.Errorf("with room again: %d", a.code)
	}
	if s.Close(); s.Ready() == nil {
		t.Error("ready when closed")
	}
}

func TestGroups(t *testing.T) {
	h, s, f := newFaulty(t)
	commits := 0
	entered, leave := make(chan bool), make(chan bool)
	f.onCommit(func(real func() error) error {
		commits++
		if commits == 1 {
			entered <- true
			<-leave
		}
		return real()
	})
	const company = 10
	answers := make(chan answer, company+1)
	go func() { answers <- sendText(t, h, batchOf(loaded("first"))) }()
	<-entered // nobody waited for company
	for i := range company {
		go func() { answers <- sendText(t, h, batchOf(loaded(string(rune('a'+i))))) }()
	}
	for len(s.db.writer.queue) < company {
		select {
		case a := <-answers:
			t.Fatalf("answer %d before the commit", a.code)
		default:
		}
	}
	close(leave)
	for range company + 1 {
		if a := <-answers; a.code != 200 {
			t.Errorf("got %d", a.code)
		}
	}
	if s.Close(); commits != 2 {
		t.Errorf("%d commits, want 2", commits)
	}
}

func TestPack(t *testing.T) {
	for id, size := range map[string]int{
		"0b6f1f6e-51a5-4f0c-9d3c-2f6b8a1f4a11": 16,
		"0B6F1F6E-51A5-4F0C-9D3C-2F6B8A1F4A11": 0, // kept as it is written
		"{b6f1f6e-51a5-4f0c-9d3c-2f6b8a1f4a1}": 0,
		"sixteen bytes!!!":                     0,
		"":                                     0,
	} {
		packed := pack(id)
		if b, _ := packed.([]byte); len(b) != size {
			t.Errorf("%q packed as %v", id, packed)
		}
		if got := unpack(packed); got != id {
			t.Errorf("%q came back as %q", id, got)
		}
	}
}
