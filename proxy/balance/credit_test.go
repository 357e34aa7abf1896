package balance

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestCredit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCredit()
		for range 10 * fullCredit { // it cannot be overdrawn
			c.spend()
		}
		start := time.Now()
		for range 64 {
			if err := c.wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if d := time.Since(start); d < 900*time.Millisecond || d > 1100*time.Millisecond {
			t.Errorf("64 connections took %v, want a second", d)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := c.wait(ctx); err != context.DeadlineExceeded {
			t.Errorf("impatient: %v", err)
		}
		time.Sleep(time.Hour)
		if c.granted(); c.have != fullCredit {
			t.Errorf("%d after an hour, want %d", c.have, fullCredit)
		}
	})
}
