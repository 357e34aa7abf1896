package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/google/uuid"
)

// ledger holds what was sent against what is stored.
type ledger struct {
	Acknowledged int `json:"acknowledged"`
	Stored       int `json:"stored"`                // distinct ids
	Missing      int `json:"missing"`               // acknowledged and not stored
	Twice        int `json:"twice"`                 // stored more often than once
	Strangers    int `json:"strangers"`             // stored and never sent
	Unasked      int `json:"stored_unacknowledged"` // refused, and stored all the same: allowed

	sent [][]bool // by connection and event: whether it is stored
	load *load
}

// newLedger begins with what l has sent.
func newLedger(l *load) *ledger {
	b := &ledger{load: l}
	for _, s := range l.senders {
		b.sent = append(b.sent, make([]bool, s.sent))
		b.Acknowledged += s.sent - len(s.refused)
	}
	return b
}

// read counts the ids in r, which are lines of JSON.
func (b *ledger) read(r io.Reader) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var event struct {
			ID uuid.UUID `json:"id"`
		}
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			return fmt.Errorf("stored event: %w in %.200q", err, lines.Bytes())
		}
		b.add(serialOf(event.ID))
	}
	b.Missing = b.Acknowledged + b.Unasked - b.Stored
	return lines.Err()
}

func (b *ledger) add(s serial) {
	c, e := s.connection(), s.event()
	switch {
	case c >= len(b.sent) || e >= len(b.sent[c]):
		b.Strangers++
	case b.sent[c][e]:
		b.Twice++
	default:
		b.sent[c][e] = true
		b.Stored++
		if b.load.senders[c].refused[e] {
			b.Unasked++
		}
	}
}

// verdict returns what is wrong, nil if every acknowledged event is stored once and nothing else is.
func (b *ledger) verdict() error {
	if b.Missing+b.Twice+b.Strangers > 0 {
		return fmt.Errorf("the store is not what was acknowledged: %d missing, %d twice, %d never sent",
			b.Missing, b.Twice, b.Strangers)
	}
	return nil
}

// audit lists the store in the folder data and compares it with what l has sent.
func audit(ctx context.Context, binary, data string, l *load) (*ledger, error) {
	c := exec.CommandContext(ctx, binary, "events", "--data", data, "--format", "ndjson")
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, err
	}
	b := newLedger(l)
	bad := b.read(out)
	if bad != nil {
		c.Process.Kill()
	}
	if err := c.Wait(); bad == nil && err != nil {
		bad = fmt.Errorf("ctlive events: %w", err)
	}
	return b, bad
}
