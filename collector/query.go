package collector

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"ctlive/collector/sqlite"
)

// Rows that a query takes at a time. Between two pages no transaction is open, so a slow reader
// does not keep the write-ahead log from being reset.
const (
	eventPage  = 256
	rejectPage = 32
)

// Millis is a time in Unix milliseconds. Its text form, also in JSON, is RFC 3339 in UTC with
// three decimals.
type Millis int64

const millisLayout = "2006-01-02T15:04:05.000Z07:00"

func millis(t time.Time) Millis { return Millis(t.UnixMilli()) }

// Time returns m in UTC.
func (m Millis) Time() time.Time { return time.UnixMilli(int64(m)).UTC() }

func (m Millis) String() string { return m.Time().Format(millisLayout) }

func (m Millis) MarshalText() ([]byte, error) {
	return m.Time().AppendFormat(nil, millisLayout), nil
}

func (m *Millis) UnmarshalText(text []byte) error {
	t, err := time.Parse(time.RFC3339, string(text))
	if err != nil {
		return err
	}
	*m = millis(t)
	return nil
}

// Record is a stored event. Its JSON form is a line of `ctlive events --format ndjson` and stays
// as it is: members may be added, none goes or changes.
type Record struct {
	Row        int64          `json:"-"` // grows with each stored event
	ID         string         `json:"id"`
	Site       string         `json:"site"`
	Type       string         `json:"type"`
	At         Millis         `json:"at"`                // when it happened, by the visitor's clock
	ReceivedAt Millis         `json:"received_at"`       // by ours
	Reported   Millis         `json:"reported,omitzero"` // the visitor's clock's own time, where At is corrected
	Page       string         `json:"page"`              // page view
	Session    string         `json:"session"`
	Seq        int64          `json:"seq"`
	Mono       int64          `json:"mono,omitzero"` // milliseconds since the page began
	URL        string         `json:"url"`
	Referrer   string         `json:"referrer"`
	Title      string         `json:"title"`
	Lang       string         `json:"lang"`
	ChatID     string         `json:"chat_id"`
	UserID     string         `json:"user_id"`
	Client     string         `json:"client"` // address, as far as it is kept
	Flags      []string       `json:"flags"`
	Object     jsontext.Value `json:"object"`
	Extra      jsontext.Value `json:"extra,omitzero"` // the event's unknown members

	// The page's running totals when the record was read: messages that its listener did not believe,
	// events that it could not keep.
	Refused, Dropped int64 `json:"-"`
}

// Filter selects events, or, by Since, Until, Site and Limit, quarantined input. Zero fields
// select everything.
type Filter struct {
	Since, Until time.Time // of an event's own time, of a reject's arrival; Until itself is out
	Type         string
	Site         string
	Chat         string
	Limit        int  // at most so many
	Doubtful     bool // of Counts: with those flagged untrusted, bot or prerender
	Newest       bool // of Rejected: the newest first
}

// ParseTime reads a moment as people write it: RFC 3339, a date (its midnight in UTC), or how long
// before now it was, as in "90m", "24h" or "7d".
func ParseTime(s string, now time.Time) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	ago, err := time.ParseDuration(s)
	if days, found := strings.CutSuffix(s, "d"); found {
		var n uint64
		n, err = strconv.ParseUint(days, 10, 16)
		ago = time.Duration(n) * 24 * time.Hour
	}
	if err != nil || ago < 0 {
		return time.Time{}, fmt.Errorf("%q is no time: write 24h, 7d, 2006-01-02 or 2006-01-02T15:04:05Z", s)
	}
	return now.Add(-ago), nil
}

// where collects the conditions of a query.
type where struct {
	terms []string
	args  []any
}

func (w *where) and(term string, args ...any) {
	w.terms = append(w.terms, term)
	w.args = append(w.args, args...)
}

func (w *where) String() string {
	if len(w.terms) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.terms, " AND ")
}

// where returns the conditions of f on the table called t with the given column for time.
func (f Filter) where(t, timeColumn string) where {
	var w where
	if !f.Since.IsZero() {
		w.and(t+"."+timeColumn+" >= ?", f.Since.UnixMilli())
	}
	if !f.Until.IsZero() {
		w.and(t+"."+timeColumn+" < ?", f.Until.UnixMilli())
	}
	if f.Site != "" {
		w.and(t+".site = (SELECT id FROM sites WHERE name = ?)", f.Site)
	}
	if f.Type != "" {
		w.and(t+".type = ?", f.Type)
	}
	if f.Chat != "" {
		w.and(t+".chat_id = ?", f.Chat)
	}
	return w
}

