package forward_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"strings"

	"ctlive/collector"
	"ctlive/collector/forward"
)

// printer is a sink that keeps events on paper.
type printer struct{ done chan struct{} }

func (p printer) Send(_ context.Context, events []collector.Record) error {
	for _, e := range events {
		fmt.Println(e.Site, e.Type, e.ID)
	}
	close(p.done)
	return nil
}

func (p printer) Erase(context.Context, []collector.Erasure) error { return nil }
func (p printer) Close() error                                     { return nil }

func Example() {
	dir, _ := os.MkdirTemp("", "")
	defer os.RemoveAll(dir)
	log := slog.New(slog.DiscardHandler)
	store, _ := collector.Open(dir, log)
	defer store.Close()

	sink := printer{make(chan struct{})}
	f, _ := forward.New(forward.Options{Dir: dir, Store: store, Sinks: map[string]forward.Sink{"printer": sink}, Logger: log})
	defer f.Close()
	f.Start(context.Background())

	intake := collector.New(store, collector.Options{}).Handler(collector.Site{Name: "a.test"})
	body := strings.NewReader(`{"v":1,"events":[{"id":"e1","type":"Loaded"}]}`)
	intake.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/", body))
	<-sink.done
	// Output: a.test Loaded e1
}
