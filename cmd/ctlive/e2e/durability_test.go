package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestCleanStop: a stop at full rate loses nothing that was acknowledged, ends
// in time and leaves a store without a log (D13).
func TestCleanStop(t *testing.T) {
	t.Parallel()
	const grace = 10 * time.Second
	data := t.TempDir()
	for range 3 {
		p := startProxy(t, "http://127.0.0.1:9", data)
		ledger := newLedger(64)
		for _, s := range ledger.senders {
			s.name += fmt.Sprint("-", time.Now().UnixNano())
		}
		ledger.start(p.url)
		ledger.awaitMore(t, 500)
		begin := time.Now()
		err := p.stop()
		if took := time.Since(begin); err != nil || took > grace {
			t.Errorf("the proxy ends after %v with %v:\n%s", took, err, p.log)
		}
		if _, err := os.Stat(filepath.Join(data, "ctlive.db-wal")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the log is still there: %v", err)
		}
		ledger.finish()
		ledger.compare(t, stored(t, data))
	}
}

// TestDuplicateHorizon: an id that comes again is a duplicate as long as the
// event is kept, over restarts too (D8).
func TestDuplicateHorizon(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	p := startProxy(t, "http://127.0.0.1:9", data)
	mustStore(t, p.url, "now")
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	ages := map[string]time.Duration{"3m": 3 * time.Minute, "2h": 2 * time.Hour, "40d": 40 * 24 * time.Hour, "390d": 390 * 24 * time.Hour}
	for name, age := range ages {
		addEvents(t, data, name+"-", 1, age)
	}
	p = startProxy(t, "http://127.0.0.1:9", data)
	time.Sleep(1500 * time.Millisecond) // the first look for what is too old
	for _, id := range []string{"now", "3m-1", "2h-1", "40d-1", "390d-1"} {
		a, err := deliver(p.url, batch(id))
		if err != nil || len(a.Results) != 1 || a.Results[0].Verdict != "duplicate" {
			t.Errorf("%s again: %v, %v", id, a, err)
		}
	}
	if events := stored(t, data); len(events) != 1+len(ages) {
		t.Errorf("%d events are stored, want %d", len(events), 1+len(ages))
	}
}

// TestRetentionUnderLoad: old events go although new ones come without a pause.
func TestRetentionUnderLoad(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	p := startProxy(t, "http://127.0.0.1:9", data)
	mustStore(t, p.url, "first")
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	addEvents(t, data, "old-", 5000, 48*time.Hour)
	p = runProxy(t, storeYAML("127.0.0.1:0", "http://127.0.0.1:9", data, "retention: 1d"))
	ledger := newLedger(16)
	ledger.start(p.url)
	awaitRetention(t, data, 15*time.Second)
	p.kill()
	ledger.finish()
	acked, have := len(ledger.acked()), inspect(t, data, `SELECT count(*) FROM events WHERE id LIKE 's%'`)
	if n, err := strconv.Atoi(have); err != nil || n < acked {
		t.Errorf("%d events are acknowledged, %s stored", acked, have)
	}
}

// countOld counts the events that addEvents added as "old-".
const countOld = `SELECT count(*) FROM events WHERE id LIKE 'old-%'`

// awaitRetention waits until the store in data, which a proxy has open, has none
// of the old events.
func awaitRetention(t *testing.T, data string, within time.Duration) {
	t.Helper()
	left, begin := "", time.Now()
	for ; time.Since(begin) < within; time.Sleep(200 * time.Millisecond) {
		if left = runSQL(t, filepath.Join(data, "ctlive.db"), countOld)[0]; left == "0" {
			t.Logf("the old events are deleted after %v", time.Since(begin))
			return
		}
	}
	t.Errorf("after %v %s old events are left", within, left)
}

// TestListUnderLoad: a list of the events ends, although new ones come without a
// pause.
func TestListUnderLoad(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	p := startProxy(t, "http://127.0.0.1:9", data)
	ledger := newLedger(32)
	ledger.start(p.url)
	ledger.awaitMore(t, 2000)
	begin, before := time.Now(), len(ledger.acked())
	listed := len(stored(t, data))
	took, after := time.Since(begin), len(ledger.acked())
	ledger.finish()
	t.Logf("%d of %d to %d events were listed in %v", listed, before, after, took)
	if listed < before || took > 10*time.Second {
		t.Errorf("%d of %d to %d events were listed in %v", listed, before, after, took)
	}
}

// TestBackup: a copy that is made under load has all that was acknowledged when
// it was begun, nothing twice, and is a store.
func TestBackup(t *testing.T) {
	t.Parallel()
	data, copied := t.TempDir(), t.TempDir()
	p := startProxy(t, "http://127.0.0.1:9", data)
	ledger := newLedger(16)
	ledger.start(p.url)
	ledger.awaitMore(t, 1000)
	before := ledger.acked()
	file := filepath.Join(copied, "ctlive.db")
	if r := ctlive(t, nil, "backup", "--data", data, file); r.code != 0 {
		t.Fatalf("backup: %d %s", r.code, r.stderr)
	}
	ledger.awaitMore(t, 100)
	ledger.finish()

	if r := ctlive(t, nil, "backup", "--data", data, file); r.code != 1 {
		t.Errorf("a backup over an older one: %d %s", r.code, r.stderr)
	}
	if left, err := os.ReadDir(copied); err != nil || len(left) != 1 {
		t.Errorf("beside the copy there is something: %v, %v", left, err)
	}
	events := stored(t, copied)
	if n := countIDs(events, ""); n != len(events) {
		t.Errorf("%d events have %d ids", len(events), n)
	}
	have := map[string]bool{}
	for _, e := range events {
		have[e.ID] = true
	}
	for id := range before {
		if !have[id] {
			t.Fatalf("%s was acknowledged before the backup and is not in it", id)
		}
	}
	t.Logf("%d acknowledged before, %d in the copy, %d in the end", len(before), len(events), len(stored(t, data)))
	again := startProxy(t, "http://127.0.0.1:9", copied)
	a, err := deliver(again.url, batch(events[0].ID, "new"))
	if err != nil || len(a.Results) != 2 || a.Results[0].Verdict != "duplicate" || a.Results[1].Verdict != "stored" {
		t.Errorf("the copy as a store: %v, %v", a, err)
	}
}

