package report

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"ctlive/collector/sqlite"
)

// missedAfter is how long a chat may wait for somebody before it is missed.
const missedAfter = 2 * time.Minute

// answer puts the figures of a query together, of what one transaction sees.
type answer struct {
	ctx    context.Context
	tx     *sql.Tx
	recent []PageCount
	query  Query
	extent
	now time.Time

	site int64
	at   progress
	sums *sums
}

// sums are the buckets of a range, added up.
type sums struct {
	counters        [counterEnd]int64
	series          [typeCount][]int64
	hours           [7][24]int64
	views, chats    []int64 // by URL
	wait, duration  []spell
	missed, waiting int64
	outcomes        map[outcome]*outcomeSum
}

// outcomeSum counts pages, in all and by step.
type outcomeSum struct {
	n      int64
	counts []int64
}

// spell is a duration and how often there was one.
type spell struct{ ms, n int64 }

// figures returns all but what the database does not have; Behind is the row that it has come to.
func (a *answer) figures() (*Figures, error) {
	if err := a.add(true); err != nil {
		return nil, err
	}
	sites, err := sqlite.Rows(a.ctx, a.tx, scanText, `SELECT name FROM sites ORDER BY name`)
	if err != nil {
		return nil, err
	}
	pages, err := a.topPages()
	if err != nil {
		return nil, err
	}
	s := a.sums
	f := &Figures{
		Since: a.from * 60_000, Until: a.to * 60_000, Start: a.start * 60_000, Step: a.step * 60_000, Zone: a.zone.String(),
		Sites: append([]string{}, sites...), Behind: a.at.row,
		Funnel: s.funnel(), Series: s.types(), Clicks: s.clicks(), Chats: s.chatFigures(), Hours: s.hours, Pages: pages,
		Losses: s.losses(), Flagged: s.flagged(), Injection: s.injection(),
		Certificates: []Certificate{}, Upstreams: []Upstream{}, Sinks: []Sink{},
	}
	return f, nil
}

func (a *answer) previous() (*Previous, error) {
	if err := a.add(false); err != nil {
		return nil, err
	}
	return &Previous{a.from * 60_000, a.to * 60_000, a.sums.funnel(), a.sums.chatFigures()}, nil
}

// add adds up the buckets of the range; detail says that more than totals are wanted.
func (a *answer) add(detail bool) (err error) {
	a.sums = &sums{outcomes: map[outcome]*outcomeSum{}}
	for i := range a.sums.series {
		a.sums.series[i] = make([]int64, a.steps())
	}
	if a.at, err = readProgress(a.ctx, a.tx); err != nil {
		return err
	}
	a.site = allSites
	if a.query.Site != "" {
		err := a.tx.QueryRowContext(a.ctx, `SELECT id FROM sites WHERE name = ?`, a.query.Site).Scan(&a.site)
		if err == sql.ErrNoRows {
			a.site, err = maxSite+1, nil // none has that number
		}
		if err != nil {
			return err
		}
	}
	names, err := a.outcomeNames()
	if err != nil {
		return err
	}
	var urls int64
	if err := a.tx.QueryRowContext(a.ctx, `SELECT coalesce(max(id), 0) FROM urls`).Scan(&urls); err != nil {
		return err
	}
	a.sums.views, a.sums.chats = make([]int64, urls+1), make([]int64, urls+1)
	for _, s := range stretches(a.from, a.to, a.top()) {
		if a.site > maxSite {
			break
		}
		if err := a.stretch(s, names, detail); err != nil {
			return err
		}
	}
	a.addRecent()
	return nil
}

func (a *answer) outcomeNames() (map[int64]outcome, error) {
	names := map[int64]outcome{}
	_, err := sqlite.Rows(a.ctx, a.tx, func(rows *sql.Rows) (struct{}, error) {
		var id int64
		var o outcome
		err := rows.Scan(&id, &o.result, &o.reason)
		names[id] = o
		return struct{}{}, err
	}, `SELECT id, result, reason FROM outcomes`)
	return names, err
}

// stretch adds the buckets of s.
func (a *answer) stretch(s stretch, names map[int64]outcome, detail bool) error {
	rows, err := a.tx.QueryContext(a.ctx, `SELECT id, data FROM buckets WHERE id >= ? AND id < ?`,
		int64(bucketAt(s.level, a.site, s.from)), int64(bucketAt(s.level, a.site, s.to)))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id bucketID
		var data sql.RawBytes
		if err := rows.Scan(&id, &data); err != nil {
			return err
		}
		if !a.bucket(id, data, names, detail) {
			return fmt.Errorf("%w: bucket %x", errDamaged, id)
		}
	}
	return rows.Err()
}

