package postgres_test

import (
	"fmt"
	"log"

	"ctlive/proxy/certify"
	"ctlive/proxy/certify/postgres"
)

// An edge that has its certificates in common with others. Nothing is asked of the
// database before the first certificate is wanted.
func Example() {
	shared, err := postgres.New(postgres.Options{DSN: "postgres://ctlive:secret@127.0.0.1/edges?sslmode=verify-full"})
	if err != nil {
		log.Fatal(err)
	}
	defer shared.Close() // after the manager
	fmt.Println(shared)

	_, err = postgres.New(postgres.Options{DSN: "postgres://ctlive:secret@127.0.0.1:port/edges"})
	fmt.Println(err != nil)

	// certify.New(certify.Options{Dir: …, Storage: shared, …})
	var _ certify.Storage = shared
	// Output:
	// PostgreSQL:127.0.0.1/edges
	// true
}