const selectEvents = `SELECT e.row, e.id, s.name, e.type, e.at, e.received, v.page, v.session, e.seq,
	coalesce(e.mono, 0), v.url, v.referrer, v.title, v.lang, coalesce(e.chat_id, ''), coalesce(e.user_id, ''),
	v.client, e.flags, e.object, coalesce(e.extra, ''), coalesce(e.reported, 0), v.refused, v.dropped
	FROM events e JOIN sites s ON s.id = e.site JOIN views v ON v.id = e.view`

func scanRecord(rows *sql.Rows) (r Record, err error) {
	var id, page, session any
	var flags Flags
	var object, extra string
	err = rows.Scan(&r.Row, &id, &r.Site, &r.Type, &r.At, &r.ReceivedAt, &page, &session, &r.Seq,
		&r.Mono, &r.URL, &r.Referrer, &r.Title, &r.Lang, &r.ChatID, &r.UserID,
		&r.Client, &flags, &object, &extra, &r.Reported, &r.Refused, &r.Dropped)
	r.ID, r.Page, r.Session = unpack(id), unpack(page), unpack(session)
	r.Flags = flags.Names()
	r.Object = readable(object)
	if extra != "" {
		r.Extra = readable(extra)
	}
	for _, text := range []*string{&r.ID, &r.Site, &r.Type, &r.Page, &r.Session, &r.URL, &r.Referrer, &r.Title, &r.Lang, &r.Client, &r.ChatID, &r.UserID} {
		*text = strings.ToValidUTF8(*text, "\ufffd")
	}
	return r, err
}

// readable returns text, which was JSON when it was stored. SQLite has no checksums: a bit that the
// disk has flipped must not keep all other events from being read, so what is no JSON any more is a
// string.
func readable(text string) jsontext.Value {
	if v := jsontext.Value(text); v.IsValid() {
		return v
	}
	return appendQuoted(nil, strings.ToValidUTF8(text, "\ufffd"))
}

// Events yields the events that f selects, the oldest first by their own time and, within one
// millisecond, as their page numbered them: batches may overtake each other on the way. An error
// ends it. Memory does not grow with the number of events. What is stored meanwhile may be seen or
// not.
func (s *Store) Events(ctx context.Context, f Filter) iter.Seq2[Record, error] {
	return s.events(ctx, f, math.MaxInt64)
}

// events is Events up to the row through.
func (s *Store) events(ctx context.Context, f Filter, through int64) iter.Seq2[Record, error] {
	return paged(f.Limit, eventPage, func(last Record, limit int) ([]Record, error) {
		w := f.where("e", "at")
		w.and("+e.row <= ?", through) // the plus: SQLite would walk by row, and sort them all for each page
		if last.Row > 0 {
			w.and("(e.at, e.seq, e.row) > (?, ?, ?)", last.At, last.Seq, last.Row)
		}
		return query(ctx, s, scanRecord, selectEvents+w.String()+" ORDER BY e.at, e.seq, e.row LIMIT ?", append(w.args, limit)...)
	})
}

// Next returns the first events that f selects behind the row after, f.Limit at most, in the order
// they were stored, and the row to go on from.
func (s *Store) Next(ctx context.Context, f Filter, after int64) (page []Record, next int64, err error) {
	end, err := s.LastRow(ctx)
	if err != nil || end <= after {
		return nil, after, err
	}
	w := f.where("e", "at")
	w.and("e.row > ? AND e.row <= ?", after, end)
	page, err = query(ctx, s, scanRecord, selectEvents+w.String()+" ORDER BY e.row LIMIT ?", append(w.args, f.Limit)...)
	if err != nil {
		return nil, after, err
	}
	if len(page) == f.Limit {
		end = page[len(page)-1].Row
	}
	return page, end, nil
}

// LastRow returns the row of the event that was stored last, 0 if there is none yet.
func (s *Store) LastRow(ctx context.Context) (row int64, err error) {
	rows, err := query(ctx, s, func(rows *sql.Rows) (row int64, err error) {
		err = rows.Scan(&row)
		return row, err
	}, `SELECT coalesce(max(row), 0) FROM events`)
	if err != nil {
		return 0, err
	}
	return rows[0], nil
}

