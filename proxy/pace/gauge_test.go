package pace

import (
	"testing"
	"time"
)

// A byte that arrives between the verdict and the cut delays the cut, and no more.
func TestTrickleAtTheCut(t *testing.T) {
	const window = 30 * time.Second
	var g gauge
	sweeps := 0
	for sweeps < 40 {
		sweeps++
		g.begin()
		mark, slow := g.slow(time.Second, time.Minute, window, 240)
		late := sweeps == 30 || sweeps == 31
		if late {
			g.end(1)
		}
		if slow && g.cut(mark) {
			break
		}
		if !late {
			g.end(1)
		}
	}
	if !g.wasCut() || sweeps != 32 {
		t.Errorf("cut: %t, after %d s", g.wasCut(), sweeps)
	}
}
