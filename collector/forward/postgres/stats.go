package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"ctlive/collector"
)

// Stats returns the counts that f selects, and the accounts and losses of f.Site as far as the
// events tell of them: messages that a page's listener refused or dropped, without its reasons, up to
// the last event of that page.
func (e *Events) Stats(ctx context.Context, f collector.Filter) (stats collector.Stats, err error) {
	w := whereOf(f)
	if !f.Doubtful {
		w.and("NOT e.flags && " + doubtful)
	}
	stats.Counts, err = collect(ctx, e, pageTimeout, func(rows pgx.CollectableRow) (c collector.Count, err error) {
		err = rows.Scan(&c.Site, &c.Type, &c.Events)
		return c, err
	}, `SELECT e.site, e.type, count(*) FROM {events} e`+w.String()+` GROUP BY e.site, e.type ORDER BY e.site COLLATE "C", e.type COLLATE "C"`, w.args...)
	if err != nil {
		return stats, err
	}
	if stats.Accounts, err = e.accounts(ctx, f.Site); err != nil {
		return stats, err
	}
	for _, a := range stats.Accounts {
		if a.Dropped > 0 {
			stats.Losses = append(stats.Losses, collector.Loss{Site: a.Site, Reason: "dropped", Count: a.Dropped})
		}
		if a.Refused > 0 {
			stats.Losses = append(stats.Losses, collector.Loss{Site: a.Site, Reason: "refused", Count: a.Refused})
		}
	}
	return stats, nil
}

func (e *Events) accounts(ctx context.Context, site string) ([]collector.Account, error) {
	return collect(ctx, e, pageTimeout, func(rows pgx.CollectableRow) (a collector.Account, err error) {
		err = rows.Scan(&a.Site, &a.Stored, &a.Doubtful, &a.Refused, &a.Dropped)
		a.Seen = a.Stored + a.Refused + a.Dropped
		return a, err
	}, `WITH lossy AS (SELECT site, max(refused) AS refused, max(dropped) AS dropped FROM {events}
			WHERE refused + dropped > 0 GROUP BY site, page),
		lost AS (SELECT site, sum(refused)::bigint AS refused, sum(dropped)::bigint AS dropped FROM lossy GROUP BY site)
		SELECT stored.*, coalesce(lost.refused, 0), coalesce(lost.dropped, 0) FROM
			(SELECT site, count(*), count(*) FILTER (WHERE flags && `+doubtful+`) FROM {events} WHERE $1 IN (site, '') GROUP BY site) AS stored
			LEFT JOIN lost USING (site) ORDER BY site COLLATE "C"`, storable(site))
}
