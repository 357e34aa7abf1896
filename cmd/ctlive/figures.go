package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"

	"ctlive/collector"
	"ctlive/collector/report"
)

const (
	barCells   = 20
	sparkCells = 40
)

// writeFigures writes f and the account for people, in 80 columns.
func writeFigures(w io.Writer, f *report.Figures, account collector.Stats) error {
	t := &text{w: w}
	t.head(f)
	t.funnel(f.Funnel)
	t.chats(f.Chats)
	t.events(f.Series)
	t.clicks(f.Clicks)
	t.account(account)
	return t.err
}

// text writes lines, without the blanks at their ends, until something fails.
type text struct {
	w   io.Writer
	err error // sticky
}

func (t *text) printf(format string, args ...any) {
	if t.err == nil {
		_, t.err = io.WriteString(t.w, strings.TrimRight(fmt.Sprintf(format, args...), " \n")+"\n")
	}
}

func (t *text) blank() { t.printf("") }

func (t *text) head(f *report.Figures) {
	const layout = "2006-01-02 15:04"
	since, until := time.UnixMilli(f.Since).UTC(), time.UnixMilli(f.Until).UTC()
	t.printf("From %s to %s UTC", since.Format(layout), until.Format(layout))
	if f.Behind > 0 {
		t.printf("%s events are stored and not counted yet.", thousands(f.Behind))
	}
	if f.Funnel[0].Views+f.Funnel[1].Views == 0 {
		t.printf("Nothing happened in that time. Look further back with --since 30d.")
	}
}

// funnel writes each step with the share of the one before that reached it.
func (t *text) funnel(steps []report.Step) {
	t.blank()
	t.printf("%-22s %10s %6s  %-*s %9s %6s", "FUNNEL", "VIEWS", "", barCells, "", "CHATS", "")
	most := int64(1)
	for _, s := range steps {
		most = max(most, s.Views)
	}
	var above report.Step
	for _, s := range steps {
		chats, kept := "", ""
		if s.Chats != nil {
			chats, kept = thousands(*s.Chats), chatShare(*s.Chats, above.Chats)
		}
		t.printf("%-22s %10s %6s  %-*s %9s %6s", s.Step, thousands(s.Views), share(s.Views, above.Views), barCells, bar(s.Views, most), chats, kept)
		above = s
	}
}

func chatShare(n int64, above *int64) string {
	if above == nil {
		return ""
	}
	return share(n, *above)
}

func (t *text) chats(c report.Chats) {
	t.blank()
	t.printf("CHATS\n%s started, %s online, %s finished, %s missed (nobody within %s), %s waiting",
		thousands(c.Started), thousands(c.Online), thousands(c.Finished), thousands(c.Missed), span(c.MissedAfter), thousands(c.Waiting))
	for _, d := range []struct {
		name string
		report.Distribution
	}{{"Waiting time", c.Wait}, {"Duration", c.Duration}} {
		if d.N == 0 {
			t.printf("%-14s none yet", d.name)
			continue
		}
		t.printf("%-14s median %s, 95 in 100 within %s (of %s)", d.name, span(d.Median), span(d.P95), thousands(d.N))
	}
}

func (t *text) events(all []report.Series) {
	t.blank()
	t.printf("%-22s %10s  OVER TIME", "EVENTS", "")
	for _, s := range all {
		n := int64(0)
		for _, count := range s.Counts {
			n += count
		}
		t.printf("%-22s %10s  %s", s.Type, thousands(n), sparkline(s.Counts, sparkCells))
	}
}

func (t *text) clicks(all []report.Click) {
	t.blank()
	t.printf("CLICKS")
	most := int64(1)
	for _, c := range all {
		most = max(most, c.N)
	}
	for _, c := range all {
		t.printf("%-22s %10s         %s", c.Kind, thousands(c.N), bar(c.N, most))
	}
}

