package e2e

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
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

// recovery is how long a proxy may take to notice that its disk works again.
const recovery = 15 * time.Second

// TestFullDisk: while the disk is full no event is acknowledged that is not
// stored, pages flow, and the proxy goes on by itself when there is room (D3).
func TestFullDisk(t *testing.T) {
	t.Parallel()
	disk := mountTmpfs(t, "size=40m") // the log alone takes 16 MB before it is written back
	onlooker := newOnlooker(t)
	p := runProxy(t, storeYAML("127.0.0.1:0", onlooker.origin, disk))
	onlooker.start(p.url)
	ledger := newLedger(8)
	for _, s := range ledger.senders {
		s.pad = 2000
	}
	ledger.start(p.url)
	ledger.awaitMore(t, 20)
	fill(t, disk)
	awaitReadiness(t, p, http.StatusServiceUnavailable, recovery)
	time.Sleep(time.Second)
	full := len(ledger.acked())
	awaitReadiness(t, p, http.StatusServiceUnavailable, 0)
	empty(t, disk)
	awaitReadiness(t, p, http.StatusOK, recovery)
	ledger.awaitMore(t, 20)
	ledger.finish()
	onlooker.finish(t)
	t.Logf("%d acknowledged when the disk was full", full)
	ledger.compare(t, stored(t, disk))
}

// TestUnusableStore: the proxy starts and serves pages whatever is wrong with
// its data folder, and takes events as soon as nothing is.
func TestUnusableStore(t *testing.T) {
	t.Parallel()
	full := mountTmpfs(t, "size=1m")
	fill(t, full)
	readOnly := mountTmpfs(t, "ro")
	isFile := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(isFile, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		data string
		mend func(t *testing.T)
	}{
		"full disk":      {full, func(t *testing.T) { empty(t, full) }},
		"read-only disk": {readOnly, func(t *testing.T) { mount(t, "-o", "remount,rw", readOnly) }},
		"a file where the folder should be": {isFile, func(t *testing.T) {
			if err := os.Remove(isFile); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onlooker := newOnlooker(t)
			p := runProxy(t, storeYAML("127.0.0.1:0", onlooker.origin, tt.data))
			onlooker.start(p.url)
			for range 5 {
				mustRefuse(t, p.url)
			}
			awaitReadiness(t, p, http.StatusServiceUnavailable, 0)
			tt.mend(t)
			awaitReadiness(t, p, http.StatusOK, recovery)
			mustStore(t, p.url, "a", "b")
			onlooker.finish(t)
			if n := len(stored(t, tt.data)); n != 2 {
				t.Errorf("%d events are stored", n)
			}
		})
	}
}

