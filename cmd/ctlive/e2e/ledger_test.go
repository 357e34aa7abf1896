package e2e

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestKillLedger kills the proxy at random moments under load and compares what
// it acknowledged with what it stored (D1, D2): every acknowledged event is
// there, and no event is there twice, though senders that got no answer sent it
// again. The moments are chosen so that they hit commits, checkpoints, the
// migration of an older store and the deletion of old events.
func TestKillLedger(t *testing.T) {
	rounds, err := strconv.Atoi(cmp.Or(os.Getenv("CTLIVE_KILLS"), "50"))
	if err != nil {
		t.Fatal(err)
	}
	for name, kill := range map[string]func(t *testing.T, rounds int){
		"commit":     func(t *testing.T, n int) { killUnderLoad(t, n*2/5, 0) },
		"checkpoint": func(t *testing.T, n int) { killUnderLoad(t, n/5, 8<<10) },
		"migration":  func(t *testing.T, n int) { killMigrations(t, n/5) },
		"retention":  func(t *testing.T, n int) { killRetention(t, n/5) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kill(t, rounds)
		})
	}
}

// killsPerStore is after how many kills a store is compared and a new one begun.
const killsPerStore = 10

// killUnderLoad kills a proxy on its way up and under load. Events are up to pad
// bytes longer than they must be: long ones fill the log, which is written back
// with each start and after every 16 MB.
func killUnderLoad(t *testing.T, rounds, pad int) {
	for done := 0; done < rounds; done += killsPerStore {
		data, addr := t.TempDir(), freeAddr(t)
		config := writeConfig(t, storeYAML(addr, "http://127.0.0.1:9", data))
		ledger := newLedger(16)
		for _, s := range ledger.senders {
			s.pad = pad
		}
		ledger.start("http://" + addr)
		for range min(killsPerStore, rounds-done) {
			doom(t, config, 20*time.Millisecond+rand.N(300*time.Millisecond))
		}
		ledger.finish()
		ledger.compare(t, stored(t, data))
		os.RemoveAll(data)
	}
}

// killMigrations kills the proxy while it brings a store of version 1 up to
// date, twice each; the third start must find a store that it can go on with.
func killMigrations(t *testing.T, rounds int) {
	const old = 20_000
	template := filepath.Join(t.TempDir(), "ctlive.db")
	makeVersion1(t, template, old)
	took := migrationTime(t, template)
	left := map[string]int{}
	for range (rounds + 1) / 2 {
		data, addr := t.TempDir(), freeAddr(t)
		copyFile(t, filepath.Join(data, "ctlive.db"), template)
		config := writeConfig(t, storeYAML(addr, "http://127.0.0.1:9", data))
		ledger := newLedger(4)
		ledger.start("http://" + addr)
		for range 2 {
			doom(t, config, rand.N(took))
			left["version "+inspect(t, data, `SELECT max(version) FROM schema_version`)]++
		}
		p := runProxy(t, storeYAML(addr, "http://127.0.0.1:9", data))
		ledger.awaitMore(t, 100)
		p.kill()
		ledger.finish()
		events := stored(t, data)
		ledger.compare(t, events)
		if n := countIDs(events, "old-"); n != old {
			t.Errorf("of %d events from before the migration %d are there", old, n)
		}
		os.RemoveAll(data)
	}
	t.Logf("kills within %v left %v", took, left)
}

// migrationTime returns how long a start on the store in file takes.
func migrationTime(t *testing.T, file string) time.Duration {
	t.Helper()
	data := t.TempDir()
	copyFile(t, filepath.Join(data, "ctlive.db"), file)
	begin := time.Now()
	p := startProxy(t, "http://127.0.0.1:9", data)
	took := time.Since(begin)
	p.kill()
	return took
}

