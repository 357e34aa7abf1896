package collector

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// TestErase erases a person while the proxy writes, and looks for what is left in the files.
func TestErase(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	h := New(s, Options{Rate: math.Inf(1)}).Handler(testSite)
	const who, mark = "person-4711", "secret-of-4711"
	filler := func(i int) string {
		return fmt.Sprintf(`{"id":"f%d","type":"Loaded","object":{"userID":"other-%d","pad":%q}}`, i, i, strings.Repeat("x", i%900))
	}
	var log bytes.Buffer
	z := gzip.NewWriter(&log)
	fmt.Fprintf(z, `{"broken":"%s","userID":"%s"`, mark, who)
	z.Close()
	for i := range 40 {
		sendText(t, h, `{"v":1,"page":"`+mark+fmt.Sprint(i)+`","session":"`+mark+`","url":"https://www.example.com/`+mark+`","events":[`+
			fmt.Sprintf(`{"id":"a%[1]d","type":"ChatStarted","object":{"chatID":"chat-%[2]s-%[1]d","userID":%[3]q}},`, i, mark, who)+
			fmt.Sprintf(`{"id":"b%[1]d","type":"ChatOnline","object":{"chatID":"chat-%[2]s-%[1]d","users":["agent"]}},`, i, mark)+
			fmt.Sprintf(`{"id":"c%[1]d","type":"Later","object":{"deep":[{"by":%[3]q,"note":%[2]q}]}}]}`, i, mark, who))
		sendText(t, h, batchOf(filler(2*i), filler(2*i+1)))
		sendText(t, h, `{"broken":"`+mark+`","userID":"person\u002d4711"`)
		send(t, h, bytes.NewReader(log.Bytes()), "Content-Encoding: gzip")
	}
	sendText(t, h, `{"broken":"kept","userID":"person-47112"`)
	sendText(t, h, batchOf(fmt.Sprintf(`{"id":"elem","type":"Loaded","object":{"elementID":%q}}`, who)))
	if n := grep(t, dir, mark); n == 0 {
		t.Fatal("nothing to erase")
	}

	ctx, stop := context.WithCancel(t.Context())
	var acked []string
	var writers sync.WaitGroup
	writers.Go(func() {
		for i := 1000; ctx.Err() == nil; i++ {
			if a := sendText(t, h, batchOf(filler(i))); a.code == 200 {
				acked = append(acked, fmt.Sprintf("f%d", i))
			}
		}
	})
	done, err := Erase(t.Context(), dir, Subject{User: who})
	stop()
	writers.Wait()
	if err != nil || done.Events != 120 || done.Views != 40 || done.Rejects != 80 {
		t.Errorf("%+v, %v; want 120 events, 40 views, 80 rejects", done, err)
	}
	if n := grep(t, dir, mark); n != 0 {
		t.Errorf("%d times left in the files", n)
	}
	checkLedger(t, s, acked)
	if n := len(allEvents(t, s)); n != 81+len(acked) {
		t.Errorf("%d events left, want %d", n, 81+len(acked))
	}
	if n := len(allRejects(t, s)); n != 1 {
		t.Errorf("%d rejects left", n)
	}
	var kind, id string
	if err := readDB(t, s).QueryRow(`SELECT kind, id FROM erased`).Scan(&kind, &id); err != nil || kind != "user" || id != who {
		t.Errorf("noted %q %q, %v", kind, id, err)
	}
	// The page's view is gone under the running proxy, which still remembers it: a new event finds one.
	sendText(t, h, `{"v":1,"page":"`+mark+`0","session":"`+mark+`","url":"https://www.example.com/`+mark+`","events":[{"id":"late","type":"Loaded"}]}`)
	checkLedger(t, s, []string{"late"})
}

func TestEraseChat(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	h := New(s, Options{}).Handler(testSite)
	sendText(t, h, batchOf(
		`{"id":"1","type":"ChatStarted","object":{"chatID":"7","userID":"u"}}`,
		`{"id":"2","type":"ChatFinished","object":{"chatID":"7"}}`,
		`{"id":"3","type":"ChatStarted","object":{"chatID":"8","userID":"7"}}`,
		`{"id":"4","type":"Loaded","object":{"userID":"u"}}`))
	done, err := Erase(t.Context(), dir, Subject{Chat: "7"})
	if err != nil || done.Events != 2 || done.Views != 0 {
		t.Errorf("%+v, %v", done, err)
	}
	if got := ids(allEvents(t, s)); len(got) != 2 || got[0] != "3" || got[1] != "4" {
		t.Errorf("left %q", got)
	}
}

