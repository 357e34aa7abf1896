package proxy

import "sync"

// handles keeps metrics at hand by what they count: to find one by its labels costs
// several times as much. Whoever uses it bounds the keys.
type handles[K comparable, M any] struct {
	find func(K) M

	mu    sync.RWMutex
	known map[K]M
}

// of returns the metric of k.
func (h *handles[K, M]) of(k K) M {
	h.mu.RLock()
	m, ok := h.known[k]
	h.mu.RUnlock()
	if ok {
		return m
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.known == nil {
		h.known = make(map[K]M)
	}
	m = h.find(k)
	h.known[k] = m
	return m
}