// killRetention kills the proxy while it deletes old events, which it begins a
// second after its start.
func killRetention(t *testing.T, rounds int) {
	const old, young = 20_000, 1000
	template := t.TempDir()
	p := startProxy(t, "http://127.0.0.1:9", template)
	mustStore(t, p.url, "first")
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	addEvents(t, template, "old-", old, 48*time.Hour)
	addEvents(t, template, "young-", young, time.Hour)

	for done := 0; done < rounds; done += killsPerStore {
		data, addr := t.TempDir(), freeAddr(t)
		copyFile(t, filepath.Join(data, "ctlive.db"), filepath.Join(template, "ctlive.db"))
		yaml := storeYAML(addr, "http://127.0.0.1:9", data, "retention: 1d")
		config := writeConfig(t, yaml)
		ledger := newLedger(4)
		for _, s := range ledger.senders {
			s.pause = 50 * time.Millisecond
		}
		ledger.start("http://" + addr)
		var left []string
		for range min(killsPerStore, rounds-done) {
			doom(t, config, 1050*time.Millisecond+rand.N(300*time.Millisecond))
			left = append(left, inspect(t, data, countOld))
		}
		t.Logf("of %d old events kills left %v", old, left)
		p := runProxy(t, yaml)
		awaitRetention(t, data, 30*time.Second)
		p.kill()
		ledger.finish()
		events := stored(t, data)
		ledger.compare(t, events)
		if n := countIDs(events, "young-"); n != young {
			t.Errorf("of %d events that are to be kept %d are there", young, n)
		}
		os.RemoveAll(data)
	}
}

// doom runs the proxy and kills it after d, whatever it is doing then.
func doom(t *testing.T, config string, d time.Duration) {
	t.Helper()
	var log bytes.Buffer
	c := exec.Command(binary, "run", "--config", config)
	c.Stderr = &log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(d)
	c.Process.Kill()
	c.Wait()
	if !c.ProcessState.Sys().(syscall.WaitStatus).Signaled() {
		t.Errorf("the proxy ended by itself:\n%s", &log)
	}
	if log := log.String(); strings.Contains(log, `"ERROR"`) || strings.Contains(log, "mended") {
		t.Errorf("after a kill the proxy is not content:\n%s", log)
	}
}

// ledger is what senders were told is stored.
type ledger struct {
	senders []*sender
	stop    chan struct{}
	running sync.WaitGroup
}

func newLedger(senders int) *ledger {
	l := &ledger{stop: make(chan struct{})}
	for i := range senders {
		l.senders = append(l.senders, &sender{name: fmt.Sprint("s", i), acked: map[string]bool{}})
	}
	return l
}

// start has all send to the proxy at url, which need not be there yet, until
// finish.
func (l *ledger) start(url string) {
	for _, s := range l.senders {
		l.running.Go(func() { s.send(url, l.stop) })
	}
}

func (l *ledger) finish() {
	close(l.stop)
	l.running.Wait()
}

// acked returns the ids that were acknowledged so far.
func (l *ledger) acked() map[string]bool {
	all := map[string]bool{}
	for _, s := range l.senders {
		s.mu.Lock()
		for id := range s.acked {
			all[id] = true
		}
		s.mu.Unlock()
	}
	return all
}

// awaitMore waits until n more events are acknowledged.
func (l *ledger) awaitMore(t *testing.T, n int) {
	t.Helper()
	before := len(l.acked())
	eventually(t, 20*time.Second, fmt.Sprintf("%d more events are acknowledged", n), func() bool { return len(l.acked()) >= before+n })
}

// compare tells what is lost, what is there twice, and what was answered that is
// neither "stored" nor "send it again".
func (l *ledger) compare(t *testing.T, events []event) {
	t.Helper()
	acked := l.acked()
	have := map[string]int{}
	for _, e := range events {
		have[e.ID]++
	}
	lost, twice, refused := 0, 0, 0
	for id := range acked {
		if have[id] == 0 {
			lost++
		}
	}
	for _, n := range have {
		if n > 1 {
			twice++
		}
	}
	for _, s := range l.senders {
		refused += s.refused
		if s.odd != "" {
			t.Errorf("an answer to events is %s", s.odd)
		}
	}
	t.Logf("acknowledged %d, told to come back %d times, stored %d", len(acked), refused, len(events))
	if lost > 0 || twice > 0 || len(acked) < 10 {
		t.Errorf("of %d acknowledged events %d are lost; %d are stored twice", len(acked), lost, twice)
	}
}

