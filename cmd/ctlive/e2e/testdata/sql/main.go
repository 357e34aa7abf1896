// Command sql runs statements on the SQLite database in a file, writes the first
// column of what a SELECT returns, a row a line, and then "done". It keeps the
// connection, and the locks of a transaction that a statement began, until its
// input ends:
//
//	sql FILE STATEMENT…
package main

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	_ "modernc.org/sqlite"
)

func main() {
	if len(os.Args) < 3 {
		log.Fatal("usage: sql FILE STATEMENT…")
	}
	db, err := sql.Open("sqlite", os.Args[1]+"?_pragma=busy_timeout(20000)")
	if err != nil {
		log.Fatal(err)
	}
	c, err := db.Conn(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	for _, statement := range os.Args[2:] {
		if err := run(c, statement); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println("done")
	io.Copy(io.Discard, os.Stdin)
	c.Close()
	db.Close()
}

func run(c *sql.Conn, statement string) error {
	if !strings.HasPrefix(statement, "SELECT") {
		_, err := c.ExecContext(context.Background(), statement)
		return err
	}
	rows, err := c.QueryContext(context.Background(), statement)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var value string
		if err := rows.Scan(&value); err != nil {
			return err
		}
		fmt.Println(value)
	}
	return rows.Err()
}
