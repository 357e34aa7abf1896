package collector

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"log/slog"
	"slices"
	"testing"
)

// faulty is a connector whose transactions end as commit says.
type faulty struct {
	driver driver.Driver
	source string
	commit func(driver.Tx) error
}

func (f *faulty) Driver() driver.Driver { return f.driver }

func (f *faulty) Connect(context.Context) (driver.Conn, error) {
	c, err := f.driver.Open(f.source)
	return faultyConn{c, f}, err
}

type faultyConn struct {
	driver.Conn
	f *faulty
}

func (c faultyConn) Begin() (driver.Tx, error) {
	tx, err := c.Conn.Begin()
	return faultyTx{tx, c.f}, err
}

type faultyTx struct {
	driver.Tx
	f *faulty
}

func (tx faultyTx) Commit() error { return tx.f.commit(tx.Tx) }

// breakCommits has the commits of s end as commit says.
func breakCommits(t *testing.T, s *Store, commit func(driver.Tx) error) {
	t.Helper()
	var file string
	if err := s.read.QueryRow(`SELECT file FROM pragma_database_list`).Scan(&file); err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(&faulty{s.write.Driver(), dataSource(file, "rw", "_txlock=immediate"), commit})
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	s.writer.close()
	var err error
	if s.writer, err = startWriter(db, s.landed, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
}

func TestCommitError(t *testing.T) {
	broken := errors.New("broken")
	tests := []struct {
		name   string
		commit func(driver.Tx) error
		again  string // the verdict when the sender tries again
	}{
		{"before it took effect", func(tx driver.Tx) error { tx.Rollback(); return broken }, "stored"},
		{"after it took effect", func(tx driver.Tx) error { tx.Commit(); return broken }, "duplicate"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h, s := newEndpoint(t, Options{})
			commit := test.commit
			breakCommits(t, s, func(tx driver.Tx) error { return commit(tx) })
			for _, body := range []string{batchOf(loaded("a")), `nonsense`} {
				if a := sendText(t, h, body); a.code != 503 || a.Reason != "store" {
					t.Errorf("got %d %q", a.code, a.Reason)
				}
			}
			commit = func(tx driver.Tx) error { return tx.Commit() }
			a := sendText(t, h, batchOf(loaded("a")))
			if a.code != 200 || !slices.Equal(a.verdicts(), []string{test.again}) {
				t.Errorf("sent again: %d %q, want %s", a.code, a.verdicts(), test.again)
			}
			checkLedger(t, s, []string{"a"})
		})
	}
}

func TestReady(t *testing.T) {
	h, s := newEndpoint(t, Options{})
	var broken error
	breakCommits(t, s, func(tx driver.Tx) error {
		if broken != nil {
			tx.Rollback()
			return broken
		}
		return tx.Commit()
	})
	if err := s.Ready(); err != nil {
		t.Errorf("at first: %v", err)
	}
	broken = errors.New("no space left")
	sendText(t, h, batchOf(loaded("a")))
	if err := s.Ready(); !errors.Is(err, broken) {
		t.Errorf("after a failure: %v", err)
	}
	broken = nil
	if err := s.Ready(); err != nil {
		t.Errorf("with room again, and nobody sending: %v", err)
	}
	if s.Close(); s.Ready() == nil {
		t.Error("ready when closed")
	}
}

func TestGroups(t *testing.T) {
	h, s := newEndpoint(t, Options{})
	commits := 0
	entered, leave := make(chan bool), make(chan bool)
	breakCommits(t, s, func(tx driver.Tx) error {
		commits++
		if commits == 1 {
			entered <- true
			<-leave
		}
		return tx.Commit()
	})
	const company = 10
	answers := make(chan answer, company+1)
	go func() { answers <- sendText(t, h, batchOf(loaded("first"))) }()
	<-entered // nobody waited for company
	for i := range company {
		go func() { answers <- sendText(t, h, batchOf(loaded(string(rune('a'+i))))) }()
	}
	for len(s.writer.queue) < company {
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
