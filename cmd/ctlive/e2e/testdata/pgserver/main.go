// Command pgserver starts a throw-away PostgreSQL server, prints its DSN, and passes on the events of
// the stores in the folders that are its arguments, as edges do, until it is killed. A line "stop" on
// stdin stops the server, "start" starts it again; each is answered with the same word.
package main

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"log/slog"
	"os"
	"time"

	"ctlive/collector"
	"ctlive/collector/forward/postgres"
	"ctlive/collector/forward/postgres/pgtest"
)

func main() {
	server, err := pgtest.New()
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	dsn := server.DSN("postgres")
	fmt.Println(dsn)
	for _, dir := range os.Args[1:] {
		go forward(dsn, dir)
	}
	for commands := bufio.NewScanner(os.Stdin); commands.Scan(); {
		switch commands.Text() {
		case "stop":
			server.Stop()
		case "start":
			if err := server.Start(); err != nil {
				log.Fatal(err)
			}
		}
		fmt.Println(commands.Text())
	}
}

// forward sends what is stored in a folder, again and again after an error.
func forward(dsn, dir string) {
	sink, err := postgres.New(postgres.Options{DSN: dsn, Table: "ctlive_events", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		log.Fatal(err)
	}
	store, err := collector.OpenReadOnly(dir)
	if err != nil {
		log.Fatal(err)
	}
	for row := int64(0); ; time.Sleep(100 * time.Millisecond) {
		events, err := store.After(context.Background(), row, 100)
		if err != nil {
			log.Fatal(err)
		}
		if len(events) > 0 && sink.Send(context.Background(), events) == nil {
			row = events[len(events)-1].Row
		}
	}
}