// bucket adds what one holds. It reports false if that makes no sense.
func (a *answer) bucket(id bucketID, data []byte, names map[int64]outcome, detail bool) bool {
	s := a.sums
	step := int((id.minute() - a.start) / a.step)
	local := time.Unix(id.minute()*60, 0).In(a.zone)
	hour := &s.hours[(local.Weekday()+6)%7][local.Hour()]
	patience := a.now.Add(-missedAfter).UnixMilli()
	ok := true
	return decode(data, func(k kind, value, n int64) {
		if k&ifDoubted != 0 && !a.query.Flagged {
			return
		}
		switch k &^ ifDoubted {
		case counters:
			if value >= counterEnd {
				return
			}
			s.counters[value] += n
			if value < types+typeCount {
				s.series[value-types][step] += n
			}
			if value == started {
				*hour += n
			}
		case pageViews:
			if ok = ok && value < int64(len(s.views)); ok && detail {
				s.views[value] += n
			}
		case pageChats:
			if ok = ok && value < int64(len(s.chats)); ok && detail {
				s.chats[value] += n
			}
		case waits:
			s.wait = append(s.wait, spell{value, n})
		case durations:
			s.duration = append(s.duration, spell{value, n})
		case unanswered:
			if value > patience {
				s.waiting += n
			} else {
				s.missed += n
			}
		case outcomes:
			a.outcome(names[value], step, n)
		}
	}) && ok
}

func (a *answer) outcome(o outcome, step int, n int64) {
	sum := a.sums.outcomes[o]
	if sum == nil {
		sum = &outcomeSum{counts: make([]int64, a.steps())}
		a.sums.outcomes[o] = sum
	}
	sum.n += n
	sum.counts[step] += n
}

// addRecent adds the counts of pages that are not in the figures yet: of this minute, usually.
func (a *answer) addRecent() {
	for _, c := range a.recent {
		if c.Position <= a.at.pages || c.Minute < a.from || c.Minute >= a.to || a.query.Site != "" && c.Site != a.query.Site {
			continue
		}
		a.outcome(outcome{"", c.Result, c.Reason}, int((c.Minute-a.start)/a.step), c.N)
	}
}

// total adds up the pages of a result.
func (s *sums) total(result string) (n int64) {
	for o, sum := range s.outcomes {
		if o.result == result {
			n += sum.n
		}
	}
	return n
}

func (s *sums) funnel() []Step {
	funnel := []Step{{Step: "injected", Views: s.total("injected")}}
	chats := map[string]int64{"ChatStarted": s.counters[started], "ChatOnline": s.counters[online], "ChatFinished": s.counters[finished]}
	for i, name := range stepNames {
		step := Step{Step: name, Views: s.counters[steps+i]}
		if n, ok := chats[name]; ok {
			step.Chats = &n
		}
		funnel = append(funnel, step)
	}
	return funnel
}

func (s *sums) types() []Series {
	var all []Series
	for i, name := range typeNames {
		if i != unknownType || s.counters[types+i] > 0 {
			all = append(all, Series{name, s.series[i]})
		}
	}
	return all
}

func (s *sums) clicks() []Click {
	var all []Click
	for i, name := range clickNames {
		if n := s.counters[clicks+i]; i != otherClick || n > 0 {
			all = append(all, Click{name, n})
		}
	}
	return all
}

func (s *sums) chatFigures() Chats {
	return Chats{
		Started: s.counters[started], Online: s.counters[online], Finished: s.counters[finished],
		Missed: s.missed, Waiting: s.waiting, MissedAfter: missedAfter.Milliseconds(),
		Wait:     distribution(s.wait, waitBounds),
		Duration: distribution(s.duration, durationBounds),
	}
}

func (s *sums) losses() []Loss {
	all := []Loss{}
	reasons := []string{"refused", "dropped"}
	for _, name := range lostNames {
		reasons = append(reasons, "dropped_"+name)
	}
	for i, reason := range reasons {
		if n := s.counters[refused+i]; n > 0 {
			all = append(all, Loss{"page", reason, n})
		}
	}
	return all
}

func (s *sums) flagged() Flagged {
	n := s.counters[flags:]
	return Flagged{UnknownType: n[0], BadField: n[1], Untrusted: n[2], Bot: n[3], Prerender: n[4], Skew: n[5]}
}

func (s *sums) injection() Injection {
	in := Injection{Results: []Outcome{}, Series: []OutcomeSeries{}, Listener: s.counters[steps], Loaded: s.counters[steps+1]}
	all := make([]outcome, 0, len(s.outcomes))
	for o := range s.outcomes {
		all = append(all, o)
	}
	slices.SortFunc(all, func(a, b outcome) int {
		return cmp.Or(cmp.Compare(s.outcomes[b].n, s.outcomes[a].n), cmp.Compare(a.result, b.result), cmp.Compare(a.reason, b.reason))
	})
	for _, o := range all {
		sum := s.outcomes[o]
		in.Results = append(in.Results, Outcome{o.result, o.reason, sum.n})
		in.Series = append(in.Series, OutcomeSeries{cmp.Or(o.reason, o.result), sum.counts})
	}
	return in
}
