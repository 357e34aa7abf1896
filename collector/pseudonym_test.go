package collector

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

func testMask() mask { return mask{site: "www.example.com", key: [keySize]byte{1}} }

func TestPseudonym(t *testing.T) {
	m := testMask()
	p := m.pseudonym("u1")
	if !strings.HasPrefix(p, "p:") || len(p) != 2+22 {
		t.Errorf("pseudonym %q", p)
	}
	otherSite, otherKey := mask{"shop.example.com", m.key}, mask{m.site, [keySize]byte{2}}
	if slices.Contains([]string{m.pseudonym("u2"), otherSite.pseudonym("u1"), otherKey.pseudonym("u1")}, p) {
		t.Error("two persons, sites or days have one pseudonym")
	}
	if m.pseudonym("") != "" || m.pseudonym("u1") != p {
		t.Error("not stable, or nobody has a name")
	}
}

func TestPseudonymsInEvent(t *testing.T) {
	m := testMask()
	p := func(id string) string { return fmt.Sprintf("%q", m.pseudonym(id)) }
	for name, test := range map[string]struct{ raw, object, extra string }{
		"user":             {`{"type":"ChatStarted","object":{"chatID":"c1","userID":"u1"}}`, `{"chatID":"c1","userID":` + p("u1") + `}`, ""},
		"users":            {`{"type":"ChatOnline","object":{"users":["u1","",null,"u2"]}}`, `{"users":[` + p("u1") + `,"",null,` + p("u2") + `]}`, ""},
		"users no array":   {`{"type":"ChatOnline","object":{"users":"u1"}}`, `{"users":` + p("u1") + `}`, ""},
		"number":           {`{"type":"Loaded","object":{"userID":17}}`, `{"userID":` + p("17") + `}`, ""},
		"escaped":          {`{"type":"Loaded","object":{"user\u0049D":"u\u0031"}}`, `{"userID":` + p("u1") + `}`, ""},
		"other spellings":  {`{"type":"Loaded","object":{"user_id":"u1","UserId":"u1","user":"u1"}}`, `{"user_id":` + p("u1") + `,"UserId":` + p("u1") + `,"user":` + p("u1") + `}`, ""},
		"users described":  {`{"type":"New","object":{"users":[{"name":"Ann","age":7,"here":true}]}}`, `{"users":[{` + p("name") + `:` + p("Ann") + `,` + p("age") + `:` + p("7") + `,` + p("here") + `:true}]}`, ""},
		"users as members": {`{"type":"New","object":{"users":{"u1":[]}}}`, `{"users":{` + p("u1") + `:[]}}`, ""},
		"deep":             {`{"type":"New","object":{"a":[{"userID":"u1"},2]}}`, `{"a":[{"userID":` + p("u1") + `},2]}`, ""},
		"beside object":    {`{"type":"Loaded","userID":"u1","x":{}}`, `{}`, `{"userID":` + p("u1") + `,"x":{}}`},
		"object no object": {`{"type":"Loaded","object":[{"users":["u1"]}]}`, `[{"users":[` + p("u1") + `]}]`, ""},
		"nobody":           {`{"type":"Loaded","object":{"elementID":"e1"}}`, `{"elementID":"e1"}`, ""},
	} {
		e, err := parseEvent([]byte(test.raw), 42, false)
		if err != nil {
			t.Fatal(name, err)
		}
		user := e.userID
		m.event(&e)
		if string(e.object) != test.object || string(e.extra) != test.extra || e.userID != m.pseudonym(user) {
			t.Errorf("%s: object %s, extra %s, user %q", name, e.object, e.extra, e.userID)
		}
	}
}

// FuzzPseudonyms: what comes out is JSON of the same shape, in which no user id is left.
func FuzzPseudonyms(f *testing.F) {
	f.Add(`{"userID":"secret","x":[{"users":["secret",{"secret":[1,null]}]}]}`)
	f.Add(`{"user\u0049d":"sec\u0072et"}`)
	f.Add(`{"users":{"a\u0000":1,"a\ufffd":8e888}}`)
	f.Fuzz(func(t *testing.T, object string) {
		raw := jsontext.Value(`{"type":"New","object":` + object + `}`)
		if !utf8.Valid(raw) || !raw.IsValid(lax) {
			t.Skip()
		}
		e, refused := parseEvent(raw, 42, false)
		if refused != nil {
			t.Skip()
		}
		m := testMask()
		m.event(&e)
		if !e.object.IsValid() {
			t.Fatalf("%s: not fit for an export", e.object)
		}
		var v any
		dec := json.NewDecoder(bytes.NewReader(e.object))
		dec.UseNumber()
		if err := dec.Decode(&v); err != nil {
			t.Fatalf("%s: %v", e.object, err)
		}
		checkMasked(t, v, false)
	})
}

func checkMasked(t *testing.T, v any, inside bool) {
	switch v := v.(type) {
	case string:
		if inside && v != "" && !strings.HasPrefix(v, pseudonymPrefix) {
			t.Fatalf("raw user id %q", v)
		}
	case json.Number:
		if inside {
			t.Fatalf("raw user id %v", v)
		}
	case []any:
		for _, item := range v {
			checkMasked(t, item, inside)
		}
	case map[string]any:
		for name, item := range v {
			if inside {
				checkMasked(t, name, true)
			}
			checkMasked(t, item, inside || holdsUsers(name))
		}
	}
}