// Rejected yields quarantined input, the oldest first unless f wants the newest. An error ends it.
func (s *Store) Rejected(ctx context.Context, f Filter) iter.Seq2[Reject, error] {
	const columns = `SELECT q.row, q.received, s.name, q.client, q.reason, q.message, q.content_type,
		q.content_encoding, q.length, lower(hex(q.sha256)), q.raw
		FROM quarantine q JOIN sites s ON s.id = q.site`
	scan := func(rows *sql.Rows) (r Reject, err error) {
		err = rows.Scan(&r.Row, &r.ReceivedAt, &r.Site, &r.Client, &r.Reason, &r.Message, &r.ContentType,
			&r.ContentEncoding, &r.Length, &r.SHA256, &r.Raw)
		return r, err
	}
	return paged(f.Limit, rejectPage, func(last Reject, limit int) ([]Reject, error) {
		w := Filter{Since: f.Since, Until: f.Until, Site: f.Site}.where("q", "received")
		order := " ORDER BY q.row LIMIT ?"
		switch {
		case !f.Newest:
			w.and("q.row > ?", last.Row)
		case last.Row > 0:
			w.and("q.row < ?", last.Row)
			fallthrough
		default:
			order = " ORDER BY q.row DESC LIMIT ?"
		}
		return query(ctx, s, scan, columns+w.String()+order, append(w.args, limit)...)
	})
}

// Count is how many events of a type a site has.
type Count struct {
	Site   string `json:"site"`
	Type   string `json:"type"`
	Events int64  `json:"events"`
}

// Counts counts the events that f selects, by site and type. It leaves out those that may be no
// visitor's, unless f asks for them.
func (s *Store) Counts(ctx context.Context, f Filter) ([]Count, error) {
	w := f.where("e", "at")
	if !f.Doubtful {
		w.and("e.flags & ? = 0", int64(doubtful))
	}
	scan := func(rows *sql.Rows) (c Count, err error) {
		err = rows.Scan(&c.Site, &c.Type, &c.Events)
		return c, err
	}
	return query(ctx, s, scan, `SELECT s.name, e.type, count(*) FROM events e JOIN sites s ON s.id = e.site`+
		w.String()+` GROUP BY e.site, e.type ORDER BY s.name, e.type`, w.args...)
}

// Loss is how much of what happened on a site did not become an event, and why: messages that the
// listener "refused" to believe or "dropped", with its reason where it said one, as in "dropped_full";
// input in quarantine, events and whole bodies, by its reason; requests that were refused unread, such
// as those of another site's pages ("cross_site") or, for the time being, beyond the rate ("rate") or
// while the store could not be written ("store").
type Loss struct {
	Site   string `json:"site"`
	Reason string `json:"reason"`
	Count  int64  `json:"count"`
}

// Losses returns all losses of a site, "" is every site, since the store began.
func (s *Store) Losses(ctx context.Context, site string) ([]Loss, error) {
	scan := func(rows *sql.Rows) (l Loss, err error) {
		err = rows.Scan(&l.Site, &l.Reason, &l.Count)
		return l, err
	}
	return query(ctx, s, scan, `
		WITH page AS (SELECT site, max(refused) AS refused, max(dropped) AS dropped FROM views
			WHERE refused + dropped > 0 GROUP BY site, page),
		gone (site, n, lost) AS (SELECT site, max(dropped), lost FROM views WHERE dropped > 0 GROUP BY site, page),
		loss (site, reason, n) AS (
			SELECT site, reason, count(*) FROM quarantine GROUP BY site, reason
			UNION ALL SELECT site, reason, n FROM evicted
			UNION ALL SELECT site, reason, n FROM losses WHERE reason <> 'duplicate'
			UNION ALL SELECT site, 'refused', refused FROM page
			UNION ALL SELECT site, 'dropped', n - (SELECT coalesce(sum(value), 0) FROM json_each(lost)) FROM gone
			UNION ALL SELECT site, 'dropped_' || key, value FROM gone, json_each(gone.lost))
		SELECT s.name, loss.reason, sum(loss.n) FROM loss JOIN sites s ON s.id = loss.site
		WHERE ? IN (s.name, '') GROUP BY loss.site, loss.reason HAVING sum(loss.n) > 0 ORDER BY s.name, loss.reason`, site)
}

// paged yields what next returns, page after page, until one is short or limit items (0: no limit)
// have come. next is given the last item so far, at first a zero one.
func paged[T any](limit, size int, next func(last T, size int) ([]T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var last T
		for left := limit; limit == 0 || left > 0; left -= size {
			want := size
			if limit > 0 {
				want = min(size, left)
			}
			page, err := next(last, want)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, last = range page {
				if !yield(last, nil) {
					return
				}
			}
			if len(page) < want {
				return
			}
		}
	}
}

// query returns all rows of a SELECT.
func query[T any](ctx context.Context, s *Store, scan func(*sql.Rows) (T, error), text string, args ...any) ([]T, error) {
	db, err := s.current()
	if err != nil {
		return nil, err
	}
	all, err := sqlite.Rows(ctx, db.read, scan, text, args...)
	if err != nil {
		db.suspected(err)
		return nil, fmt.Errorf("read event store: %w", err)
	}
	return all, nil
}
