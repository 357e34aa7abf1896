package postgres_test

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/go-json-experiment/json/jsontext"

	"ctlive/collector"
	"ctlive/collector/forward/postgres"
)

// It needs a server, so that it is compiled and not run.
func Example() {
	where := postgres.Options{
		DSN:   "postgres://ctlive@db.example.com/stats?sslmode=verify-full", // the password is in PGPASSWORD
		Table: "ctlive_events", Logger: slog.Default(),
	}
	ctx := context.Background()
	sink, err := postgres.New(where)
	if err != nil {
		panic(err)
	}
	defer sink.Close()
	err = sink.Send(ctx, []collector.Record{{ID: "e1", Site: "shop", Type: "ChatStarted", ChatID: "c1", Object: jsontext.Value(`{"chatID":"c1"}`)}})
	if err != nil {
		panic(err)
	}

	events, err := postgres.Open(ctx, where)
	if err != nil {
		panic(err)
	}
	defer events.Close()
	for e, err := range events.Events(ctx, collector.Filter{Chat: "c1"}) {
		fmt.Println(e.At, e.Type, err)
	}
}
