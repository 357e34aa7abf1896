package e2e

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// eventsDatabase is a PostgreSQL server to which the events of edges go.
type eventsDatabase struct {
	dsn    string
	stdin  io.Writer
	answer *bufio.Scanner
}

// startEventsDatabase sends the events of the stores in folders to a new database.
func startEventsDatabase(t *testing.T, folders ...string) *eventsDatabase {
	t.Helper()
	if found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb"); len(found) == 0 {
		if _, err := exec.LookPath("initdb"); err != nil {
			t.Skip("SKIP: PostgreSQL is not installed")
		}
	}
	program := filepath.Join(t.TempDir(), "pgserver")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "cmd/ctlive/e2e/testdata/pgserver/main.go")
	build.Dir = "../../.."
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	c := exec.Command(program, folders...)
	c.Stderr = os.Stderr
	stdin, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close() // it stops its server and ends
		c.Wait()
	})
	d := &eventsDatabase{stdin: stdin, answer: bufio.NewScanner(stdout)}
	if !d.answer.Scan() {
		t.Fatal("no PostgreSQL server")
	}
	d.dsn = d.answer.Text()
	return d
}

// do stops or starts the server.
func (d *eventsDatabase) do(t *testing.T, what string) {
	t.Helper()
	io.WriteString(d.stdin, what+"\n")
	if !d.answer.Scan() || d.answer.Text() != what {
		t.Fatalf("%s: the server does not", what)
	}
}

// startEdges starts the dashboard of all edges and returns where it is.
func startEdges(t *testing.T, dsn string, flags ...string) (admin string) {
	t.Helper()
	c := exec.Command(binary, append([]string{"dashboard", "--dsn", dsn, "--listen", "127.0.0.1:0", "--data", t.TempDir()}, flags...)...)
	stderr, err := c.StderrPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Kill()
		c.Wait()
	})
	log := &lockedBuffer{}
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		log.Write(append(lines.Bytes(), '\n'))
		var line struct{ Msg, Admin string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "ready" {
			go io.Copy(log, stderr)
			return "http://" + line.Admin
		}
	}
	t.Fatalf("the dashboard does not start:\n%s", log)
	return ""
}

// TestDashboardOfEdges: chats at two edges are in one funnel; the page says what is elsewhere, and,
// while the database is down, that it is not up to date.
func TestDashboardOfEdges(t *testing.T) {
	one, two := startDemo(t), startDemo(t)
	chat(t, one)
	chat(t, two)
	db := startEventsDatabase(t, one.data, two.data)
	admin := startEdges(t, db.dsn)
	ctx := browser(t)
	do(t, ctx, chromedp.EmulateViewport(1440, 900), chromedp.Navigate(admin+"/"))
	evaluate[bool](t, ctx, reading+`
		await until(() => chats("ChatFinished") === "2" && views("listener") === "2" && visible("edges"));
		await until(() => tail().length === 16);
		if (visible("servers") || visible("rejected-input") || visible("export-rejected") || visible("failure")) throw new Error("what is at the edges is shown");
		return true`)

	db.do(t, "stop")
	evaluate[bool](t, ctx, reading+`
		range("7d");
		await until(() => visible("failure") && id("failure-text").textContent.startsWith("The database of events cannot be read. The figures below are those of "));
		if (chats("ChatFinished") !== "2") throw new Error("the old figures are gone");
		return true`)
	if status, _ := answerOf(t, admin+"/readyz"); status != http.StatusServiceUnavailable {
		t.Errorf("/readyz: %d while the database is down", status)
	}
	db.do(t, "start")
	chat(t, one)
	evaluate[bool](t, ctx, reading+`
		range("30d"); // read now: the page itself looks every 10 s, as long as until waits
		await until(() => !visible("failure"));
		range("7d");
		await until(() => chats("ChatFinished") === "3");
		return true`)
	for path, want := range map[string]int{"/readyz": 200, "/healthz": 200, "/metrics": 404, "/reload": 404, "/api/stats": 200, "/api/rejected": 200} {
		if status, body := answerOf(t, admin+path); status != want {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if _, body := answerOf(t, admin+"/api/explain?url=http://a.test/"); !strings.Contains(body, "no proxy") {
		t.Errorf("explain: %s", body)
	}
}

func answerOf(t *testing.T, url string) (int, string) {
	t.Helper()
	res := get(t, url)
	return res.StatusCode, body(t, res)
}

// TestDashboardRefused: wrong usage and a database that is not there are told with what to do, and
// without the password.
func TestDashboardRefused(t *testing.T) {
	const dsn = "postgres://reader:sesame@127.0.0.1:1/ctlive?connect_timeout=2"
	for name, test := range map[string]struct {
		args []string
		code int
		want string
	}{
		"no DSN":    {nil, 2, "--dsn is missing"},
		"bad DSN":   {[]string{"--dsn", "postgres://reader:sesame@[/x"}, 2, "postgres://"},
		"no token":  {[]string{"--dsn", dsn, "--listen", ":0"}, 2, "CTLIVE_ADMIN_TOKEN"},
		"no server": {[]string{"--dsn", dsn}, 1, "Is PostgreSQL running there"},
		"bad table": {[]string{"--dsn", dsn, "--table", "a b"}, 2, `"a b"`},
	} {
		t.Run(name, func(t *testing.T) {
			got := ctlive(t, nil, append([]string{"dashboard", "--data", t.TempDir()}, test.args...)...)
			if got.code != test.code || !strings.Contains(got.stderr, test.want) || strings.Contains(got.stderr+got.stdout, "sesame") {
				t.Errorf("%d, want %d with %s:\n%s", got.code, test.code, test.want, got.stderr)
			}
		})
	}
}
