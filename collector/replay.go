package collector

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"net/http"
	"net/netip"

	"github.com/go-json-experiment/json/jsontext"
)

// Replayed says what became of quarantined input that was tried again.
type Replayed struct {
	Inputs     int `json:"inputs"`     // bodies and events that were tried
	Stored     int `json:"stored"`     // events
	Duplicates int `json:"duplicates"` // events that are stored already
	Rejected   int `json:"rejected"`   // events of a body that passed, quarantined one by one instead of it
	Refused    int `json:"refused"`    // inputs that stay as they are: today's rules refuse them, too
	Incomplete int `json:"incomplete"` // inputs that stay because not all of their bytes were kept
}

// errIncomplete says that the quarantine does not have the whole of an input.
var errIncomplete = errors.New("not all of it was kept")

// Replay runs the quarantined input that f selects through today's rules, and stores what passes in
// place of it, as of the time it arrived. An input is replaced in one transaction or not at all:
// after an error, in Replayed is what has been done so far, and the same call goes on. The limits on
// clients do not apply.
func (c *Collector) Replay(ctx context.Context, f Filter) (done Replayed, err error) {
	for q, err := range c.store.quarantined(ctx, f) {
		if err == nil {
			err = c.replay(ctx, &q, &done)
		}
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

func (c *Collector) replay(ctx context.Context, q *quarantined, done *Replayed) error {
	done.Inputs++
	in := q.input(c.opt.IP)
	b, err := c.readAgain(q, in)
	switch {
	case err == errIncomplete:
		done.Incomplete++
		return nil
	case err != nil:
		done.Refused++
		return nil
	}
	b.view.client = in.client
	j := &job{input: in, view: &b.view, events: b.events, rejects: b.rejects, settles: q.Row}
	if err := c.store.do(ctx, j); err != nil {
		return err
	}
	c.complete(in, &b)
	for _, r := range b.results {
		switch r.Verdict {
		case Stored:
			done.Stored++
		case Duplicate:
			done.Duplicates++
		case Rejected:
			done.Rejected++
		}
	}
	return nil
}

// readAgain returns what q holds by today's rules, ready to be stored, or why nothing of it is.
func (c *Collector) readAgain(q *quarantined, in input) (b batch, err error) {
	if int64(len(q.Raw)) < q.Length {
		return b, errIncomplete
	}
	flags := q.flags
	if q.ofBatch {
		bare := q.view == view{}
		b = parseEvents(batch{view: q.view}, []jsontext.Value{q.Raw}, 0, in.received, bare)
		if len(b.events) == 0 {
			return b, errNoList
		}
	} else {
		if b, err = c.parseAgain(q, in.received); err != nil {
			return b, err
		}
		if !c.trusts(in.site, b.token) {
			flags |= Untrusted
		}
		if b.prerender {
			flags |= Prerender
		}
	}
	c.prepare(in, &b, flags)
	return b, nil
}

// parseAgain parses a body.
func (c *Collector) parseAgain(q *quarantined, received Millis) (batch, error) {
	if q.Length > c.opt.MaxBody {
		return batch{}, tooLarge(c.opt.MaxBody)
	}
	header := http.Header{"Content-Type": {q.ContentType}, "Content-Encoding": {q.ContentEncoding}}
	text, err := decodeBody(header, q.Raw, c.opt.MaxBody)
	if err != nil {
		return batch{}, err
	}
	return parseBatch(text, received)
}

// quarantined is a reject with what its events belong to.
type quarantined struct {
	Reject
	ofBatch bool // an event of a batch; else a whole body
	view    view
}

// input returns where q came from, with no more of the client than mode allows today.
func (q *quarantined) input(mode IPMode) input {
	addr, _ := netip.ParseAddr(q.Client) // it may be empty
	return input{site: q.Site, client: mode.store(addr), received: q.ReceivedAt}
}

// quarantined yields what f selects of what is in quarantine now.
func (s *Store) quarantined(ctx context.Context, f Filter) func(func(quarantined, error) bool) {
	const columns = `SELECT q.row, q.received, s.name, q.client, q.content_type, q.content_encoding, q.length, q.raw, q.flags,
		q.view IS NOT NULL, coalesce(v.page, ''), coalesce(v.session, ''), coalesce(v.url, ''), coalesce(v.referrer, ''),
		coalesce(v.title, ''), coalesce(v.lang, '')
		FROM quarantine q JOIN sites s ON s.id = q.site LEFT JOIN views v ON v.id = q.view`
	scan := func(rows *sql.Rows) (q quarantined, err error) {
		var page, session any
		v := &q.view
		err = rows.Scan(&q.Row, &q.ReceivedAt, &q.Site, &q.Client, &q.ContentType, &q.ContentEncoding, &q.Length, &q.Raw, &q.flags,
			&q.ofBatch, &page, &session, &v.url, &v.referrer, &v.title, &v.lang)
		v.page, v.session = unpack(page), unpack(session)
		return q, err
	}
	through := int64(math.MaxInt64)
	return paged(f.Limit, rejectPage, func(last quarantined, size int) ([]quarantined, error) {
		if last.Row == 0 { // what is put back meanwhile is not tried again
			end, err := query(ctx, s, func(rows *sql.Rows) (row int64, err error) {
				err = rows.Scan(&row)
				return row, err
			}, `SELECT coalesce(max(row), 0) FROM quarantine`)
			if err != nil {
				return nil, err
			}
			through = end[0]
		}
		w := Filter{Since: f.Since, Until: f.Until, Site: f.Site}.where("q", "received")
		w.and("q.row > ? AND q.row <= ?", last.Row, through)
		return query(ctx, s, scan, columns+w.String()+" ORDER BY q.row LIMIT ?", append(w.args, size)...)
	})
}