// TestE9Midnight: the same visitor has another name after midnight, and what is sent late the name
// of the day it happened on.
func TestE9Midnight(t *testing.T) {
	clock := time.Date(2026, 11, 22, 23, 59, 59, 0, time.UTC)
	now := func() time.Time { return clock }
	h, s := newEndpoint(t, Options{UserIDs: PseudonymUserIDs, Now: now, Keys: newMemoryKeys(now)})
	event := func(id string, at time.Time) string {
		return batchOf(fmt.Sprintf(`{"id":%q,"at":%d,"type":"ChatStarted","object":{"chatID":"c","userID":"u1"}}`, id, at.UnixMilli()))
	}
	evening := clock
	sendText(t, h, event("before", evening))
	clock = clock.Add(2 * time.Second)
	sendText(t, h, event("after", clock))
	sendText(t, h, event("late", evening))
	users := map[string]string{}
	for _, e := range allEvents(t, s) {
		users[e.ID] = e.UserID
		if !bytes.Contains(e.Object, []byte(e.UserID)) {
			t.Errorf("%s: user %q, object %s", e.ID, e.UserID, e.Object)
		}
	}
	if users["before"] == users["after"] || users["before"] != users["late"] || len(users) != 3 {
		t.Errorf("users %q", users)
	}
}

func TestPseudonymsQuarantine(t *testing.T) {
	h, s := newEndpoint(t, Options{UserIDs: PseudonymUserIDs})
	const broken = `{"v":1,"events":[{"userID":"secret"`
	sendText(t, h, broken)
	sendText(t, h, batchOf(loaded("a"), `{"id":"b","object":{"userID":"secret"}}`))
	rejects := allRejects(t, s)
	if len(rejects) != 2 {
		t.Fatalf("%d rejects", len(rejects))
	}
	plain := newReject(reject("", ""), []byte(broken), 0).SHA256
	if r := rejects[0]; len(r.Raw) != 0 || r.Length != int64(len(broken)) || r.Reason != "bad_json" || len(r.SHA256) != 64 || r.SHA256 == plain {
		t.Errorf("kept %+v", r)
	}
	if r := rejects[1]; len(r.Raw) != 0 || r.Reason != "not_an_event" {
		t.Errorf("kept %+v", r)
	}
}

const (
	privateDir   = "CTLIVE_TEST_PRIVATE_DIR"
	secretUser   = "anna.example-7261"
	secretClient = "203.0.113.77"
)

// TestPrivateChild is the child of TestE8NothingRaw: it serves until it is killed.
func TestPrivateChild(t *testing.T) {
	dir := os.Getenv(privateDir)
	if dir == "" {
		t.Skip("runs as the child of TestE8NothingRaw")
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s, err := Open(dir, log)
	if err != nil {
		t.Fatal(err)
	}
	keys := OpenKeys(dir, log)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("listens on", l.Addr())
	t.Fatal(http.Serve(l, New(s, Options{
		UserIDs: PseudonymUserIDs, Keys: keys, Tokens: keys.Tokens(), Logger: log, MaxBody: 4096, Rate: 1e6, Burst: math.MaxInt32 / officeSize,
		ClientAddr: func(*http.Request) netip.Addr { return netip.MustParseAddr(secretClient) },
	}).Handler(testSite)))
}

// TestE8NothingRaw: after SIGKILL neither data folder nor log nor the folder for temporary files
// holds an address or a user id.
func TestE8NothingRaw(t *testing.T) {
	dir, temp := t.TempDir(), t.TempDir()
	child := exec.Command(os.Args[0], "-test.run", "^TestPrivateChild$")
	child.Env = append(os.Environ(), privateDir+"="+dir, "TMPDIR="+temp)
	var log bytes.Buffer
	child.Stderr = &log
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err, log.String())
	}
	url := "http://" + strings.TrimSpace(strings.TrimPrefix(line, "listens on "))
	for i := range 300 {
		sendSecrets(t, url, i)
	}
	child.Process.Kill()
	child.Wait()
	if n := len(allEvents(t, openStore(t, dir))); n < 300 {
		t.Errorf("%d events stored", n)
	}
	for _, secret := range []string{secretUser, secretClient} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log holds %s", secret)
		}
		for _, folder := range []string{dir, temp} {
			findText(t, folder, secret)
		}
	}
}

// sendSecrets posts input of every kind with the id in it.
func sendSecrets(t *testing.T, url string, i int) {
	t.Helper()
	id := func(kind string) string { return fmt.Sprintf("%s-%d", kind, i) }
	for _, body := range []string{
		batchOf(`{"id":"` + id("a") + `","type":"ChatStarted","object":{"chatID":"c","userID":"` + secretUser + `"}}`),
		batchOf(`{"id":"` + id("b") + `","type":"ChatOnline","userID":"` + secretUser + `","object":{"users":["` + secretUser + `"]}}`),
		batchOf(`{"id":"` + id("c") + `","userID":"` + secretUser + `"}`),
		`{"v":1,"events":[{"userID":"` + secretUser + `"`,
		`{"v":1,"userID":"` + secretUser + `"}` + strings.Repeat(" ", 5000),
		`{"v":7,"events":[],"userID":"` + secretUser + `"}`,
	} {
		res, err := http.Post(url, "text/plain", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
}

// findText reports each file under dir that holds text.
func findText(t *testing.T, dir, text string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(text)) {
			t.Errorf("%s holds %q", path, text)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func BenchmarkMask(b *testing.B) {
	m := testMask()
	e, err := parseEvent([]byte(`{"type":"ChatStarted","object":{"chatID":"c1","userID":"u1"}}`), 42, false)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		again := e
		m.event(&again)
	}
}
