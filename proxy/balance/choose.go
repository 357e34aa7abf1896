package balance

import "slices"

// choose returns the origin for the next attempt and counts it as active there.
// Origins that were tried are passed over, unless there is no other.
func (p *Pool) choose(tried []*origin) *origin {
	p.mu.Lock()
	defer p.mu.Unlock()
	var best *origin
	for _, o := range p.origins {
		if best == nil || p.betterLocked(o, best, tried) {
			best = o
		}
	}
	p.turn++
	best.turn = p.turn
	best.active.Add(1)
	return best
}

// betterLocked reports whether a is to be chosen rather than b.
func (p *Pool) betterLocked(a, b *origin, tried []*origin) bool {
	if x, y := slices.Contains(tried, a), slices.Contains(tried, b); x != y {
		return y
	}
	if x, y := a.up(), b.up(); x != y {
		return x
	}
	if x, y := a.active.Load(), b.active.Load(); x != y && p.options.Policy != RoundRobin {
		return x < y
	}
	return a.turn < b.turn // rotation: the one that waited longest
}

// other reports whether there is an origin that was not tried; with up set, one
// that is up.
func (p *Pool) other(tried []*origin, up bool) bool {
	return slices.ContainsFunc(p.origins, func(o *origin) bool {
		return !slices.Contains(tried, o) && (o.up() || !up)
	})
}
