package report

import (
	"cmp"
	"slices"
)

const topCount = 20

// numbered is a page by the number of its URL.
type numbered struct{ url, views, chats int64 }

// topPages returns the pages with the most chats and, among those with as many, the most views.
func (a *answer) topPages() ([]PageFigures, error) {
	get, err := a.tx.PrepareContext(a.ctx, `SELECT url FROM urls WHERE id = ?`)
	if err != nil {
		return nil, err
	}
	defer get.Close()
	top := []PageFigures{}
	for _, n := range a.sums.topNumbers() {
		p := PageFigures{Views: n.views, Chats: n.chats}
		if err := get.QueryRowContext(a.ctx, n.url).Scan(&p.URL); err != nil {
			return nil, err
		}
		top = append(top, p)
	}
	slices.SortFunc(top, func(a, b PageFigures) int {
		return cmp.Or(cmp.Compare(b.Chats, a.Chats), cmp.Compare(b.Views, a.Views), cmp.Compare(a.URL, b.URL))
	})
	return top[:min(len(top), topCount)], nil
}

// topNumbers returns the first topCount pages, in no order, and all that are level with the last of
// them: their names decide, whatever their numbers.
func (s *sums) topNumbers() []numbered {
	var all []numbered
	for url, views := range s.views {
		n := numbered{int64(url), views, s.chats[url]}
		if n.views != 0 || n.chats != 0 {
			all = append(all, n)
		}
	}
	order := func(a, b numbered) int {
		return cmp.Or(cmp.Compare(b.chats, a.chats), cmp.Compare(b.views, a.views))
	}
	slices.SortFunc(all, order)
	n := min(len(all), topCount)
	for n > 0 && n < len(all) && order(all[n-1], all[n]) == 0 {
		n++
	}
	return all[:n]
}
