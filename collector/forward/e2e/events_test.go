package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"ctlive/collector"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// sink is what the forwarder asks of one.
type sink interface {
	Send(ctx context.Context, events []collector.Record) error
	Erase(ctx context.Context, notes []collector.Erasure) error
	Close() error
}

const pages = 7 // that events are on, in turns

// events returns count events, numbered from first. An event's sequence number counts those of its
// page.
func events(first, count int) []collector.Record {
	list := make([]collector.Record, count)
	for i := range list {
		n := first + i
		list[i] = collector.Record{
			Row: int64(n), ID: fmt.Sprintf("e%06d", n), Site: "www.example.com", Type: "WidgetShown", At: collector.Millis(1795348799000 + n),
			Page: fmt.Sprintf("p%d", n%pages), Seq: int64(n / pages), Flags: []string{}, Object: jsontext.Value("{}"),
		}
	}
	return list
}

// sendUntil sends events again and again, as the forwarder does, until the sink has taken them, and
// returns how often it has not.
func sendUntil(t *testing.T, s sink, list []collector.Record, limit time.Duration) (failures int) {
	t.Helper()
	for start := time.Now(); ; failures++ {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		err := s.Send(ctx, list)
		cancel()
		if err == nil {
			return failures
		}
		if time.Since(start) > limit {
			t.Fatalf("not taken within %v: %v", limit, err)
		}
		t.Logf("sent again after: %v", err)
		time.Sleep(100 * time.Millisecond)
	}
}

// ledger is what an engine has.
type ledger struct {
	count map[string]int   // of each id
	order map[string][]int // the sequence numbers of a page, by their first appearance
}

func newLedger() *ledger { return &ledger{map[string]int{}, map[string][]int{}} }

func (l *ledger) add(t *testing.T, body []byte) {
	t.Helper()
	var e struct {
		ID   string `json:"id"`
		Page string `json:"page"`
		Seq  int    `json:"seq"`
	}
	if err := json.Unmarshal(body, &e); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	if l.count[e.ID]++; l.count[e.ID] == 1 {
		l.order[e.Page] = append(l.order[e.Page], e.Seq)
	}
}

// check wants each of the first total events once or more, a page's in their order, and no other.
func (l *ledger) check(t *testing.T, total int) (twice int) {
	t.Helper()
	for _, e := range events(0, total) {
		if l.count[e.ID] == 0 {
			t.Errorf("%s was acknowledged and is not there", e.ID)
		}
	}
	if len(l.count) != total {
		t.Errorf("%d distinct ids; want %d", len(l.count), total)
	}
	for page, order := range l.order {
		for i, seq := range order {
			if seq != i {
				t.Errorf("page %s: event %d stands at place %d", page, seq, i)
				break
			}
		}
	}
	for _, n := range l.count {
		twice += n - 1
	}
	return twice
}