// TestReadOnlyRemount: a file system that has an error turns read-only under the
// proxy; then the operator puts a good one in its place (D3).
func TestReadOnlyRemount(t *testing.T) {
	t.Parallel()
	disk := t.TempDir()
	mountExt4(t, disk)
	data := filepath.Join(disk, "data")
	onlooker := newOnlooker(t)
	p := runProxy(t, storeYAML("127.0.0.1:0", onlooker.origin, data))
	onlooker.start(p.url)
	ledger := newLedger(4)
	ledger.start(p.url)
	ledger.awaitMore(t, 20)
	mount(t, "-o", "remount,abort", disk)
	awaitReadiness(t, p, http.StatusServiceUnavailable, recovery)
	time.Sleep(time.Second)

	saved := t.TempDir()
	for _, name := range []string{"ctlive.db", "ctlive.db-wal"} {
		if from := filepath.Join(data, name); exists(from) {
			copyFile(t, filepath.Join(saved, name), from)
		}
	}
	if out, err := exec.Command("umount", "-l", disk).CombinedOutput(); err != nil {
		t.Fatalf("umount: %v %s", err, out)
	}
	fresh := t.TempDir()
	mountExt4(t, fresh)
	if err := os.Mkdir(filepath.Join(fresh, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ctlive.db", "ctlive.db-wal"} {
		if from := filepath.Join(saved, name); exists(from) {
			copyFile(t, filepath.Join(fresh, "data", name), from)
		}
	}
	mount(t, "--bind", fresh, disk)
	t.Cleanup(func() { exec.Command("umount", "-l", disk).Run() })
	awaitReadiness(t, p, http.StatusOK, recovery)
	ledger.awaitMore(t, 20)
	ledger.finish()
	onlooker.finish(t)
	ledger.compare(t, stored(t, data))
}

// TestFailingDisk: whatever system call fails, what was acknowledged is stored.
func TestFailingDisk(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ calls, fault string }{
		"writes fail":                   {"pwrite64", "error=EIO"},
		"syncs fail":                    {"fsync,fdatasync", "error=EIO"},
		"every third sync fails":        {"fsync,fdatasync", "error=EIO:when=1+3"},
		"the file system is read-only":  {"pwrite64,ftruncate", "error=EROFS"},
		"the quota is exhausted, often": {"pwrite64", "error=EDQUOT:when=5+7"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onlooker := newOnlooker(t)
			data := t.TempDir()
			p := runProxy(t, storeYAML("127.0.0.1:0", onlooker.origin, data))
			onlooker.start(p.url)
			ledger := newLedger(4)
			ledger.start(p.url)
			ledger.awaitMore(t, 20)
			release := tamper(t, p.cmd.Process.Pid, tt.calls, tt.fault)
			time.Sleep(3 * time.Second)
			release()
			awaitReadiness(t, p, http.StatusOK, recovery)
			ledger.awaitMore(t, 20)
			onlooker.finish(t)
			p.kill()
			ledger.finish()
			if !strings.Contains(p.log.String(), "event store: nothing written") {
				t.Errorf("the log does not tell of it:\n%s", errorsIn(p.log.String()))
			}
			ledger.compare(t, stored(t, data))
		})
	}
}

