package collector

import (
	"context"
	"database/sql"
)

// Account shows, for one site and all time that is kept, that nothing went missing unseen:
//
//	Seen = Stored + Rejected + Refused + Dropped + Pending
type Account struct {
	Site string `json:"site"`

	// Messages that the pages' listeners have heard, as far as we were told. Of a page whose sender
	// does not count it is what has become known of it.
	Seen int64 `json:"seen"`

	Stored   int64 `json:"stored"`
	Rejected int64 `json:"rejected"` // events in quarantine
	Refused  int64 `json:"refused"`  // by the listener: not believed, or no consent
	Dropped  int64 `json:"dropped"`  // by the listener: no room, or too many at once
	Pending  int64 `json:"pending"`  // heard and not arrived yet; erased events are among them

	Doubtful  int64 `json:"doubtful"`  // of Stored: those that the figures leave out
	Duplicate int64 `json:"duplicate"` // events that came again
}

// Accounts returns the account of a site, "" is every site.
func (s *Store) Accounts(ctx context.Context, site string) ([]Account, error) {
	scan := func(rows *sql.Rows) (a Account, err error) {
		err = rows.Scan(&a.Site, &a.Seen, &a.Stored, &a.Rejected, &a.Refused, &a.Dropped, &a.Doubtful, &a.Duplicate)
		a.Pending = a.Seen - a.Stored - a.Rejected - a.Refused - a.Dropped
		return a, err
	}
	return query(ctx, s, scan, `
		WITH stored AS (SELECT view, count(*) AS n, sum(flags & ?1 <> 0) AS doubtful FROM events GROUP BY view),
		rejected AS (SELECT view, count(*) AS n FROM quarantine WHERE view IS NOT NULL GROUP BY view),
		page AS (
			SELECT v.site, max(v.seen) AS seen, max(v.refused) AS refused, max(v.dropped) AS dropped,
				coalesce(sum(stored.n), 0) AS stored, coalesce(sum(stored.doubtful), 0) AS doubtful, coalesce(sum(rejected.n), 0) AS rejected
			FROM views v LEFT JOIN stored ON stored.view = v.id LEFT JOIN rejected ON rejected.view = v.id
			GROUP BY v.site, v.page)
		SELECT s.name, sum(max(seen, stored + rejected + refused + dropped)), sum(stored), sum(rejected), sum(refused), sum(dropped), sum(doubtful),
			coalesce((SELECT sum(n) FROM losses WHERE losses.site = s.id AND reason = 'duplicate'), 0)
		FROM page JOIN sites s ON s.id = page.site
		WHERE ?2 IN (s.name, '') GROUP BY s.id ORDER BY s.name`, int64(doubtful), site)
}

// Stats is what `ctlive stats` shows.
type Stats struct {
	Counts   []Count   `json:"counts"`
	Accounts []Account `json:"accounts"` // of all time
	Losses   []Loss    `json:"losses"`   // likewise
}

// Stats returns the counts that f selects, and the accounts and losses of f.Site.
func (s *Store) Stats(ctx context.Context, f Filter) (stats Stats, err error) {
	if stats.Counts, err = s.Counts(ctx, f); err != nil {
		return stats, err
	}
	if stats.Accounts, err = s.Accounts(ctx, f.Site); err != nil {
		return stats, err
	}
	stats.Losses, err = s.Losses(ctx, f.Site)
	return stats, err
}