// sender sends batches of two events, and a batch that got no answer again.
type sender struct {
	name    string
	pad     int           // bytes, at most, that an event is longer than it must be
	pause   time.Duration // between two batches
	next    int
	pending []string
	refused int    // batches that were to come back later
	odd     string // the first answer that should not be

	mu    sync.Mutex
	acked map[string]bool
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
		time.Sleep(s.pause)
	}
}

func (s *sender) post(url string) bool {
	pad := 0
	if s.pad > 0 {
		pad = rand.IntN(s.pad)
	}
	a, err := deliver(url, padded(pad, s.pending...))
	switch {
	case err != nil: // the proxy is gone
		return false
	case a.status == http.StatusServiceUnavailable && a.retryAfter != "":
		s.refused++
		return false
	case a.status != http.StatusOK:
		s.odd = cmp.Or(s.odd, fmt.Sprintf("%d, Retry-After %q", a.status, a.retryAfter))
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range a.Results {
		if r.Verdict == "stored" || r.Verdict == "duplicate" {
			s.acked[r.ID] = true
		}
	}
	s.pending = nil
	return true
}

// answer is what the collector says to a batch.
type answer struct {
	status     int
	retryAfter string
	Results    []struct{ ID, Verdict, Reason string }
	Reason     string // of a refusal
}

// deliver posts events to the proxy at url. An error is a broken connection.
func deliver(url, body string, header ...string) (answer, error) {
	r, err := http.NewRequest(http.MethodPost, url+"/.ctlive/events", strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	r.Header.Set("Content-Type", "text/plain")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	a := answer{status: res.StatusCode, retryAfter: res.Header.Get("Retry-After")}
	text, err := io.ReadAll(res.Body)
	if err == nil {
		err = json.Unmarshal(text, &a)
	}
	return a, err
}

// mustStore sends one event per id, which the proxy has not seen before.
func mustStore(t *testing.T, url string, ids ...string) {
	t.Helper()
	a, err := deliver(url, batch(ids...))
	if err != nil || a.status != http.StatusOK || len(a.Results) != len(ids) {
		t.Fatalf("events are answered %v, %v", a, err)
	}
	for _, r := range a.Results {
		if r.Verdict != "stored" {
			t.Fatalf("%s is %s", r.ID, r.Verdict)
		}
	}
}

// batch is the body of a request with one ChatStarted per id.
func batch(ids ...string) string { return padded(0, ids...) }

// padded is a batch of events that are so many bytes longer.
func padded(pad int, ids ...string) string {
	now := time.Now().UnixMilli()
	filling := ""
	if pad > 0 {
		filling = fmt.Sprintf(`,"pad":"%s"`, strings.Repeat("x", pad))
	}
	var events []string
	for i, id := range ids {
		events = append(events, fmt.Sprintf(`{"id":%q,"seq":%d,"at":%d,"type":"ChatStarted","object":{"chatID":%q,"userID":"u"%s}}`, id, i+1, now, id, filling))
	}
	return fmt.Sprintf(`{"v":1,"page":"p","session":"s","url":"https://a.test/","sent_at":%d,"events":[%s]}`, now, strings.Join(events, ","))
}

// countIDs returns how many different ids of events begin with prefix.
func countIDs(events []event, prefix string) int {
	ids := map[string]bool{}
	for _, e := range events {
		if strings.HasPrefix(e.ID, prefix) {
			ids[e.ID] = true
		}
	}
	return len(ids)
}
