package collector

// Bounds of what is believed of a page's clock.
const (
	// clockTolerance is how far a batch's sent_at may be from its arrival before the clock counts as
	// wrong: requests take their time on the way.
	clockTolerance Millis = 60_000

	monoTolerance Millis = 1_000           // rounding, and clocks that are set smoothly
	oldestEvent          = 366 * dayMillis // events wait in a queue while a browser is closed
)

// correctTimes corrects the times of b's events where the page's clock is wrong, notes what the page
// said, and flags them [Skew]:
//
//   - if sent_at is more than a minute from the arrival, all times move by that difference (which
//     holds the time on the way as well, some tenths of a second);
//   - if the clock was set back between two events, the earlier one is put as far before the later
//     one as the page's monotonic clock says, or further;
//   - a time that is still more than a minute after the arrival, or more than 366 days before it, is
//     replaced by that of the arrival.
//
// Times that were not sent are those of the arrival, and are not touched.
func (b *batch) correctTimes(received Millis) {
	offset := Millis(0)
	if gap := received - b.sentAt; b.dated && (gap > clockTolerance || gap < -clockTolerance) {
		offset = gap
	}
	var later *event // the next one on the page's monotonic clock
	for i := len(b.events) - 1; i >= 0; i-- {
		e := &b.events[i]
		if !e.dated {
			continue
		}
		e.correct(offset, later, received)
		if e.mono > 0 {
			later = e
		}
	}
}

func (e *event) correct(offset Millis, later *event, received Millis) {
	at := e.at + offset
	if later != nil && e.mono > 0 && e.mono <= later.mono {
		if latest := later.at - Millis(later.mono-e.mono); at > latest+monoTolerance {
			at = latest
		}
	}
	if at > received+clockTolerance || at < received-oldestEvent || at < 0 {
		at = received
	}
	if at != e.at {
		e.at, e.was = at, e.at
		e.flags |= Skew
	}
}
