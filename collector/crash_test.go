package collector

import (
	"bufio"
	"cmp"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// crashDir names, to the child that is to be killed, its data folder.
const crashDir = "CTLIVE_TEST_CRASH_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		serveUntilKilled(dir)
	}
	os.Exit(m.Run())
}

// serveUntilKilled is the child: it prints its address and serves the endpoint.
func serveUntilKilled(dir string) {
	s, err := Open(dir, slog.Default())
	if err != nil {
		panic(err)
	}
	if os.Getenv("CTLIVE_TEST_KEEP") != "0" {
		s.Keep(time.Hour)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Addr())
	panic(http.Serve(l, New(s, Options{Rate: math.Inf(1)}).Handler(testSite)))
}

// TestD1Kill9Ledger kills the collector at random moments. What was acknowledged is in the store
// afterwards, once, although senders repeat whatever was not.
func TestD1Kill9Ledger(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir)
	s.Keep(0)
	for i := range 20 { // old events: each start finds some to delete
		j := job{input: input{site: testSite.Name, received: 1}, view: &view{page: fmt.Sprint(i)}}
		for k := range 1000 {
			j.events = append(j.events, event{id: fmt.Sprintf("old-%d-%d", i, k), typ: "Loaded", object: []byte(`{}`)})
		}
		if err := s.do(t.Context(), &j); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	var ledger ledger
	for round := range rounds(t) {
		child, url := startChild(t, dir)
		var senders sync.WaitGroup
		for sender := range 8 {
			senders.Go(func() { ledger.send(url, fmt.Sprintf("%d-%d", round, sender)) })
		}
		time.Sleep(time.Duration(rand.IntN(200)) * time.Millisecond)
		child.Process.Kill()
		child.Wait()
		senders.Wait()
	}
	s = openStore(t, dir)
	t.Logf("%d acknowledged, %d in doubt", len(ledger.acked), len(ledger.doubtful))
	if len(ledger.acked) == 0 {
		t.Fatal("nothing was acknowledged")
	}
	checkLedger(t, s, ledger.acked)
	// Those in doubt are sent again, as a listener would.
	h := New(s, Options{Rate: math.Inf(1)}).Handler(testSite)
	for _, id := range ledger.doubtful {
		if a := sendText(t, h, batchOf(loaded(id))); a.code != 200 {
			t.Errorf("again %s: %d", id, a.code)
		}
	}
	checkLedger(t, s, append(ledger.acked, ledger.doubtful...))
}

// rounds returns how often to kill the collector: 10 times, or as CTLIVE_KILLS says.
func rounds(t *testing.T) int {
	n, err := strconv.Atoi(cmp.Or(os.Getenv("CTLIVE_KILLS"), "10"))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func startChild(t *testing.T, dir string) (child *exec.Cmd, url string) {
	t.Helper()
	child = exec.Command(os.Args[0])
	child.Env = append(os.Environ(), crashDir+"="+dir)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return child, "http://" + strings.TrimSpace(line)
}

// ledger is what the senders know.
type ledger struct {
	mu              sync.Mutex
	acked, doubtful []string
}

// send posts events, one at a time, until the collector is gone.
func (l *ledger) send(url, prefix string) {
	for n := 0; ; n++ {
		id := fmt.Sprintf("%s-%d", prefix, n)
		res, err := http.Post(url, "text/plain", strings.NewReader(batchOf(loaded(id))))
		if err == nil {
			res.Body.Close()
		}
		l.mu.Lock()
		if err == nil && res.StatusCode == http.StatusOK {
			l.acked = append(l.acked, id)
		} else {
			l.doubtful = append(l.doubtful, id)
		}
		l.mu.Unlock()
		if err != nil {
			return
		}
	}
}
