package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/spf13/cobra"

	"ctlive/assets/dashboard"
	"ctlive/collector"
	"ctlive/collector/forward/postgres"
	"ctlive/collector/report"
	"ctlive/configs"
	"ctlive/proxy"
)

const (
	tokenVariable = "CTLIVE_ADMIN_TOKEN"
	dsnVariable   = "CTLIVE_DSN"
	readyPatience = 5 * time.Second
)

// shared says where the events of all edges are, and how their dashboard is served.
type shared struct {
	dsn, table    string
	listen, token string
	data          string
	name          string // of a folder, instead of data
}

func dashboardCommand() *cobra.Command {
	var s shared
	c := &cobra.Command{
		Use:   "dashboard --dsn DSN",
		Short: "Serve the dashboard over the events of many edges in PostgreSQL",
		Long: "Serve the dashboard and its API over the events that edges forward to a table in PostgreSQL\n" +
			"(collector.forward in their configuration). It only reads, that table and those beside it.\n\n" +
			"The figures are counted into a folder of their own, which may be deleted at any time.\n" +
			"The password may come from the environment instead, as $" + dsnVariable + " or $PGPASSWORD:\n" +
			"whoever is on this machine can read the arguments of its processes.",
		Example: "  ctlive dashboard --dsn postgres://reader@db.internal/ctlive\n" +
			"  " + tokenVariable + "=… ctlive dashboard --dsn postgres://reader@db.internal/ctlive --listen :9180",
		Args: cobra.NoArgs,
		PreRunE: func(*cobra.Command, []string) error {
			s.token = cmp.Or(s.token, os.Getenv(tokenVariable))
			s.dsn = cmp.Or(s.dsn, os.Getenv(dsnVariable))
			return s.check()
		},
		RunE: action(func(c *cobra.Command) error {
			return s.serve(c.Context(), newLogger(c.ErrOrStderr(), configs.Default().Log))
		}),
	}
	c.Flags().StringVar(&s.dsn, "dsn", "", "`DSN` of the database, as in postgres://USER@HOST:5432/DATABASE (default $"+dsnVariable+")")
	c.Flags().StringVar(&s.table, "table", "ctlive_events", "`NAME` of the table, as the edges have it")
	c.Flags().StringVar(&s.listen, "listen", configs.Default().Admin.Listen, "`ADDR` to listen on")
	c.Flags().StringVar(&s.token, "token", "", "`TOKEN` that every request must carry (default $"+tokenVariable+")")
	c.Flags().StringVar(&s.data, "data", "", "folder `DIR` for the figures (default one in the user's cache folder)")
	return c
}

// check refuses what would serve nothing, or everybody.
func (s *shared) check() (err error) {
	if s.dsn == "" {
		return errors.New("--dsn is missing: it names the database, as in postgres://USER@HOST:5432/DATABASE")
	}
	if s.name, err = cacheName(s.dsn, s.table); err != nil {
		return err
	}
	if _, err := postgres.New(postgres.Options{DSN: s.dsn, Table: s.table}); err != nil { // it connects to nothing
		return err
	}
	if s.token == "" && !configs.Loopback(s.listen) {
		return fmt.Errorf("--listen %s: other machines can connect to it, so that a token is needed: set $%s or --token", s.listen, tokenVariable)
	}
	return nil
}

// serve serves until ctx ends.
func (s *shared) serve(ctx context.Context, log *slog.Logger) error {
	slog.SetDefault(log)
	events, err := postgres.Open(ctx, postgres.Options{DSN: s.dsn, Table: s.table, Logger: log})
	if err != nil {
		return hinted(err)
	}
	defer events.Close()
	cache, err := openCache(s.data, s.name)
	if err != nil {
		return err
	}
	defer cache.close()
	figures, err := report.OpenSource(cache.path("report.db"), events, events, log)
	if err != nil {
		return err
	}
	defer figures.Close()
	sockets, err := proxy.Open(proxy.Addresses{Admin: s.listen})
	if err != nil {
		return err
	}
	server := proxy.NewServer(proxy.ServerOptions{
		Sockets: sockets, Admin: s.admin(events, figures, log), Logger: log,
		Stopping: func() { notify(log, daemon.SdNotifyStopping) },
	})
	figures.Start(ctx)
	log.Info("ready", "admin", address(sockets.Admin), "table", s.table, "data", cache.dir)
	notify(log, daemon.SdNotifyReady)
	return server.Serve(ctx)
}

// hinted adds what to do about an error in reaching the tables.
func hinted(err error) error {
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return fmt.Errorf("%w\nIs PostgreSQL running there, and may this user log in? Mend --dsn, or $PGPASSWORD, or its pg_hba.conf", err)
	}
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok && refused.Code == "42501" { // insufficient_privilege
		return fmt.Errorf("%w\nGive this user the right to read: GRANT SELECT on the table and on those whose names begin with its name", err)
	}
	return err
}

// admin returns what is served. Of a proxy there is nothing: no metrics, no
// configuration to reload, no page to explain.
func (s *shared) admin(events *postgres.Events, figures *report.Report, log *slog.Logger) http.Handler {
	api := http.NewServeMux()
	api.Handle("/api/", collector.API(events, log))
	api.Handle("/api/report", report.Handler(figures, func(f *report.Figures) { f.Shared = true }))
	api.HandleFunc("GET /api/explain", noProxy)
	return &proxy.Admin{Dashboard: dashboard.Handler(), API: api, Ready: func() error { return answers(events) }, Token: s.token}
}

// answers returns nil while the database does. Why it does not is for the log:
// whoever asks carries no token.
func answers(events *postgres.Events) error {
	ctx, cancel := context.WithTimeout(context.Background(), readyPatience)
	defer cancel()
	if _, err := events.LastRow(ctx); err != nil {
		return errors.New("PostgreSQL cannot be read, the log says why")
	}
	return nil
}

func noProxy(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Write([]byte(`{"findings":[],"error":"This dashboard has no proxy: ask /api/explain of an edge's admin listener, or run ctlive explain there."}` + "\n"))
}
