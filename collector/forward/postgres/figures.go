package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"ctlive/collector/report"
)

// pageCounts are the increments that one answer has at most.
const pageCounts = 10_000

// Head returns what the store looks like at its ends.
func (e *Events) Head(ctx context.Context) (report.Head, error) {
	return one(ctx, e, func(rows pgx.CollectableRow) (h report.Head, err error) {
		err = rows.Scan(&h.Oldest, &h.Last, &h.Erased, &h.Store)
		return h, err
	}, `SELECT coalesce((SELECT min(row) FROM {events}), 0), coalesce((SELECT max(row) FROM {events}), 0),
		coalesce((SELECT max(row) FROM {erased}), 0), (SELECT store FROM {layout})`)
}

// Each calls f with the first limit events behind a row, or as many as there are, in the order of
// their rows. What f is given is valid until it returns.
func (e *Events) Each(ctx context.Context, after int64, limit int, f func(*report.Event) error) error {
	ctx, cancel := context.WithTimeout(ctx, pageTimeout)
	defer cancel()
	rows, err := e.query(ctx, `SELECT e.row, e.site, e.at, e.type, e.page, e.url, e.chat_id, array_to_string(e.flags, ' '),
		CASE e.type WHEN 'WidgetClicked' THEN e.object ELSE '' END, e.refused, e.dropped
		FROM {events} e WHERE e.row > $1 ORDER BY e.row LIMIT $2`, after, limit)
	if rows == nil || err != nil {
		return err
	}
	defer rows.Close()
	var ev report.Event
	var at instant
	var page, object, flags string
	for rows.Next() {
		err := rows.Scan(&ev.Row, &ev.Site, &at, &ev.Type, &page, &ev.URL, &ev.Chat, &flags, &object, &ev.Refused, &ev.Dropped)
		if err != nil {
			return readError(err)
		}
		ev.At, ev.Flags = int64(at), flagsOf(flags)
		ev.Page, ev.Object = append(ev.Page[:0], page...), append(ev.Object[:0], object...)
		if err := f(&ev); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return readError(err)
	}
	return nil
}

// PageLosses returns those of page views that lost something and sent an event since a day.
func (e *Events) PageLosses(ctx context.Context, since time.Time) ([]report.PageLoss, error) {
	return collect(ctx, e, pageTimeout, func(rows pgx.CollectableRow) (l report.PageLoss, err error) {
		var page string
		err = rows.Scan(&l.Site, &page, &l.Refused, &l.Dropped)
		l.Page = []byte(page)
		return l, err
	}, `SELECT site, page, max(refused), max(dropped) FROM {events} WHERE received_at >= $1 AND refused + dropped > 0 AND page <> '' GROUP BY site, page`,
		since.UTC().Truncate(24*time.Hour))
}

// Losses returns none: what was refused on the way to the store the edges know.
func (e *Events) Losses(context.Context, string, int64, int64) ([]report.Loss, error) {
	return []report.Loss{}, nil
}

// OldestMinute returns the minute since 1970 in which the oldest event was received, 0 if there is
// none.
func (e *Events) OldestMinute(ctx context.Context) (int64, error) {
	oldest, err := one(ctx, e, pgx.RowTo[instant], `SELECT e.received_at FROM {events} e ORDER BY e.row LIMIT 1`)
	return int64(oldest) / 60_000, err
}

// PageCounts returns what became known of pages behind a position, which is the number of such a
// piece of news. All that it returns is settled.
func (e *Events) PageCounts(ctx context.Context, after int64) (counts []report.PageCount, settled int64, err error) {
	counts, err = collect(ctx, e, pageTimeout, func(rows pgx.CollectableRow) (c report.PageCount, err error) {
		err = rows.Scan(&c.Position, &c.Minute, &c.Site, &c.Result, &c.Reason, &c.N)
		return c, err
	}, fmt.Sprintf(`SELECT i.row, i.minute, i.site, i.result, i.reason, i.n FROM {increments} i WHERE i.row > $1 ORDER BY i.row LIMIT %d`, pageCounts), after)
	if err != nil || len(counts) == 0 {
		return nil, after, err
	}
	return counts, counts[len(counts)-1].Position, nil
}

// Forget does nothing: the owner of the database deletes what is old.
func (e *Events) Forget(context.Context, int64) error { return nil }