// storeYAML is the configuration of a proxy at addr with further lines in its
// section collector.
func storeYAML(addr, to, data string, collector ...string) string {
	return "listen: {http: \"" + addr + "\"}\nadmin: {listen: \"127.0.0.1:0\"}\ndata: " + data +
		"\nlog: {format: json, access: true}\nsites:\n  - hosts: [\"*\"]\n    to: [\"" + to + "\"]\n" +
		"collector:\n  rate: {per_client: 1000000/s, burst: 1000000}\n" + lines("  ", collector...)
}

func lines(indent string, all ...string) (text string) {
	for _, line := range all {
		text += indent + line + "\n"
	}
	return text
}

func writeConfig(t *testing.T, yaml string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ctlive.yaml")
	if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// sqlProgram is testdata/sql, built once beside the program under test.
var sqlProgram = sync.OnceValues(func() (string, error) {
	program := filepath.Join(filepath.Dir(binary), "sql")
	build := exec.Command("go", "build", "-o", program, "cmd/ctlive/e2e/testdata/sql/main.go")
	build.Dir = "../../.."
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build testdata/sql: %w\n%s", err, out)
	}
	return program, nil
})

// runSQL runs statements on a database and returns the rows of the first column.
func runSQL(t *testing.T, file string, statements ...string) []string {
	t.Helper()
	rows, release := holdSQL(t, file, statements...)
	release()
	return rows
}

// holdSQL is runSQL, but what the statements have locked stays so until release.
func holdSQL(t *testing.T, file string, statements ...string) (rows []string, release func()) {
	t.Helper()
	program, err := sqlProgram()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(program, append([]string{file}, statements...)...)
	var stderr lockedBuffer
	c.Stderr = &stderr
	stdin, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	release = sync.OnceFunc(func() {
		stdin.Close()
		io.Copy(io.Discard, stdout)
		c.Wait()
	})
	t.Cleanup(release)
	out := bufio.NewScanner(stdout)
	for out.Scan() {
		if out.Text() == "done" {
			return rows, release
		}
		rows = append(rows, out.Text())
	}
	t.Fatalf("sql %s: %s", file, &stderr)
	return nil, nil
}

// makeVersion1 makes a store as the first version of ctlive left it, with n
// events of a site with the host "*".
func makeVersion1(t *testing.T, file string, n int) {
	t.Helper()
	schema, err := os.ReadFile("../../../collector/testdata/version1.sql")
	if err != nil {
		t.Fatal(err)
	}
	runSQL(t, file, `PRAGMA journal_mode = WAL`, string(schema),
		`INSERT INTO sites (id, name) VALUES (2, '*')`,
		`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
			INSERT INTO views (id, digest, site, page, session, url, referrer, title, lang, client)
			SELECT 100 + i, randomblob(16), 2, 'page-' || i, 's', 'https://a.test/' || i, '', '', 'it', '' FROM n`,
		fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
			INSERT INTO events (site, id, view, type, seq, at, received, chat_id, user_id, flags, object)
			SELECT 2, 'old-' || i, 101 + i %% 3000, 'ChatStarted', i, %[2]d, %[2]d, 'c' || i, 'u', 0, '{"chatID":"c' || i || '","userID":"u"}' FROM n`,
			n, time.Now().UnixMilli()))
}

// inspect returns what a query finds in the store in data, and leaves it as it is:
// opening it would finish what a killed process has begun.
func inspect(t *testing.T, data, query string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ctlive.db")
	copyFile(t, file, filepath.Join(data, "ctlive.db"))
	if wal := filepath.Join(data, "ctlive.db-wal"); exists(wal) {
		copyFile(t, file+"-wal", wal)
	}
	return strings.Join(runSQL(t, file, query), "")
}

// addEvents adds events called prefix1, prefix2 … that were received age ago to
// the store in data, which has an event and no proxy.
func addEvents(t *testing.T, data, prefix string, n int, age time.Duration) {
	t.Helper()
	runSQL(t, filepath.Join(data, "ctlive.db"), fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
		INSERT INTO events (site, id, view, type, seq, at, received, chat_id, user_id, flags, object)
		SELECT (SELECT id FROM sites WHERE name = '*'), '%s' || i, (SELECT min(id) FROM views), 'ChatStarted', i, %[3]d, %[3]d, 'c' || i, 'u', 0, '{}' FROM n`,
		n, prefix, time.Now().Add(-age).UnixMilli()))
}

func copyFile(t *testing.T, to, from string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(out, in)
	if err := errors.Join(err, out.Close()); err != nil {
		t.Fatal(err)
	}
}

// eventually waits until something is so, and fails the test if that takes
// longer than within.
func eventually(t *testing.T, within time.Duration, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(within); !so(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Errorf("not within %v: %s", within, what)
			return
		}
	}
}
