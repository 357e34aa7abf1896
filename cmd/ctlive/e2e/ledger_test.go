package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestKillLedger kills the proxy at random moments under load and compares what
// it acknowledged with what it stored (D1): every acknowledged event is there,
// and no event is there twice, though senders that got no answer sent it again.
func TestKillLedger(t *testing.T) {
	rounds := 50
	if s := os.Getenv("CTLIVE_KILLS"); s != "" {
		var err error
		if rounds, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	data := t.TempDir()
	ledger := newLedger(16)
	for range rounds {
		p := startProxy(t, "http://127.0.0.1:9", data)
		stop := make(chan struct{})
		var senders sync.WaitGroup
		for i := range ledger.senders {
			senders.Go(func() { ledger.senders[i].send(p.url, stop) })
		}
		time.Sleep(time.Duration(rand.IntN(150)) * time.Millisecond)
		p.kill()
		close(stop)
		senders.Wait()
	}
	ledger.compare(t, stored(t, data))
}

type ledger struct{ senders []*sender }

func newLedger(senders int) *ledger {
	l := &ledger{}
	for i := range senders {
		l.senders = append(l.senders, &sender{name: fmt.Sprint("s", i), acked: map[string]bool{}})
	}
	return l
}

func (l *ledger) compare(t *testing.T, events []event) {
	t.Helper()
	have := map[string]int{}
	for _, e := range events {
		have[e.ID]++
	}
	acked, lost, twice := 0, 0, 0
	for _, s := range l.senders {
		for id := range s.acked {
			acked++
			if have[id] == 0 {
				lost++
			}
		}
	}
	for _, n := range have {
		if n > 1 {
			twice++
		}
	}
	t.Logf("acknowledged %d, stored %d", acked, len(events))
	if lost > 0 || twice > 0 || acked < 100 {
		t.Errorf("of %d acknowledged events %d are lost; %d are stored twice", acked, lost, twice)
	}
}

// sender sends batches of two events, and a batch that got no answer again.
type sender struct {
	name    string
	next    int
	pending []string
	acked   map[string]bool
}

func (s *sender) send(url string, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		if s.pending == nil {
			s.pending = []string{fmt.Sprintf("%s-%d-a", s.name, s.next), fmt.Sprintf("%s-%d-b", s.name, s.next)}
			s.next++
		}
		if !s.post(url) {
			time.Sleep(2 * time.Millisecond)
		}
	}
}

func (s *sender) post(url string) bool {
	res, err := client.Post(url+"/.ctlive/events", "text/plain", strings.NewReader(batch(s.pending...)))
	if err != nil {
		return false
	}
	defer res.Body.Close()
	var answer struct {
		Results []struct{ ID, Verdict string }
	}
	if res.StatusCode != http.StatusOK || json.NewDecoder(res.Body).Decode(&answer) != nil {
		return false
	}
	for _, r := range answer.Results {
		if r.Verdict == "stored" || r.Verdict == "duplicate" {
			s.acked[r.ID] = true
		}
	}
	s.pending = nil
	return true
}

// batch is the body of a request with one ChatStarted per id.
func batch(ids ...string) string {
	now := time.Now().UnixMilli()
	var events []string
	for i, id := range ids {
		events = append(events, fmt.Sprintf(`{"id":%q,"seq":%d,"at":%d,"type":"ChatStarted","object":{"chatID":%q,"userID":"u"}}`, id, i+1, now, id))
	}
	return fmt.Sprintf(`{"v":1,"page":"p","session":"s","url":"https://a.test/","sent_at":%d,"events":[%s]}`, now, strings.Join(events, ","))
}
