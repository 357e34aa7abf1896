package forward

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"ctlive/collector"
)

// crashDir names, to the child that is to be killed, its data folder.
const crashDir = "CTLIVE_TEST_FORWARD_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		forwardUntilKilled(dir)
	}
	os.Exit(m.Run())
}

// journal is an engine that keeps what it is given in a file.
type journal struct{ path string }

func (j journal) Send(_ context.Context, events []collector.Record) error {
	var text strings.Builder
	for _, e := range events {
		fmt.Fprintln(&text, e.ID)
	}
	f, err := os.OpenFile(j.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	if _, err := f.WriteString(text.String()); err != nil {
		return err
	}
	time.Sleep(rand.N(100 * time.Millisecond)) // the answer is on its way: a kill finds us here
	return f.Close()
}

func (j journal) Erase(context.Context, []collector.Erasure) error { return nil }
func (j journal) Close() error                                     { return nil }

// forwardUntilKilled is the child: it stores events and forwards them to a journal.
func forwardUntilKilled(dir string) {
	store, err := collector.Open(dir, slog.Default())
	if err != nil {
		panic(err)
	}
	f, err := New(Options{Dir: dir, Store: store, Sinks: map[string]Sink{"journal": journal{filepath.Join(dir, "journal")}}, Logger: slog.Default()})
	if err != nil {
		panic(err)
	}
	f.Start(context.Background())
	fmt.Println("up")
	in, t := takes(store, nil), &testing.T{}
	for i := 0; ; i++ {
		in.put(t, fmt.Sprintf("%d-%d-a", os.Getpid(), i), fmt.Sprintf("%d-%d-b", os.Getpid(), i))
		if i%64 == 0 {
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// TestD2Kill9 kills the process at random moments, those between a Send and the cursor among them. The
// sink has every event that was stored, the first time in their order.
func TestD2Kill9(t *testing.T) {
	t.Parallel()
	kills, err := strconv.Atoi(cmp.Or(os.Getenv("CTLIVE_KILLS"), "10"))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, dir: t.TempDir()}
	for range kills {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), crashDir+"="+w.dir)
		child.Stderr = os.Stderr
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "up\n" {
			t.Errorf("%q, %v", line, err)
		}
		time.Sleep(time.Duration(rand.IntN(400)) * time.Millisecond)
		child.Process.Kill()
		child.Wait()
	}
	w.open()
	defer w.store.Close()
	path := filepath.Join(w.dir, "journal")
	f := w.forward(map[string]Sink{"journal": journal{path}})
	await(t, "the rest", drained(f))
	f.Close()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Fields(string(text))
	var want []string
	for row := int64(0); ; {
		page, err := w.store.After(t.Context(), row, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, e := range page {
			row, want = e.Row, append(want, e.ID)
		}
	}
	first := once(got)
	t.Logf("%d kills, %d events stored, %d sent again", kills, len(want), len(got)-len(first))
	if !slices.Equal(first, want) || len(want) == 0 {
		t.Errorf("the sink has %d events, the store %d", len(first), len(want))
	}
	if len(got)-len(first) > kills*maxEvents {
		t.Errorf("%d sent again", len(got)-len(first))
	}
}

// once returns items without those that came before.
func once(items []string) (all []string) {
	seen := map[string]bool{}
	for _, item := range items {
		if !seen[item] {
			seen[item] = true
			all = append(all, item)
		}
	}
	return all
}
