package sqlite_test

import (
	"fmt"
	"os"
	"path/filepath"

	"ctlive/collector/sqlite"
)

func Example() {
	dir, _ := os.MkdirTemp("", "")
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "numbers.db")
	if _, err := sqlite.Create(path); err != nil {
		panic(err)
	}
	db, err := sqlite.Open(path, "rw", 1, "_pragma=journal_mode(WAL)", "_pragma=synchronous(NORMAL)")
	if err != nil {
		panic(err)
	}
	defer db.Close()
	var sum int
	if err := db.QueryRow(`SELECT 20 + 22`).Scan(&sum); err != nil {
		panic(err)
	}
	fmt.Println(sum)
	// Output: 42
}
