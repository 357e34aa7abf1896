package pgtest

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestServerSurvivesKill(t *testing.T) {
	s := Start(t)
	dsn := s.Database(t)
	s.Exec(t, dsn, "CREATE TABLE kept (n int)")
	s.Exec(t, dsn, "INSERT INTO kept VALUES ($1)", 7)
	s.Kill()
	if c, err := pgx.Connect(t.Context(), dsn); err == nil {
		c.Close(t.Context())
		t.Error("a killed server answers")
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	c, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	var n int
	if err := c.QueryRow(t.Context(), "SELECT n FROM kept").Scan(&n); err != nil || n != 7 {
		t.Errorf("got %d, %v after a crash; want 7", n, err)
	}
}
