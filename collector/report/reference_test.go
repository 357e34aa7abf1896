package report

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"ctlive/collector"
)

// reference computes figures the slow way, over all records, with none of the package's own code.
type reference struct {
	query      Query
	from, to   int64 // milliseconds
	start      int64
	step       int64
	now        int64
	records    []collector.Record
	pages      []PageCount
	pageLosses map[[2]string][2]int64 // by site and page: refused, dropped
}

func (r *reference) doubtful(e *collector.Record) bool {
	return slices.ContainsFunc(e.Flags, func(f string) bool { return f == "untrusted" || f == "bot" || f == "prerender" })
}

func (r *reference) wanted(e *collector.Record) bool {
	return (r.query.Site == "" || e.Site == r.query.Site) && (r.query.Flagged || !r.doubtful(e))
}

func (r *reference) within(at int64) bool { return r.from <= at && at < r.to }

func (r *reference) counts() []int64 { return make([]int64, (r.to-r.start+r.step-1)/r.step) }

// groups returns the wanted records by a key; those with none are left out.
func (r *reference) groups(key func(*collector.Record) string) map[string][]collector.Record {
	groups := map[string][]collector.Record{}
	for _, e := range r.records {
		if k := key(&e); k != "" && r.wanted(&e) {
			groups[k] = append(groups[k], e)
		}
	}
	for _, g := range groups {
		slices.SortFunc(g, func(a, b collector.Record) int { return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.URL, b.URL)) })
	}
	return groups
}

func first(events []collector.Record, typ string) *collector.Record {
	for i := range events {
		if events[i].Type == typ {
			return &events[i]
		}
	}
	return nil
}

func (r *reference) figures() *Figures {
	f := &Figures{Since: r.from, Until: r.to, Start: r.start, Step: r.step, Zone: r.query.Zone.String(), Pages: []PageFigures{}, Losses: []Loss{}}
	r.countEvents(f)
	pages := map[string]*PageFigures{}
	page := func(url string) *PageFigures {
		if pages[url] == nil {
			pages[url] = &PageFigures{URL: url}
		}
		return pages[url]
	}
	reached := r.countViews(func(url string) { page(url).Views++ })
	r.countChats(f, func(url string) { page(url).Chats++ })
	r.countInjection(f)
	f.Injection.Listener, f.Injection.Loaded = reached["listener"], reached["Loaded"]
	f.Funnel = []Step{{Step: "injected"}}
	for _, o := range f.Injection.Results {
		if o.Result == "injected" {
			f.Funnel[0].Views += o.N
		}
	}
	for _, name := range []string{"listener", "Loaded", "WidgetShown", "WidgetClicked", "DatacollectionStarted"} {
		f.Funnel = append(f.Funnel, Step{name, reached[name], nil})
	}
	c := &f.Chats
	f.Funnel = append(f.Funnel, Step{"ChatStarted", reached["ChatStarted"], &c.Started}, Step{"ChatOnline", reached["ChatOnline"], &c.Online},
		Step{"ChatFinished", reached["ChatFinished"], &c.Finished})
	for _, p := range pages {
		f.Pages = append(f.Pages, *p)
	}
	slices.SortFunc(f.Pages, func(a, b PageFigures) int {
		return cmp.Or(cmp.Compare(b.Chats, a.Chats), cmp.Compare(b.Views, a.Views), cmp.Compare(a.URL, b.URL))
	})
	f.Pages = f.Pages[:min(20, len(f.Pages))]
	r.countLosses(f)
	return f
}

func (r *reference) countEvents(f *Figures) {
	types := []string{"Loaded", "WidgetShown", "WidgetHidden", "WidgetClicked", "DatacollectionStarted", "ChatStarted", "ChatOnline", "ChatFinished", "unknown"}
	for _, t := range types {
		f.Series = append(f.Series, Series{t, r.counts()})
	}
	for _, k := range []string{"Chat", "CallbackNow", "CallbackLater", "ClickToCall", "other"} {
		f.Clicks = append(f.Clicks, Click{k, 0})
	}
	flagged := map[string]*int64{"untrusted": &f.Flagged.Untrusted, "bot": &f.Flagged.Bot, "prerender": &f.Flagged.Prerender,
		"skew": &f.Flagged.Skew, "unknown_type": &f.Flagged.UnknownType, "bad_field": &f.Flagged.BadField}
	unknown := false
	for _, e := range r.records {
		if !r.within(int64(e.At)) || r.query.Site != "" && e.Site != r.query.Site {
			continue
		}
		for _, name := range e.Flags {
			*flagged[name]++
		}
		if !r.wanted(&e) {
			continue
		}
		i := slices.Index(types, e.Type)
		if i < 0 {
			i, unknown = len(types)-1, true
		}
		f.Series[i].Counts[(int64(e.At)-r.start)/r.step]++
		if e.Type == "WidgetClicked" {
			var o struct {
				Type any `json:"type"`
			}
			json.Unmarshal(e.Object, &o)
			k := slices.IndexFunc(f.Clicks, func(c Click) bool { return any(c.Kind) == o.Type })
			if k < 0 {
				k = 4
			}
			f.Clicks[k].N++
		}
	}
	if !unknown {
		f.Series = f.Series[:len(types)-1]
	}
	if f.Clicks[4].N == 0 {
		f.Clicks = f.Clicks[:4]
	}
}

