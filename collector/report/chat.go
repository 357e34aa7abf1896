package report

import "crypto/sha256"

// chat is what the events of one chat have told, on whatever pages: without doubtful ones and all.
type chat struct {
	layers [2]chatLayer
}

// chatLayer has times in milliseconds; none: there is no such event.
type chatLayer struct {
	first    int64 // of any event
	started  int64 // of the first ChatStarted
	online   int64 // of the first ChatOnline
	finished int64 // of the last ChatFinished
	url      int64 // of the first ChatStarted
}

func newChat() chat {
	empty := chatLayer{none, none, none, none, 0}
	return chat{[2]chatLayer{empty, empty}}
}

// add takes an event of a type at a time on a URL; less is as for a page view.
func (l *chatLayer) add(typ string, at, url int64, less func(a, b int64) bool) {
	l.first = earlier(l.first, at)
	switch typ {
	case "ChatStarted":
		if l.started == none || at < l.started || at == l.started && url != l.url && less(url, l.url) {
			l.started, l.url = at, url
		}
	case "ChatOnline":
		l.online = earlier(l.online, at)
	case "ChatFinished":
		l.finished = max(l.finished, at)
	}
}

func earlier(known, at int64) int64 {
	if known == none {
		return at
	}
	return min(known, at)
}

// counts calls f, n times over, with all that c counts in its site's minutes.
func (c *chat) counts(n int64, f func(at int64, key key, n int64)) {
	both(c.layers[clean] == c.layers[every], func(layer int, doubt kind, sign int64) {
		l := &c.layers[layer]
		count := func(k kind, value int64) { f(l.first, keyOf(k|doubt, value), n*sign) }
		if l.started != none {
			count(counters, started)
			count(pageChats, l.url)
			if l.online == none {
				count(unanswered, l.started)
			} else {
				count(waits, max(l.online-l.started, 0))
			}
		}
		if l.online != none {
			count(counters, online)
		}
		if l.finished != none {
			count(counters, finished)
			if l.online != none {
				count(durations, max(l.finished-l.online, 0))
			}
		}
	})
}

// encode returns c as it is stored.
func (c *chat) encode() []byte {
	b := make([]byte, 0, 64)
	for _, l := range c.layers {
		b = appendNumbers(b, l.first, l.started, l.online, l.finished, l.url)
	}
	return b
}

func decodeChat(b []byte) (c chat, ok bool) {
	x, y := &c.layers[0], &c.layers[1]
	ok = takeNumbers(b, &x.first, &x.started, &x.online, &x.finished, &x.url, &y.first, &y.started, &y.online, &y.finished, &y.url)
	return c, ok
}

// chatKey finds a chat of a site again. The id, which may be long and may tell of a person, is not
// kept.
func chatKey(site int64, id string) string {
	sum := sha256.Sum256([]byte(id))
	return string(append(appendNumbers(nil, site), sum[:16]...))
}
