package collector

import (
	"fmt"
	"time"
)

// Ready returns nil while the store takes events, or why it does not: it is closed or not open
// yet, the last attempt to write has failed, or the disk has not answered for 5 s. It writes
// nothing and does not wait: the store finds out by itself when it can go on.
func (s *Store) Ready() error {
	select {
	case <-s.closed:
		return errClosed
	default:
	}
	db, err := s.current()
	if err != nil {
		return err
	}
	return db.writer.trouble()
}

// trouble returns why w takes nothing, nil if it does.
func (w *writer) trouble() error {
	if f := w.fault.Load(); f != nil {
		return f.err
	}
	if since := w.busy.Load(); since != 0 && time.Since(w.made)-time.Duration(since) > stallTime {
		return fmt.Errorf("%w for %v", errStalled, stallTime)
	}
	return nil
}
