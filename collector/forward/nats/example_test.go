package nats_test

import (
	"context"
	"fmt"
	"time"

	"ctlive/collector"
	"ctlive/collector/forward/nats"
)

func Example() {
	sink, err := nats.New(nats.Options{URL: "nats://127.0.0.1:1", Stream: "CHATS", Replicas: 3})
	if err != nil {
		panic(err)
	}
	defer sink.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err = sink.Send(ctx, []collector.Record{{ID: "e1", Site: "shop", Type: "ChatStarted"}})
	fmt.Println(err)
	// Output: nats stream CHATS: connect: nats: no servers available for connection
}
