package collector

import "time"

// hold keeps events from retention.
type hold struct {
	taken   func() int64
	backlog time.Duration
	lost    func(rows []int64)
}

// Hold has retention leave the events behind the row that taken returns, which somebody has still to
// read, until they are older than the store keeps them by backlog. Those that it then deletes all the
// same are passed to lost. Both functions are called by the goroutine that writes: they return at
// once. Call it before [Store.Keep].
func (s *Store) Hold(taken func() int64, backlog time.Duration, lost func(rows []int64)) {
	s.hold.Store(&hold{taken, backlog, lost})
}
