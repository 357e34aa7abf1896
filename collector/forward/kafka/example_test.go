package kafka_test

import (
	"context"
	"fmt"
	"time"

	"ctlive/collector"
	"ctlive/collector/forward/kafka"
)

func Example() {
	sink, err := kafka.New(kafka.Options{Brokers: []string{"127.0.0.1:1"}, Topic: "chats"})
	if err != nil {
		panic(err)
	}
	defer sink.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err = sink.Send(ctx, []collector.Record{{ID: "e1", Site: "shop", Type: "ChatStarted"}})
	fmt.Println(err)
	// Output: kafka topic chats: connect: unable to dial: dial tcp 127.0.0.1:1: connect: connection refused
}