// TestSlowDisk: a disk that takes 500 ms for a sync makes events slow, and not
// many slower than few; pages are as fast as ever (D7).
func TestSlowDisk(t *testing.T) {
	t.Parallel()
	onlooker := newOnlooker(t)
	data := t.TempDir()
	p := runProxy(t, storeYAML("127.0.0.1:0", onlooker.origin, data))
	mustStore(t, p.url, "first")
	release := tamper(t, p.cmd.Process.Pid, "fsync,fdatasync", "delay_enter=500ms")
	onlooker.start(p.url)
	var all sync.WaitGroup
	var mu sync.Mutex
	var slowest time.Duration
	acked := map[string]bool{}
	for i := range 64 {
		all.Go(func() {
			for n := range 3 {
				id := fmt.Sprint("slow-", i, "-", n)
				begin := time.Now()
				a, err := deliver(p.url, batch(id))
				mu.Lock()
				slowest = max(slowest, time.Since(begin))
				switch {
				case err != nil || a.status != http.StatusOK && (a.status != http.StatusServiceUnavailable || a.retryAfter == ""):
					t.Errorf("%v, %v", a, err)
				case a.status == http.StatusOK:
					acked[id] = true
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	onlooker.finish(t)
	release()
	t.Logf("%d of 192 acknowledged, the slowest answer took %v", len(acked), slowest)
	if slowest > 6*time.Second {
		t.Errorf("an answer took %v", slowest)
	}
	p.kill()
	if n := countIDs(stored(t, data), "slow-"); n < len(acked) || len(acked) < 64 {
		t.Errorf("%d acknowledged, %d stored", len(acked), n)
	}
}

// TestStuckWriter: while another process holds the lock of the database, senders
// are told within a bound to come back, and the proxy goes on afterwards (D6).
func TestStuckWriter(t *testing.T) {
	t.Parallel()
	const bound = 6 * time.Second
	onlooker := newOnlooker(t)
	data := t.TempDir()
	p := runProxy(t, storeYAML("127.0.0.1:0", onlooker.origin, data))
	onlooker.start(p.url)
	mustStore(t, p.url, "first")
	_, release := holdSQL(t, filepath.Join(data, "ctlive.db"), `BEGIN IMMEDIATE`, `UPDATE quarantine_size SET rows = rows`)
	held := time.Now()
	var senders sync.WaitGroup
	for i := range 50 {
		senders.Go(func() {
			begin := time.Now()
			a, err := deliver(p.url, batch(fmt.Sprint("stuck-", i)))
			if took := time.Since(begin); err != nil || a.status != http.StatusServiceUnavailable || a.retryAfter == "" || took > bound {
				t.Errorf("after %v: %v, %v", took, a, err)
			}
		})
	}
	awaitReadiness(t, p, http.StatusServiceUnavailable, bound)
	senders.Wait()
	for time.Since(held) < 20*time.Second {
		mustRefuse(t, p.url)
		awaitReadiness(t, p, http.StatusServiceUnavailable, 0)
		time.Sleep(100 * time.Millisecond)
	}
	release()
	awaitReadiness(t, p, http.StatusOK, recovery)
	mustStore(t, p.url, "last")
	onlooker.finish(t)
	have := stored(t, data)
	if n := countIDs(have, ""); n != len(have) || countIDs(have, "first") != 1 || countIDs(have, "last") != 1 {
		t.Errorf("stored: %v", have)
	}
}

// TestTornLog: of a log that lost its end between two runs nothing is missing but
// the last commit (D4).
func TestTornLog(t *testing.T) {
	t.Parallel()
	killed := killAfterBatches(t, 60)
	for _, cut := range []int64{1, 7, 24, 512, 2048, 4095, 4096} {
		t.Run(fmt.Sprint(cut), func(t *testing.T) {
			data := killed.copy(t)
			wal := filepath.Join(data, "ctlive.db-wal")
			if err := os.Truncate(wal, killed.size-cut); err != nil {
				t.Fatal(err)
			}
			killed.restart(t, data, killed.batches-1)
		})
	}
	t.Run("no -shm", func(t *testing.T) {
		data := killed.copy(t)
		if exists(filepath.Join(data, "ctlive.db-shm")) {
			t.Fatal("it is there")
		}
		killed.restart(t, data, killed.batches)
	})
	t.Run("a -shm of noise", func(t *testing.T) {
		data := killed.copy(t)
		noise := make([]byte, 32<<10)
		for i := range noise {
			noise[i] = byte(rand.Uint32())
		}
		if err := os.WriteFile(filepath.Join(data, "ctlive.db-shm"), noise, 0o600); err != nil {
			t.Fatal(err)
		}
		killed.restart(t, data, killed.batches)
	})
}

// TestFlippedBitInLog: what was committed before the frame with a flipped bit is
// there; the checksums of a log run on, so that behind it nothing can be told
// from noise (SQLite file format, 4.1).
func TestFlippedBitInLog(t *testing.T) {
	t.Parallel()
	killed := killAfterBatches(t, 60)
	gone, told := 0, 0
	for range flips() {
		data := killed.copy(t)
		at := 32 + rand.Int64N(killed.size-32)
		flip(t, filepath.Join(data, "ctlive.db-wal"), at)
		before := 0
		for before < killed.batches && killed.sizes[before] <= at-(at-32)%(24+4096) {
			before++
		}
		have, log := killed.restart(t, data, before)
		gone += 2*killed.batches - have
		if strings.Contains(log, "event store") {
			told++
		}
	}
	t.Logf("%d flips hid %d of %d events behind them; the log told of %d", flips(), gone, flips()*2*killed.batches, told)
}

// TestFlippedBit: of a database with a flipped bit no more is lost than the page
// that the bit was on holds (D4). The first page is left out: it has the schema,
// without which SQLite reads no row; then the file is only set aside. Behind an
// interior page of a table more may be out of reach, which is logged.
func TestFlippedBit(t *testing.T) {
	t.Parallel()
	const most = 40 // events on a page, and more
	data := t.TempDir()
	p := startProxy(t, "http://127.0.0.1:9", data)
	var ids []string
	for i := range 40 {
		var some []string
		for k := range 25 {
			some = append(some, fmt.Sprintf("event-%d-%d", i, k))
		}
		mustStore(t, p.url, some...)
		ids = append(ids, some...)
	}
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	original, err := os.ReadFile(filepath.Join(data, "ctlive.db"))
	if err != nil {
		t.Fatal(err)
	}
	mended := 0
	for range flips() {
		data := t.TempDir()
		file := filepath.Join(data, "ctlive.db")
		if err := os.WriteFile(file, original, 0o600); err != nil {
			t.Fatal(err)
		}
		at := 4096 + rand.Int64N(int64(len(original))-4096)
		bit := flip(t, file, at)
		n, log := afterDamage(t, data)
		const interior = 5 // SQLite file format, 1.6
		if original[at/4096*4096] == interior {
			t.Logf("an interior page: %d of %d events are left", n, len(ids))
			n = len(ids)
		}
		if n < len(ids)-most {
			t.Errorf("bit %d of byte %d (page %d): %d of %d events are left\n%s", bit, at, at/4096+1, n, len(ids), errorsIn(log))
		}
		if strings.Contains(log, "mended") {
			mended++
		}
	}
	t.Logf("%d of %d were noticed and mended", mended, flips())
}

// TestForeignDatabase: a file that is no database is set aside, named in the
// log, and a new store begun.
func TestForeignDatabase(t *testing.T) {
	t.Parallel()
	noise := make([]byte, 64<<10)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	data := t.TempDir()
	if err := os.WriteFile(filepath.Join(data, "ctlive.db"), noise, 0o600); err != nil {
		t.Fatal(err)
	}
	onlooker := newOnlooker(t)
	p := runProxy(t, storeYAML("127.0.0.1:0", onlooker.origin, data))
	onlooker.start(p.url)
	awaitReadiness(t, p, http.StatusOK, recovery)
	mustStore(t, p.url, "a")
	onlooker.finish(t)
	aside, err := filepath.Glob(filepath.Join(data, "ctlive.db.corrupt-*Z"))
	if err != nil || len(aside) != 1 {
		t.Fatalf("set aside: %v, %v", aside, err)
	}
	if kept, err := os.ReadFile(aside[0]); err != nil || string(kept) != string(noise) {
		t.Errorf("what was set aside is changed, %v", err)
	}
	if !strings.Contains(p.log.String(), filepath.Base(aside[0])) {
		t.Errorf("the log does not name %s:\n%s", aside[0], p.log)
	}
}

// TestBrokenHeader: the events behind a header that is overwritten are kept.
func TestBrokenHeader(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	p := startProxy(t, "http://127.0.0.1:9", data)
	mustStore(t, p.url, "a", "b", "c")
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(data, "ctlive.db"), os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteAt([]byte(strings.Repeat("#", 100)), 0)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	if n, log := afterDamage(t, data); n != 3 {
		t.Errorf("%d of 3 events are left\n%s", n, log)
	}
}

// flips is how many bits are flipped, one at a time.
func flips() int {
	n, _ := strconv.Atoi(cmp.Or(os.Getenv("CTLIVE_KILLS"), "12"))
	return n
}

// flip flips a bit of the byte at offset.
func flip(t *testing.T, file string, offset int64) (bit int) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, offset); err != nil {
		t.Fatal(err)
	}
	bit = rand.IntN(8)
	b[0] ^= 1 << bit
	if _, err := f.WriteAt(b, offset); err != nil {
		t.Fatal(err)
	}
	return bit
}

// afterDamage has a proxy take over the folder and returns how many events it
// has then, and its log. Events must be taken.
func afterDamage(t *testing.T, data string) (events int, log string) {
	t.Helper()
	p := startProxy(t, "http://127.0.0.1:9", data)
	defer p.kill()
	time.Sleep(300 * time.Millisecond) // the look over the file
	awaitReadiness(t, p, http.StatusOK, recovery)
	a, err := deliver(p.url, batch("after"))
	if err != nil || a.status != http.StatusOK {
		t.Errorf("after damage events are answered %v, %v\n%s", a, err, errorsIn(p.log.String()))
	}
	r := ctlive(t, nil, "events", "--data", data, "--format", "ndjson")
	if r.code != 0 {
		t.Errorf("ctlive events: %s", r.stderr)
	}
	return strings.Count(r.stdout, "\n") - 1, p.log.String()
}

// killedStore is a data folder after a kill -9, its events in the log.
type killedStore struct {
	data    string
	batches int
	sizes   []int64 // of the log after each batch
	size    int64   // of the log in the end
}

// killAfterBatches sends batches of two events, one after the other, and kills
// the proxy.
func killAfterBatches(t *testing.T, n int) killedStore {
	t.Helper()
	k := killedStore{data: t.TempDir(), batches: n}
	p := startProxy(t, "http://127.0.0.1:9", k.data)
	for i := range n {
		mustStore(t, p.url, fmt.Sprintf("%d-a", i), fmt.Sprintf("%d-b", i))
		k.size = fileSize(t, filepath.Join(k.data, "ctlive.db-wal"))
		k.sizes = append(k.sizes, k.size)
	}
	p.kill()
	if size := fileSize(t, filepath.Join(k.data, "ctlive.db-wal")); size != k.size {
		t.Fatalf("the log grew from %d to %d bytes", k.size, size)
	}
	return k
}

func fileSize(t *testing.T, file string) int64 {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

func (k *killedStore) copy(t *testing.T) (data string) {
	t.Helper()
	data = t.TempDir()
	for _, name := range []string{"ctlive.db", "ctlive.db-wal"} {
		copyFile(t, filepath.Join(data, name), filepath.Join(k.data, name))
	}
	return data
}

// restart has a proxy take over the folder: it must have at least that many
// batches, from the first on, each of them whole, and take the others again.
// It returns how many events were there, and the log.
func (k *killedStore) restart(t *testing.T, data string, least int) (have int, log string) {
	t.Helper()
	p := startProxy(t, "http://127.0.0.1:9", data)
	defer p.kill()
	have = len(stored(t, data))
	log = p.log.String()
	if have < 2*least || have%2 != 0 {
		t.Errorf("%d events are there, want at least %d\n%s", have, 2*least, errorsIn(log))
	}
	for i := range k.batches {
		want := "stored"
		if i < have/2 {
			want = "duplicate"
		}
		a, err := deliver(p.url, batch(fmt.Sprintf("%d-a", i), fmt.Sprintf("%d-b", i)))
		if err != nil || len(a.Results) != 2 || a.Results[0].Verdict != want || a.Results[1].Verdict != want {
			t.Fatalf("batch %d again: %v, %v; want %s", i, a, err, want)
		}
	}
	return have, log
}

// mustRefuse sends an event that the proxy cannot store.
func mustRefuse(t *testing.T, url string) {
	t.Helper()
	begin := time.Now()
	a, err := deliver(url, batch(fmt.Sprint("refused-", rand.Uint64())))
	if took := time.Since(begin); err != nil || a.status != http.StatusServiceUnavailable || a.retryAfter == "" || took > time.Second {
		t.Errorf("after %v: %v, %v; want 503 at once", took, a, err)
	}
}

// awaitReadiness waits until /readyz answers with status.
func awaitReadiness(t *testing.T, p *proxy, status int, within time.Duration) {
	t.Helper()
	var got string
	for end := time.Now().Add(within); ; time.Sleep(20 * time.Millisecond) {
		res, err := client.Get(p.admin + "/readyz")
		if err == nil {
			text, _ := io.ReadAll(res.Body)
			res.Body.Close()
			if res.StatusCode == status {
				return
			}
			got = fmt.Sprint(res.StatusCode, " ", string(text))
		} else {
			got = err.Error()
		}
		if !time.Now().Before(end) {
			t.Errorf("/readyz is %s after %v, want %d\n%s", got, within, status, errorsIn(p.log.String()))
			return
		}
	}
}

// errorsIn returns the lines of a log that are warnings or worse.
func errorsIn(log string) (found string) {
	for line := range strings.Lines(log) {
		if !strings.Contains(line, `"INFO"`) {
			found += line
		}
	}
	return found
}

// onlooker asks for a page again and again.
type onlooker struct {
	origin  string
	stop    chan struct{}
	ended   chan struct{}
	pages   int
	slowest time.Duration
	wrong   string // what the first bad page was
}

func newOnlooker(t *testing.T) *onlooker {
	t.Helper()
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, "<!doctype html><head><title>x</title></head><p>page")
	}))
	t.Cleanup(origin.Close)
	return &onlooker{origin: origin.URL, stop: make(chan struct{}), ended: make(chan struct{})}
}

