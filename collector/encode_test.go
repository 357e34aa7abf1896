package collector

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"iter"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// yields returns the items as a sequence that ends with err, if there is one.
func yields[T any](err error, items ...T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, item := range items {
			if !yield(item, nil) {
				return
			}
		}
		if err != nil {
			var zero T
			yield(zero, err)
		}
	}
}

func testRecord() Record {
	return Record{
		Row: 7, ID: "i1", Site: "www.example.com", Type: "ChatStarted", At: 1795359600001, ReceivedAt: 1795359600500,
		Page: "p1", Session: "s1", Seq: 3, URL: "https://www.example.com/", Referrer: "", Title: "=HYPERLINK(\"x\")", Lang: "it",
		ChatID: "@c", UserID: "u\x1b[2J", Client: "192.0.2.0", Flags: []string{"bad_field"},
		Object: jsontext.Value(`{"chatID":"@c"}`), Extra: jsontext.Value(`{"x":1}`),
	}
}

const testLine = `{"id":"i1","site":"www.example.com","type":"ChatStarted","at":"2026-11-22T15:00:00.001Z",` +
	`"received_at":"2026-11-22T15:00:00.500Z","page":"p1","session":"s1","seq":3,"url":"https://www.example.com/","referrer":"",` +
	`"title":"=HYPERLINK(\"x\")","lang":"it","chat_id":"@c","user_id":"u\u001b[2J","client":"192.0.2.0","flags":["bad_field"],` +
	`"object":{"chatID":"@c"},"extra":{"x":1}}`

func TestWriteNDJSON(t *testing.T) {
	var out bytes.Buffer
	if err := WriteNDJSON(&out, yields(nil, testRecord(), testRecord())); err != nil || out.String() != testLine+"\n"+testLine+"\n" {
		t.Errorf("got %s, %v\nwant %s", &out, err, testLine)
	}
	std, err := json.Marshal(testRecord()) // whoever uses encoding/json gets the same
	if err != nil || string(std) != testLine {
		t.Errorf("encoding/json: %s, %v", std, err)
	}
}

func TestWriteCSV(t *testing.T) {
	var out bytes.Buffer
	if err := WriteCSV(&out, yields(nil, testRecord())); err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(&out).ReadAll()
	if err != nil || len(lines) != 2 {
		t.Fatalf("got %q, %v", lines, err)
	}
	cell := map[string]string{}
	for i, name := range lines[0] {
		cell[name] = lines[1][i]
	}
	for name, want := range map[string]string{
		"id": "i1", "at": "2026-11-22T15:00:00.001Z", "reported": "", "seq": "3", "title": `'=HYPERLINK("x")`, "chat_id": "'@c",
		"flags": "bad_field", "object": `{"chatID":"@c"}`, "extra": `{"x":1}`, "referrer": "",
	} {
		if cell[name] != want {
			t.Errorf("%s: %q, want %q", name, cell[name], want)
		}
	}
}

func TestCSVReportedTime(t *testing.T) {
	r := testRecord()
	r.Reported = r.At + 1
	var out bytes.Buffer
	if err := WriteCSV(&out, yields(nil, r)); err != nil || !strings.Contains(out.String(), ","+r.Reported.String()+",") {
		t.Errorf("%v in %s", err, &out)
	}
}

func TestInert(t *testing.T) {
	for cell, want := range map[string]string{
		"": "", "a=1": "a=1", "=1": "'=1", "+1": "'+1", "-1": "'-1", "@x": "'@x", "\tx": "'\tx", "\r=x": "'\r=x", "＝x": "'＝x", "è": "è",
	} {
		if got := inert(cell); got != want {
			t.Errorf("%q: %q", cell, got)
		}
	}
}

func TestWriteTables(t *testing.T) {
	var out bytes.Buffer
	if err := WriteTable(&out, yields(nil, testRecord())); err != nil {
		t.Fatal(err)
	}
	want := "AT                        TYPE                   SITE                  CHAT          USER          PAGE\n" +
		"2026-11-22T15:00:00.001Z  ChatStarted            www.example.com       @c            u\uFFFD[2J         https://www.example.com/ [bad_field]\n"
	if out.String() != want {
		t.Errorf("got\n%s", &out)
	}
	out.Reset()
	r := newReject(reject("bad_json", ""), []byte("\x1b]0;owned\a{"+strings.Repeat("x", 100)), 109)
	if err := WriteRejectedTable(&out, yields(nil, r)); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); strings.ContainsAny(got, "\x1b\a") || !strings.Contains(got, "bad_json") || strings.Count(got, "\n") != 2 {
		t.Errorf("got\n%s", got)
	}
}

func TestWritersStopAtErrors(t *testing.T) {
	broken := errors.New("broken")
	for name, write := range map[string]func(w *limitedWriter, err error) error{
		"ndjson": func(w *limitedWriter, err error) error { return WriteNDJSON(w, yields(err, testRecord())) },
		"csv":    func(w *limitedWriter, err error) error { return WriteCSV(w, yields(err, testRecord())) },
		"table":  func(w *limitedWriter, err error) error { return WriteTable(w, yields(err, testRecord())) },
		"rejected": func(w *limitedWriter, err error) error {
			return WriteRejectedTable(w, yields(err, newReject(reject("x", ""), nil, 0)))
		},
	} {
		if err := write(&limitedWriter{left: 1 << 20}, broken); !errors.Is(err, broken) {
			t.Errorf("%s: the store's error became %v", name, err)
		}
		if err := write(&limitedWriter{left: 10, err: broken}, nil); !errors.Is(err, broken) {
			t.Errorf("%s: the writer's error became %v", name, err)
		}
	}
}

// limitedWriter takes left bytes and then fails.
type limitedWriter struct {
	left int
	err  error
}

func (w *limitedWriter) Write(p []byte) (int, error) {
	if w.left -= len(p); w.left < 0 {
		return 0, w.err
	}
	return len(p), nil
}
