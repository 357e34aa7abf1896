package forward

import "ctlive/collector"

// Bounds of a batch. An event alone may be more than maxBytes: its own bounds are the collector's.
const (
	maxEvents   = 500
	maxBytes    = 1 << 20 // about, of the texts of the events
	maxErasures = 100
)

// cut returns the first events of a page, as many as fit a batch.
func cut(page []collector.Record) []collector.Record {
	bytes := 0
	for i := range page {
		if bytes += size(&page[i]); bytes > maxBytes && i > 0 {
			return page[:i]
		}
	}
	return page
}

// size returns about how long the JSON of r is.
func size(r *collector.Record) int {
	const names = 320 // of the members, with what is always as long
	return names + len(r.ID) + len(r.Site) + len(r.Type) + len(r.Page) + len(r.Session) + len(r.URL) + len(r.Referrer) +
		len(r.Title) + len(r.Lang) + len(r.ChatID) + len(r.UserID) + len(r.Client) + len(r.Object) + len(r.Extra)
}
