package report_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"ctlive/collector"
	"ctlive/collector/report"
)

func Example() {
	dir, err := os.MkdirTemp("", "report")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	store, err := collector.Open(dir, slog.Default())
	if err != nil {
		panic(err)
	}
	defer store.Close()
	figures, err := report.Open(dir, store, slog.Default())
	if err != nil {
		panic(err)
	}
	defer figures.Close()
	figures.Page("shop", "injected", "")

	events := collector.New(store, collector.Options{}).Handler(collector.Site{Name: "shop"})
	events.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/", strings.NewReader(
		`{"v":1,"page":"p1","url":"https://shop.test/","events":[{"type":"Loaded"},{"type":"WidgetShown"},{"type":"WidgetShown"}]}`)))

	figures.Start(context.Background())
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		f, err := figures.Query(context.Background(), report.Query{Site: "shop"})
		if err != nil {
			panic(err)
		}
		if f.Funnel[3].Views == 0 {
			continue
		}
		for _, step := range f.Funnel[:5] {
			fmt.Println(step.Step, step.Views)
		}
		break
	}
	// Output:
	// injected 1
	// listener 1
	// Loaded 1
	// WidgetShown 1
	// WidgetClicked 0
}
