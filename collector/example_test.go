package collector_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"ctlive/collector"
)

func Example() {
	dir, err := os.MkdirTemp("", "ctlive")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	store, err := collector.Open(dir, slog.Default())
	if err != nil {
		panic(err)
	}
	defer store.Close()

	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	c := collector.New(store, collector.Options{Now: func() time.Time { return noon }})
	shop := collector.Site{Name: "shop", Hosts: []string{"www.example.com"}}
	srv := httptest.NewServer(c.Handler(shop))
	defer srv.Close()

	const batch = `{"v":1,"page":"p1","url":"https://www.example.com/","events":[
		{"id":"e1","at":1795348799000,"type":"ChatStarted","object":{"chatID":"c1","userID":"u1"}},
		{"id":"e1","at":1795348799000,"type":"ChatStarted","object":{"chatID":"c1","userID":"u1"}}]}`
	res, err := http.Post(srv.URL, "text/plain", strings.NewReader(batch))
	if err != nil {
		panic(err)
	}
	defer res.Body.Close()
	fmt.Println(res.Status)
	for event, err := range store.Events(context.Background(), collector.Filter{Type: "ChatStarted"}) {
		if err != nil {
			panic(err)
		}
		fmt.Println(event.At, event.Site, event.ChatID, event.Client, string(event.Object))
	}
	// Output:
	// 200 OK
	// 2026-11-22T11:59:59.000Z shop c1 127.0.0.0 {"chatID":"c1","userID":"u1"}
}
