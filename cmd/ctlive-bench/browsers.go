package main

import (
	"fmt"
	"sync"
)

// browsers are connections that are used at the same time. Some may be nil.
type browsers []browser

func (all browsers) close() {
	for _, b := range all {
		if b != nil {
			b.Close()
		}
	}
}

// each calls work for all at the same time, waits for all, and returns the first error.
func (all browsers) each(work func(i int) error) error {
	var running sync.WaitGroup
	var once sync.Once
	var first error
	for i := range all {
		running.Go(func() {
			if err := work(i); err != nil {
				once.Do(func() { first = fmt.Errorf("connection %d: %w", i, err) })
			}
		})
	}
	running.Wait()
	return first
}