// account writes what became of every message, since the store began.
func (t *text) account(s collector.Stats) {
	t.blank()
	t.printf("EVERY MESSAGE SINCE THE STORE BEGAN")
	t.printf("%-18s %9s %9s %9s %8s %8s %8s", "SITE", "SEEN", "= STORED", "+REJECTED", "+REFUSED", "+DROPPED", "+PENDING")
	for _, a := range s.Accounts {
		t.printf("%-18s %9d %9d %9d %8d %8d %8d", cell(a.Site, 18), a.Seen, a.Stored, a.Rejected, a.Refused, a.Dropped, a.Pending)
		if a.Doubtful > 0 || a.Duplicate > 0 {
			t.printf("%-18s of those stored %d are doubtful; %d came again", "", a.Doubtful, a.Duplicate)
		}
	}
	if len(s.Losses) == 0 {
		return
	}
	t.blank()
	t.printf("%-34s  %-32s %9s", "SITE", "LOST", "TIMES")
	for _, l := range s.Losses {
		t.printf("%-34s  %-32s %9d", cell(l.Site, 34), cell(l.Reason, 32), l.Count)
	}
}

// cell returns s for a column of that many characters, without what a terminal would obey.
func cell(s string, width int) string {
	runes := []rune(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s))
	if len(runes) > width {
		runes = append(runes[:width-1], '…')
	}
	return string(runes)
}

// thousands returns n with commas.
func thousands(n int64) string {
	if n < 0 {
		return "-" + thousands(-n)
	}
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// share returns n as a percentage of all, "" of nothing.
func share(n, all int64) string {
	if all == 0 {
		return ""
	}
	percent := 100 * float64(n) / float64(all)
	if percent >= 9.95 {
		return fmt.Sprintf("%.0f%%", percent)
	}
	return fmt.Sprintf("%.1f%%", percent)
}

// bar returns n of most as a bar of up to barCells cells, in eighths.
func bar(n, most int64) string {
	const eighths = " ▏▎▍▌▋▊▉"
	if n <= 0 {
		return ""
	}
	cells := max(int(float64(n)/float64(most)*barCells*8+.5), 1)
	s := strings.Repeat("█", cells/8)
	if cells%8 > 0 {
		s += string([]rune(eighths)[cells%8])
	}
	return s
}

// sparkline draws counts in at most that many cells. Only nought has an empty one.
func sparkline(counts []int64, cells int) string {
	const heights = " ▁▂▃▄▅▆▇█"
	counts = squeeze(counts, cells)
	most := int64(1)
	for _, n := range counts {
		most = max(most, n)
	}
	line := make([]rune, len(counts))
	for i, n := range counts {
		line[i] = []rune(heights)[(max(n, 0)*8+most-1)/most]
	}
	return strings.TrimRight(string(line), " ")
}

// squeeze adds up neighbours, as many for each cell, until the counts fit.
func squeeze(counts []int64, cells int) []int64 {
	each := (len(counts) + cells - 1) / cells
	if each <= 1 {
		return counts
	}
	var out []int64
	for i, n := range counts {
		if i%each == 0 {
			out = append(out, 0)
		}
		out[len(out)-1] += n
	}
	return out
}

// span returns a duration as people say it, to two units.
func span(ms int64) string {
	d := time.Duration(ms) * time.Millisecond
	switch {
	case d < 10*time.Second:
		return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + "s"
	case d < time.Minute:
		return fmt.Sprintf("%.0fs", d.Seconds())
	case d < time.Hour:
		return units(d.Round(time.Second), time.Minute, "m", time.Second, "s")
	}
	return units(d.Round(time.Minute), time.Hour, "h", time.Minute, "m")
}

func units(d, large time.Duration, largeName string, small time.Duration, smallName string) string {
	s := strconv.Itoa(int(d/large)) + largeName
	if rest := d % large / small; rest > 0 {
		s += strconv.Itoa(int(rest)) + smallName
	}
	return s
}
