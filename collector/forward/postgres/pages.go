package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"ctlive/collector/forward"
)

var pageColumns = []column{{"edge", "text"}, {"minute", "bigint"}, {"site", "text"}, {"result", "text"}, {"reason", "text"}, {"count", "bigint"}}

const (
	// addIncrements numbers what is new in totals: totals that come again add nothing.
	addIncrements = `INSERT INTO {increments} (minute, site, result, reason, n)
		SELECT s.minute, s.site, s.result, s.reason, s.count - coalesce(p.n, 0)
		FROM (SELECT edge, minute, site, result, reason, max(count) AS count, min(n) AS n FROM {staged} GROUP BY edge, minute, site, result, reason) s
		LEFT JOIN {pages} p USING (edge, minute, site, result, reason)
		WHERE s.count > coalesce(p.n, 0) ORDER BY s.n`
	addPages = `INSERT INTO {pages} AS p (edge, minute, site, result, reason, n)
		SELECT edge, minute, site, result, reason, max(count) FROM {staged} GROUP BY edge, minute, site, result, reason
		ON CONFLICT (minute, edge, site, result, reason) DO UPDATE SET n = excluded.n WHERE p.n < excluded.n`
)

// Pages stores totals of pages, in place of smaller ones.
func (s *Sink) Pages(ctx context.Context, counts []forward.PageCount) error {
	if len(counts) == 0 {
		return nil
	}
	return s.do(ctx, "store counts of pages", func(c *pgx.Conn) error {
		return s.tables.add(ctx, c, staging{
			columns: pageColumns,
			rows: pgx.CopyFromSlice(len(counts), func(i int) ([]any, error) {
				p := &counts[i]
				return []any{storable(p.Edge), p.Minute, storable(p.Site), storable(p.Result), storable(p.Reason), p.N}, nil
			}),
		}, addIncrements, addPages)
	})
}
