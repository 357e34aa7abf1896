package collector

import "context"

// Ready returns nil while the store takes events, or why it does not: it is closed, or the last
// attempt to write has failed. After a failure it makes an attempt of its own, for at most 5 s: a
// balancer sends no events to a proxy that is not ready, so nothing else would find out that the
// disk has room again.
func (s *Store) Ready() error {
	select {
	case <-s.closed:
		return errClosed
	default:
	}
	if !s.writer.failed.Load() {
		return nil
	}
	return s.do(context.Background(), &job{attempt: true})
}
