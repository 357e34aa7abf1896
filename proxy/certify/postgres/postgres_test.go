package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"

	"ctlive/collector/forward/postgres/pgtest"
	"ctlive/proxy/certify"
)

func open(t *testing.T, o Options) *Store {
	t.Helper()
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func put(t *testing.T, s certmagic.Storage, keys ...string) {
	t.Helper()
	for _, key := range keys {
		if err := s.Store(t.Context(), key, []byte("value of "+key)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestContract(t *testing.T) {
	server := pgtest.Start(t)
	s := open(t, Options{DSN: server.Database(t)})
	ctx := t.Context()
	put(t, s, "a/b/c", "a/b/d", "a/bc", "a0", "a.b/c", "a%/x", "a_/x", "ab/c", "ü/ö", `a\/x`)

	t.Run("load", func(t *testing.T) {
		for _, key := range []string{"a/b/c", "a%/x", "ü/ö", `a\/x`, "/a//b/c/", "a/../a/b/c"} {
			value, err := s.Load(ctx, key)
			if want := "value of " + clean(key); err != nil || string(value) != want {
				t.Errorf("%q: got %q, %v; want %q", key, value, err, want)
			}
		}
		for _, key := range []string{"a", "a/b", "x", "a/b/c/d", "A/b/c"} {
			if _, err := s.Load(ctx, key); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, certify.ErrStorage) {
				t.Errorf("%q: got %v, want fs.ErrNotExist", key, err)
			}
		}
	})
	t.Run("list", func(t *testing.T) {
		for _, c := range []struct {
			prefix    string
			recursive bool
			want      string
		}{
			{"a", false, "a/b a/bc"},
			{"a", true, "a/b a/b/c a/b/d a/bc"},
			{"a/b", false, "a/b/c a/b/d"},
			{"a/b/", true, "a/b/c a/b/d"},
			{"a%", false, "a%/x"},
			{"a_", true, "a_/x"},
			{`a\`, true, `a\/x`},
			{"", false, `a a% a.b a0 a\ a_ ab ü`},
			{"ü", false, "ü/ö"},
			{"a/b/c", false, ""},
		} {
			got, err := s.List(ctx, c.prefix, c.recursive)
			slices.Sort(got)
			if err != nil || strings.Join(got, " ") != c.want {
				t.Errorf("%q, %v: got %q, %v; want %q", c.prefix, c.recursive, got, err, c.want)
			}
		}
		for _, prefix := range []string{"x", "a/bb", "%", "_", "a/b/c/d"} {
			if got, err := s.List(ctx, prefix, true); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%q: got %q, %v; want fs.ErrNotExist", prefix, got, err)
			}
		}
	})
	t.Run("stat", func(t *testing.T) {
		for key, want := range map[string]certmagic.KeyInfo{
			"a/b/c": {Size: 14, IsTerminal: true}, "a/b": {}, "a": {}, "a0": {Size: 11, IsTerminal: true}, "": {},
		} {
			got, err := s.Stat(ctx, key)
			age := time.Since(got.Modified)
			if err != nil || got.Key != key || got.Size != want.Size || got.IsTerminal != want.IsTerminal || age.Abs() > time.Minute {
				t.Errorf("%q: got %+v, %v; want %+v", key, got, err, want)
			}
			if !s.Exists(ctx, key) {
				t.Errorf("%q does not exist", key)
			}
		}
		if _, err := s.Stat(ctx, "a/bb"); !errors.Is(err, fs.ErrNotExist) || s.Exists(ctx, "a/bb") {
			t.Errorf("a/bb: got %v, want fs.ErrNotExist", err)
		}
	})
	t.Run("store again", func(t *testing.T) {
		for _, value := range [][]byte{nil, {0, 255}, []byte(strings.Repeat("x", maxValue))} {
			if err := s.Store(ctx, "again", value); err != nil {
				t.Fatal(err)
			}
			if got, err := s.Load(ctx, "again"); err != nil || string(got) != string(value) {
				t.Errorf("%d bytes: got %d, %v", len(value), len(got), err)
			}
		}
		if err := s.Store(ctx, "again", make([]byte, maxValue+1)); err == nil {
			t.Error("too large a value is stored")
		}
	})
	t.Run("delete", func(t *testing.T) {
		for _, key := range []string{"a/b", "a/b", "nothing"} {
			if err := s.Delete(ctx, key); err != nil {
				t.Errorf("%q: %v", key, err)
			}
		}
		for key, want := range map[string]bool{"a/b/c": false, "a/b": false, "a/bc": true, "a0": true, "a.b/c": true} {
			if s.Exists(ctx, key) != want {
				t.Errorf("%q exists: %v", key, !want)
			}
		}
		if err := s.Delete(ctx, "/"); !errors.Is(err, fs.ErrInvalid) || !s.Exists(ctx, "a0") {
			t.Errorf("the root: got %v, want a refusal", err)
		}
	})
	t.Run("ended context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := s.Load(ctx, "a0"); !errors.Is(err, context.Canceled) || errors.Is(err, certify.ErrStorage) {
			t.Errorf("got %v", err)
		}
	})
}

// TestLikeFiles: whatever is done to both, the store says what certmagic's own
// storage in files says.
func TestLikeFiles(t *testing.T) {
	server := pgtest.Start(t)
	s := open(t, Options{DSN: server.Database(t)})
	files := &certmagic.FileStorage{Path: filepath.Join(t.TempDir(), "files")}
	random := rand.New(rand.NewPCG(1, 2))
	// A name has one role, as files demand: those with a dot are values.
	parts := []string{"a", "b", "ab", "a_", "a%"}
	key := func(value bool) string {
		var k []string
		for range random.IntN(3) {
			k = append(k, parts[random.IntN(len(parts))])
		}
		if value || len(k) == 0 {
			k = append(k, parts[random.IntN(len(parts))]+".v")
		}
		return strings.Join(k, "/")
	}
	for step := range 150 {
		k := key(random.IntN(4) > 0)
		switch random.IntN(4) {
		case 0:
			if err := s.Delete(t.Context(), k); err != nil {
				t.Fatal(err)
			}
			files.Delete(t.Context(), k)
			prune(files.Path)
		default:
			k = key(true)
			put(t, s, k)
			put(t, files, k)
		}
		for _, k := range []string{k, key(false), ""} {
			if got, want := about(s, k), about(files, k); got != want {
				t.Fatalf("step %d: %q: got\n%s\nwant\n%s", step, k, got, want)
			}
		}
	}
}

// about is everything that a storage says of key.
func about(s certmagic.Storage, key string) string {
	ctx := context.Background()
	value, err := s.Load(ctx, key)
	text := fmt.Sprintf("load %q %v, exists %v", value, err == nil, s.Exists(ctx, key))
	info, err := s.Stat(ctx, key)
	text += fmt.Sprintf(", stat %v %v", info.IsTerminal, errors.Is(err, fs.ErrNotExist))
	if info.IsTerminal {
		text += fmt.Sprint(" ", info.Size)
	}
	for _, recursive := range []bool{false, true} {
		keys, err := s.List(ctx, key, recursive)
		slices.Sort(keys)
		text += fmt.Sprintf(", list %q %v", keys, errors.Is(err, fs.ErrNotExist))
	}
	return text
}

// prune removes empty folders, which only files have.
func prune(dir string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if e.IsDir() {
			prune(filepath.Join(dir, e.Name()))
		}
	}
	os.Remove(dir) // fails unless empty
}

// TestTables: edges that start together make the tables once; a user who may make
// none can use them.
func TestTables(t *testing.T) {
	server := pgtest.Start(t)
	dsn := server.Database(t)
	errs := make(chan error)
	for range 8 {
		s := open(t, Options{DSN: dsn})
		go func() { errs <- s.Store(context.Background(), "a", []byte("x")) }()
	}
	for range 8 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	server.Exec(t, dsn, `CREATE USER reader; REVOKE CREATE ON SCHEMA public FROM PUBLIC;`)
	server.Exec(t, dsn, `GRANT SELECT, INSERT, UPDATE, DELETE ON ctlive_certificates, ctlive_certificate_locks TO reader`)
	s := open(t, Options{DSN: strings.Replace(dsn, "postgres@", "reader@", 1)})
	put(t, s, "b")
	if err := s.Lock(t.Context(), "l"); err != nil {
		t.Error(err)
	}
	server.Exec(t, dsn, `DROP TABLE ctlive_certificates`)
	if err := s.Store(t.Context(), "b", nil); !errors.Is(err, certify.ErrStorage) {
		t.Errorf("no table: got %v", err)
	}
	if err := open(t, Options{DSN: dsn}).Store(t.Context(), "b", nil); err != nil {
		t.Errorf("no table, and a user who may make one: %v", err)
	}
}

// TestOutage: without its server the store fails at once, says so once, and is back
// with the server.
func TestOutage(t *testing.T) {
	server := pgtest.Start(t)
	log := new(strings.Builder)
	s := open(t, Options{DSN: server.Database(t), Logger: slog.New(slog.NewTextHandler(log, nil))})
	put(t, s, "a")
	server.Kill()
	begin := time.Now()
	for range 1000 {
		_, err := s.Load(t.Context(), "a")
		if !errors.Is(err, certify.ErrStorage) || errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("got %v", err)
		}
		if s.Exists(t.Context(), "a") {
			t.Fatal("it exists without a server")
		}
	}
	if spent := time.Since(begin); spent > queryTime {
		t.Errorf("2,000 questions took %v", spent)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if value, err := s.Load(t.Context(), "a"); err == nil && string(value) == "value of a" {
			break
		} else if time.Now().After(end) {
			t.Fatal(err)
		}
	}
	server.Stop() // between two questions
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Load(t.Context(), "a"); err != nil {
		t.Errorf("after a restart that nobody saw: %v", err)
	}
	if n := strings.Count(log.String(), "does not answer"); n != 1 || strings.Count(log.String(), "answers again") != 1 {
		t.Errorf("%d complaints:\n%s", n, log)
	}
}

// TestPasswordStaysSecret: whatever goes wrong, and however the store is printed.
func TestPasswordStaysSecret(t *testing.T) {
	const secret = "s3cr3t"
	for _, dsn := range []string{
		"postgres://u:s3cr3t@127.0.0.1:1/db",
		"postgres://u:s3cr3t@127.0.0.1:1/db?sslmode=disable&connect_timeout=1",
		"postgres://u:s3cr3t@host:port/db",
		"postgres://u:s3cr3t%@127.0.0.1:1/db",
		"postgres://u:s3cr3t@[::1/db",
		"postgres://u:s3cr3t#@127.0.0.1/db",
		"postgres://u:p s3cr3t@127.0.0.1/db?sslmode=no",
		"host=127.0.0.1 password=s3cr3t",
		"s3cr3t",
	} {
		log := new(strings.Builder)
		s, err := New(Options{DSN: dsn, Logger: slog.New(slog.NewTextHandler(log, nil))})
		text := fmt.Sprint(err, Check(dsn))
		if err == nil {
			_, err := s.Load(t.Context(), "a")
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			text += fmt.Sprint(err, s.Lock(ctx, "l"), s, s.String(), s.Close())
			text += fmt.Sprintf("%v %+v %s", s, s, s)
			cancel()
		}
		if text += log.String(); strings.Contains(text, secret) {
			t.Errorf("%s: %s", dsn, text)
		}
	}
}

func TestExposed(t *testing.T) {
	for dsn, want := range map[string]bool{
		"postgres://u@db.test/x":                               true, // pgx falls back to no encryption
		"postgres://u@db.test/x?sslmode=disable":               true,
		"postgres://u@db.test/x?sslmode=require":               false,
		"postgres://u@db.test/x?sslmode=verify-full":           false,
		"postgres://u@localhost,db.test/x?sslmode=disable":     true,
		"postgres://u@localhost/x":                             false,
		"postgres://u@127.0.0.1/x?sslmode=disable":             false,
		"postgres://u@[::1]/x":                                 false,
		"postgres://u@/x?host=/run/postgresql&sslmode=disable": false,
		"postgresql://u@10.0.0.1:6432/x?sslmode=prefer":        true,
	} {
		config, err := parse(dsn)
		if err != nil {
			t.Errorf("%s: %v", dsn, err)
			continue
		}
		if got := exposed(&config.ConnConfig.Config); got != want {
			t.Errorf("%s: got %v", dsn, got)
		}
	}
}
