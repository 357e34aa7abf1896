package accept

import "sync"

// A roll lists connections. Its zero value is empty.
type roll struct {
	mu    sync.Mutex
	first *entry
}

// An entry is a connection's place in one roll. All but conn is the roll's.
type entry struct {
	conn           *conn
	next, previous *entry
	listed         bool
}

func (r *roll) add(e *entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.addLocked(e)
}

func (r *roll) addLocked(e *entry) {
	if e.next = r.first; e.next != nil {
		e.next.previous = e
	}
	r.first, e.listed = e, true
}

// remove takes e off the roll, if it is on it.
func (r *roll) remove(e *entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !e.listed {
		return
	}
	if e.next != nil {
		e.next.previous = e.previous
	}
	if e.previous != nil {
		e.previous.next = e.next
	} else {
		r.first = e.next
	}
	e.next, e.previous, e.listed = nil, nil, false
}

// each calls f, which must leave the roll as it is, for every connection.
func (r *roll) each(f func(*conn)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for e := r.first; e != nil; e = e.next {
		f(e.conn)
	}
}