func TestOccurs(t *testing.T) {
	for raw, want := range map[string]bool{
		`u1`: true, `"u1"`: true, `{"a":u1,`: true, `u12`: false, `xu1`: false, `xu1 u1`: true, ``: false,
		`"\u00751"`: true, `"\u0075\u0031"`: true, `\`: false, `\\u1`: true, "\\\xff u1": true,
	} {
		if got := occurs([]byte(raw), "u1"); got != want {
			t.Errorf("%s: %t", raw, got)
		}
	}
}

func FuzzUnescaped(f *testing.F) {
	for _, seed := range []string{``, `\`, `\u`, `\ud83d\ude00x`, `\ud83d\`, `a\nb`, `\u00e9`, "\\\xff"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if got := unescaped(b); bytes.IndexByte(b, '\\') < 0 && !bytes.Equal(got, b) {
			t.Errorf("%q became %q", b, got)
		}
	})
}

// grep counts how often text stands in the files below dir.
func grep(t testing.TB, dir, text string) (n int) {
	t.Helper()
	// Of a copy that another process makes: to close a file of an open store drops SQLite's locks on it.
	copied := filepath.Join(t.TempDir(), "copy")
	if out, err := exec.Command("cp", "-R", dir, copied).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	err := filepath.WalkDir(copied, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		n += bytes.Count(b, []byte(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestErasePseudonym: who knows the id finds what stands for it, and the note of
// the erasure does not give the id away.
func TestErasePseudonym(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	keys := OpenKeys(dir, slog.New(slog.DiscardHandler))
	defer keys.Close()
	h := New(s, Options{UserIDs: PseudonymUserIDs, Keys: keys}).Handler(testSite)
	const who = "person-4711"
	sendText(t, h, batchOf(`{"id":"a","type":"ChatStarted","object":{"chatID":"c","userID":"`+who+`"}}`,
		`{"id":"b","type":"ChatOnline","object":{"chatID":"c","users":["agent"]}}`,
		`{"id":"k","type":"Loaded","object":{"userID":"other"}}`))
	done, err := Erase(t.Context(), dir, Subject{User: who})
	if err != nil || done.Events != 2 {
		t.Errorf("%+v, %v; want 2 events", done, err)
	}
	if n := len(allEvents(t, s)); n != 1 {
		t.Errorf("%d events left, want 1", n)
	}
	if n := grep(t, dir, who); n != 0 {
		t.Errorf("the id is in the files %d times", n)
	}
	if n := grep(t, dir, pseudonymPrefix); n == 0 {
		t.Error("nobody who holds a copy learns what to erase")
	}
}

// TestEraseNumber: an id that a site sends as a number is the id all the same.
func TestEraseNumber(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	h := New(s, Options{}).Handler(testSite)
	sendText(t, h, batchOf(`{"id":"1","type":"Loaded","object":{"userID":4711}}`, `{"id":"2","type":"ChatOnline","object":{"chatID":"c","users":[1,4711]}}`,
		`{"id":"3","type":"Loaded","object":{"userID":47110,"n":4711}}`))
	if done, err := Erase(t.Context(), dir, Subject{User: "4711"}); err != nil || done.Events != 2 {
		t.Errorf("%+v, %v", done, err)
	}
	if got := ids(allEvents(t, s)); len(got) != 1 || got[0] != "3" {
		t.Errorf("left %q", got)
	}
}

// TestEraseAgain: an attempt that was killed after any step leaves to the next one all that it needs to
// find the chats, and to tell those who hold copies of the id.
func TestEraseAgain(t *testing.T) {
	const who = "person-4711"
	for done := range (*eraser)(nil).steps() {
		t.Run(fmt.Sprint(done, " steps"), func(t *testing.T) {
			dir := t.TempDir()
			s := openStore(t, dir)
			keys := OpenKeys(dir, slog.New(slog.DiscardHandler))
			defer keys.Close()
			keys.pseudonyms.today(dayOf(millis(keys.now()))) // of which some might be stored as well
			h := New(s, Options{Keys: keys}).Handler(testSite)
			sendText(t, h, batchOf(`{"id":"a","type":"ChatStarted","object":{"chatID":"c","userID":"`+who+`"}}`,
				`{"id":"b","type":"ChatOnline","object":{"chatID":"c","users":["agent"]}}`,
				`{"id":"k","type":"Loaded","object":{"userID":"other"}}`))
			e, err := openEraser(t.Context(), dir, Subject{User: who})
			if err != nil {
				t.Fatal(err)
			}
			for _, step := range e.steps()[:done] {
				if err := step(); err != nil {
					t.Fatal(err)
				}
			}
			e.close()
			sendText(t, h, batchOf(`{"id":"d","type":"ChatFinished","object":{"chatID":"c"}}`))
			if done > 3 { // what comes behind the note says itself whose chat it is
				sendText(t, h, batchOf(`{"id":"e","type":"ChatFinished","object":{"chatID":"c","userID":"`+who+`"}}`))
			}
			if _, err := Erase(t.Context(), dir, Subject{User: who}); err != nil {
				t.Fatal(err)
			}
			if got := ids(allEvents(t, s)); len(got) != 1 || got[0] != "k" {
				t.Errorf("left %q", got)
			}
			notes, err := s.Erasures(t.Context(), 0, 10)
			if err != nil || !slices.ContainsFunc(notes, func(n Erasure) bool { return n.ID == who }) {
				t.Errorf("noted %+v, %v", notes, err)
			}
		})
	}
}