func (r *reference) countViews(seen func(url string)) map[string]int64 {
	reached := map[string]int64{}
	views := r.groups(func(e *collector.Record) string {
		if e.Page == "" {
			return e.Site + "\nevent\n" + e.ID
		}
		return e.Site + "\npage\n" + e.Page
	})
	for _, view := range views {
		if !r.within(int64(view[0].At)) {
			continue
		}
		seen(view[0].URL)
		if view[0].Page != "" || view[0].Type == "Loaded" {
			reached["listener"]++
		}
		types := map[string]bool{}
		for _, e := range view {
			types[e.Type] = true
		}
		for t := range types {
			reached[t]++
		}
	}
	return reached
}

func (r *reference) countChats(f *Figures, began func(url string)) {
	const patience = 120_000
	f.Chats.MissedAfter = patience
	var waits, talks []int64
	for _, chat := range r.groups(func(e *collector.Record) string {
		if e.ChatID == "" {
			return ""
		}
		return e.Site + "\n" + e.ChatID
	}) {
		if !r.within(int64(chat[0].At)) {
			continue
		}
		start, online := first(chat, "ChatStarted"), first(chat, "ChatOnline")
		backwards := slices.Clone(chat)
		slices.Reverse(backwards)
		end := first(backwards, "ChatFinished")
		if start != nil {
			f.Chats.Started++
			began(start.URL)
			t := chat[0].At.Time().In(r.query.Zone)
			f.Hours[(t.Weekday()+6)%7][t.Hour()]++
			switch {
			case online != nil:
				waits = append(waits, max(int64(online.At-start.At), 0))
			case int64(start.At)+patience > r.now:
				f.Chats.Waiting++
			default:
				f.Chats.Missed++
			}
		}
		if online != nil {
			f.Chats.Online++
		}
		if end != nil {
			f.Chats.Finished++
		}
		if online != nil && end != nil {
			talks = append(talks, max(int64(end.At-online.At), 0))
		}
	}
	f.Chats.Wait, f.Chats.Duration = describe(waits, waitBounds), describe(talks, durationBounds)
}

func describe(all []int64, bounds []int64) (d Distribution) {
	slices.Sort(all)
	d.N = int64(len(all))
	if n := len(all); n > 0 {
		d.Median, d.P95 = all[(n+1)/2-1], all[(n*95+99)/100-1]
	}
	last := int64(-1)
	for _, to := range bounds {
		b := Bar{To: &to}
		for _, v := range all {
			if last < v && v <= to {
				b.N++
			}
		}
		d.Buckets, last = append(d.Buckets, b), to
	}
	above := Bar{}
	for _, v := range all {
		if v > last {
			above.N++
		}
	}
	d.Buckets = append(d.Buckets, above)
	return d
}

func (r *reference) countInjection(f *Figures) {
	f.Injection.Results, f.Injection.Series = []Outcome{}, []OutcomeSeries{}
	for _, c := range r.pages {
		if !r.within(c.Minute*60_000) || r.query.Site != "" && r.query.Site != c.Site {
			continue
		}
		i := slices.IndexFunc(f.Injection.Results, func(o Outcome) bool { return o.Result == c.Result && o.Reason == c.Reason })
		if i < 0 {
			i = len(f.Injection.Results)
			f.Injection.Results = append(f.Injection.Results, Outcome{c.Result, c.Reason, 0})
			f.Injection.Series = append(f.Injection.Series, OutcomeSeries{cmp.Or(c.Reason, c.Result), r.counts()})
		}
		f.Injection.Results[i].N += c.N
		f.Injection.Series[i].Counts[(c.Minute*60_000-r.start)/r.step] += c.N
	}
}

func (r *reference) countLosses(f *Figures) {
	firsts := map[[2]string]int64{}
	for _, e := range r.records {
		k := [2]string{e.Site, e.Page}
		if at, ok := firsts[k]; !ok || int64(e.At) < at {
			firsts[k] = int64(e.At)
		}
	}
	var refused, dropped, full, age int64
	for k, lost := range maps.All(r.pageLosses) {
		if at, ok := firsts[k]; ok && r.within(at) && (r.query.Site == "" || r.query.Site == k[0]) {
			refused, dropped = refused+lost[0], dropped+lost[1]-lost[1]/2-lost[1]/4
			full, age = full+lost[1]/2, age+lost[1]/4 // as world.random has them
		}
	}
	for _, l := range []Loss{{"page", "refused", refused}, {"page", "dropped", dropped}, {"page", "dropped_age", age}, {"page", "dropped_full", full}} {
		if l.N > 0 {
			f.Losses = append(f.Losses, l)
		}
	}
}

func (r *reference) previous() *Previous {
	q := *r
	q.from, q.to, q.start = r.from-(r.to-r.from), r.from, r.from-(r.to-r.from)
	f := q.figures()
	return &Previous{q.from, q.to, f.Funnel, f.Chats}
}

func minuteOf(t time.Time) int64 { return t.Unix() / 60 }