func (v *onlooker) start(url string) {
	go func() {
		defer close(v.ended)
		for {
			v.visit(url)
			select {
			case <-v.stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
}

func (v *onlooker) visit(url string) {
	r, _ := http.NewRequest(http.MethodGet, url+"/", nil)
	r.Header.Set("Sec-Fetch-Dest", "document")
	begin := time.Now()
	res, err := client.Do(r)
	if err != nil {
		v.wrong = cmp.Or(v.wrong, err.Error())
		return
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	v.slowest = max(v.slowest, time.Since(begin))
	v.pages++
	if err != nil || res.StatusCode != http.StatusOK || !strings.Contains(string(text), "data-ctlive") || !strings.HasSuffix(string(text), "<p>page") {
		v.wrong = cmp.Or(v.wrong, fmt.Sprintf("%d %s %v", res.StatusCode, text, err))
	}
}

// finish tells whether all pages came, whole and in time.
func (v *onlooker) finish(t *testing.T) {
	t.Helper()
	time.Sleep(200 * time.Millisecond) // a page or two, however short the test
	close(v.stop)
	<-v.ended
	if t.Logf("%d pages, the slowest took %v", v.pages, v.slowest); v.wrong != "" || v.pages == 0 || v.slowest > time.Second {
		t.Errorf("%d pages, the slowest took %v, a wrong one is %q", v.pages, v.slowest, v.wrong)
	}
}

// fill takes all the room that is left on disk.
func fill(t *testing.T, disk string) {
	t.Helper()
	f, err := os.Create(filepath.Join(disk, "filling"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 64 << 10; size > 0; size /= 2 {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}

func empty(t *testing.T, disk string) {
	t.Helper()
	if err := os.Remove(filepath.Join(disk, "filling")); err != nil {
		t.Fatal(err)
	}
}

// mountTmpfs mounts a file system in memory on a folder of its own, or skips the
// test.
func mountTmpfs(t *testing.T, options string) (dir string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("SKIP: mounting a file system needs root")
	}
	dir = t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", options, "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("SKIP: a tmpfs cannot be mounted: %v: %s", err, out)
	}
	t.Cleanup(func() { exec.Command("umount", "-l", dir).Run() })
	return dir
}

// mountExt4 mounts a new ext4 in a file on dir, or skips the test.
func mountExt4(t *testing.T, dir string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("SKIP: mounting a file system needs root")
	}
	image := filepath.Join(t.TempDir(), "image")
	err := os.WriteFile(image, nil, 0o600)
	if err == nil {
		err = os.Truncate(image, 16<<20)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"mkfs.ext4 -q -F " + image, "mount -o loop " + image + " " + dir} {
		if out, err := exec.Command("sh", "-c", "PATH=$PATH:/sbin:/usr/sbin "+command).CombinedOutput(); err != nil {
			t.Skipf("SKIP: %s: %v: %s", command, err, out)
		}
	}
	t.Cleanup(func() { exec.Command("umount", "-l", dir).Run() })
}

func mount(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("mount", args...).CombinedOutput(); err != nil {
		t.Fatalf("mount %v: %v: %s", args, err, out)
	}
}

// tamper has the system calls of a process fail or take their time, until
// release. It skips the test where there is no strace or it may not.
func tamper(t *testing.T, pid int, calls, fault string) (release func()) {
	t.Helper()
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("SKIP: making system calls fail needs strace")
	}
	c := exec.Command("strace", "-f", "-o", os.DevNull, "-e", "trace="+calls, "-e", "inject="+calls+":"+fault, "-p", strconv.Itoa(pid))
	stderr, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	release = sync.OnceFunc(func() {
		c.Process.Signal(os.Interrupt) // it lets go of the process
		c.Wait()
	})
	t.Cleanup(release)
	line, err := bufio.NewReader(stderr).ReadString('\n')
	if err != nil || !strings.Contains(line, "attached") {
		t.Skipf("SKIP: strace cannot attach: %s %v", line, err)
	}
	go io.Copy(io.Discard, stderr)
	return release
}
