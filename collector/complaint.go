package collector

import "sync"

const (
	maxComplaint  = 256 // bytes
	maxComplaints = 100 // that are told before the next start: a page may make them up
)

// complaint is what a page says is wrong with it.
type complaint struct{ site, text string }

// complaints remembers which complaints have been told.
type complaints struct {
	mu   sync.Mutex
	told map[complaint]bool
}

// first reports whether c is new, and remembers it.
func (m *complaints) first(c complaint) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.told[c] || len(m.told) == maxComplaints {
		return false
	}
	if m.told == nil {
		m.told = map[complaint]bool{}
	}
	m.told[c] = true
	return true
}
