package collector

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParseEvent(t *testing.T) {
	nested := func(n int) string {
		return `{"type":"Loaded","object":{"x":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}}`
	}
	tests := []struct {
		name   string
		raw    string
		want   string // reason, or "" if it is taken
		flags  Flags
		object string
	}{
		{"least", `{"type":"Loaded"}`, "", 0, `{}`},
		{"all fields", `{"type":"WidgetClicked","object":{"elementID":"e","widgetID":"w","userID":"u","type":"Chat"}}`, "", 0, `{"elementID":"e","widgetID":"w","userID":"u","type":"Chat"}`},
		{"unknown field kept", `{"type":"Loaded","object":{"new": [1, {"a" : null}]}}`, "", 0, `{"new":[1,{"a":null}]}`},
		{"unknown type", `{"type":"Transferred","object":{"chatID":5}}`, "", UnknownType, `{"chatID":5}`},
		{"field of another type", `{"type":"Loaded","object":{"chatID":5}}`, "", 0, `{"chatID":5}`},
		{"number for text", `{"type":"ChatStarted","object":{"chatID":5}}`, "", BadField, `{"chatID":5}`},
		{"null for text", `{"type":"ChatStarted","object":{"userID":null}}`, "", BadField, `{"userID":null}`},
		{"users", `{"type":"ChatOnline","object":{"users":["a","b"]}}`, "", 0, `{"users":["a","b"]}`},
		{"users no array", `{"type":"ChatOnline","object":{"users":"a"}}`, "", BadField, `{"users":"a"}`},
		{"users no texts", `{"type":"ChatOnline","object":{"users":["a",null]}}`, "", BadField, `{"users":["a",null]}`},
		{"survey", `{"type":"ChatFinished","object":{"isSurveyConfigured":false}}`, "", 0, `{"isSurveyConfigured":false}`},
		{"survey text", `{"type":"ChatFinished","object":{"isSurveyConfigured":"yes"}}`, "", BadField, `{"isSurveyConfigured":"yes"}`},
		{"object null", `{"type":"Loaded","object":null}`, "", BadField, `null`},
		{"object array", `{"type":"Loaded","object":[1]}`, "", BadField, `[1]`},
		{"seq text", `{"type":"Loaded","seq":"1"}`, "", BadField, `{}`},
		{"at infinite", `{"type":"Loaded","at":1e999}`, "", BadField, `{}`},
		{"at before 1970", `{"type":"Loaded","at":-1}`, "", BadField, `{}`},
		{"at beyond RFC 3339", `{"type":"Loaded","at":253402300800000}`, "", BadField, `{}`},
		{"huge number kept", `{"type":"Loaded","object":{"n":1e999,"m":123456789012345678901234567890}}`, "", 0, `{"n":1e999,"m":123456789012345678901234567890}`},
		{"NUL kept in the object", `{"type":"Loaded","object":{"s":"a\u0000b"}}`, "", 0, `{"s":"a\u0000b"}`},
		{"lone surrogate replaced", `{"type":"Loaded","object":{"s":"a\ud83d"}}`, "", 0, "{\"s\":\"a\uFFFD\"}"},
		{"pair kept", `{"type":"Loaded","object":{"s":"\ud83d\ude00"}}`, "", 0, `{"s":"😀"}`},
		{"deep", nested(30), "", 0, `{"x":` + strings.Repeat("[", 30) + strings.Repeat("]", 30) + `}`},
		{"longest type", `{"type":"` + strings.Repeat("T", maxType) + `"}`, "", UnknownType, `{}`},
		{"longest id", `{"type":"Loaded","id":"` + strings.Repeat("i", maxID) + `"}`, "", 0, `{}`},

		{"too deep", nested(31), "too_deep", 0, ""},
		{"too large", `{"type":"Loaded","pad":"` + strings.Repeat("x", maxEvent) + `"}`, "too_large", 0, ""},
		{"no object", `[]`, "not_an_event", 0, ""},
		{"text", `"Loaded"`, "not_an_event", 0, ""},
		{"null", `null`, "not_an_event", 0, ""},
		{"no type", `{"object":{}}`, "not_an_event", 0, ""},
		{"type number", `{"type":1}`, "not_an_event", 0, ""},
		{"type empty", `{"type":""}`, "bad_type", 0, ""},
		{"type long", `{"type":"` + strings.Repeat("T", maxType+1) + `"}`, "bad_type", 0, ""},
		{"type line", `{"type":"a\nb"}`, "bad_type", 0, ""},
		{"id number", `{"type":"Loaded","id":5}`, "bad_id", 0, ""},
		{"id null", `{"type":"Loaded","id":null}`, "bad_id", 0, ""},
		{"id empty", `{"type":"Loaded","id":""}`, "bad_id", 0, ""},
		{"id long", `{"type":"Loaded","id":"` + strings.Repeat("i", maxID+1) + `"}`, "bad_id", 0, ""},
		{"id long by its last character", `{"type":"Loaded","id":"` + strings.Repeat("i", maxID-2) + `😀"}`, "bad_id", 0, ""},
		{"id NUL", `{"type":"Loaded","id":"a\u0000"}`, "bad_id", 0, ""},
		{"id lone surrogate", `{"type":"Loaded","id":"a\ud83d"}`, "bad_id", 0, ""},
		{"key twice", `{"type":"Loaded","type":"ChatStarted"}`, "duplicate_key", 0, ""},
		{"key twice by escape", `{"type":"Loaded","\u0074ype":"ChatStarted"}`, "duplicate_key", 0, ""},
		{"key twice inside", `{"type":"Loaded","object":{"a":{"b":1,"b":2}}}`, "duplicate_key", 0, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e, err := parseEvent([]byte(test.raw), 42, false)
			if test.want != "" {
				if err == nil || err.reason != test.want {
					t.Fatalf("got %v, want %s", err, test.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if e.flags != test.flags || string(e.object) != test.object || e.at != 42 || e.id == "" {
				t.Errorf("got flags %v, object %s, at %d", e.flags.Names(), e.object, e.at)
			}
		})
	}
}

func TestEventMembers(t *testing.T) {
	e, err := parseEvent([]byte(`{"id":"i","seq":7,"at":1795359600001.9,"mono":12.5,"type":"ChatStarted",
		"object":{"chatID":"c\u0000","userID":"u"},"more":{"x": 1},"name":"whatever"}`), 42, false)
	if err != nil {
		t.Fatal(err)
	}
	if e.id != "i" || e.seq != 7 || e.at != 1795359600001 || e.mono != 12 || e.typ != "ChatStarted" || e.flags != 0 {
		t.Errorf("got %+v", e)
	}
	if e.chatID != "c\uFFFD" || e.userID != "u" || string(e.extra) != `{"more":{"x":1}}` {
		t.Errorf("got chat %q, user %q, extra %s", e.chatID, e.userID, e.extra)
	}
}

func TestEnvelope(t *testing.T) {
	tests := []struct {
		name string
		body string
		want view
		flag Flags
	}{
		{"all", `{"v":1,"page":"p","session":"s","url":"u","referrer":"r","title":"t","lang":"it","refused":1,"dropped":2,"token":"x"}`,
			view{page: "p", session: "s", url: "u", referrer: "r", title: "t", lang: "it", refused: 1, dropped: 2}, 0},
		{"nothing", `{}`, view{}, 0},
		{"wrong types", `{"page":1,"title":{},"refused":"many","dropped":-1}`, view{}, BadField},
		{"wrong counters alone", `{"refused":1e999,"dropped":null}`, view{}, 0},
		{"cut at a character", `{"title":"` + strings.Repeat("x", maxTitle-1) + `é"}`, view{title: strings.Repeat("x", maxTitle-1)}, 0},
		{"cut surrogate", `{"title":"x\ud83d"}`, view{title: "x\uFFFD"}, 0},
		{"twice", `{"title":"a","title":"b"}`, view{title: "b"}, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			sep := ","
			if test.body == "{}" {
				sep = ""
			}
			body := strings.TrimSuffix(test.body, "}") + sep + `"events":[{"type":"Loaded"}]}`
			b, err := parseBatch([]byte(body), 42)
			if err != nil {
				t.Fatal(err)
			}
			if b.view != test.want || b.events[0].flags != test.flag {
				t.Errorf("got %+v %v", b.view, b.events[0].flags.Names())
			}
		})
	}
	t.Run("events twice", func(t *testing.T) {
		b, err := parseBatch([]byte(`{"events":[{"type":"A"}],"events":[{"type":"B"}]}`), 42)
		if err != nil || len(b.events) != 2 {
			t.Errorf("got %d events, %v, want those of both lists", len(b.events), err)
		}
	})
}

func TestDepth(t *testing.T) {
	for raw, want := range map[string]int{
		`1`: 0, `"[["`: 0, `[]`: 1, `{"a":[{}]}`: 3, `{"\"[":"\\"}`: 1, `[[],[[]]]`: 3,
	} {
		if got := depth([]byte(raw)); got != want {
			t.Errorf("depth(%s) = %d, want %d", raw, got, want)
		}
	}
}

// FuzzBatch: reading never panics, a body that is refused maps to a 4xx, and of one that is taken
// every item has a result, whose id is that of the accepted event.
func FuzzBatch(f *testing.F) {
	for _, seed := range []string{
		batchOf(loaded("a"), `{"type":"New","x":[1,2]}`, `17`),
		`{"name":"CTLiveEvent","type":"ChatOnline","object":{"chatID":"c","users":["a"]}}`,
		`[{"name":"CTLiveEvent","type":"Loaded","object":{"s":"\ud83d\u0000"}}]`,
		`{"v":1e0,"events":[{"type":"Loaded","at":1e999,"seq":-0}]}`,
		`{"v":2}`, `[[[[`, "\xff",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		b, err := parseBatch(body, 42)
		if err != nil {
			r, ok := errors.AsType[*refusal](err)
			if !ok || r.status < 400 || r.status > 499 || !r.quarantined() {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		if len(b.events)+len(b.rejects) != len(b.results) {
			t.Fatalf("%d events and %d rejects in %d results", len(b.events), len(b.rejects), len(b.results))
		}
		taken := map[int]bool{}
		for _, e := range b.events {
			taken[e.index] = true
			checkEvent(t, e)
		}
		for i, r := range b.results {
			if taken[i] == (r.Verdict == Rejected) || r.Verdict == Rejected && r.Reason == "" {
				t.Fatalf("result %d: %+v, taken %t", i, r, taken[i])
			}
		}
	})
}

// checkEvent checks what the rest of the program relies on.
func checkEvent(t *testing.T, e event) {
	if e.id == "" || len(e.id) > maxID || e.typ == "" || len(e.typ) > maxType {
		t.Fatalf("id %q, type %q", e.id, e.typ)
	}
	if e.at < 0 || e.at > maxTime || e.seq < 0 || e.mono < 0 {
		t.Fatalf("at %d, seq %d, mono %d", e.at, e.seq, e.mono)
	}
	for _, s := range []string{e.id, e.typ, e.chatID, e.userID, string(e.object), string(e.extra)} {
		if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
			t.Fatalf("unclean text %q", s)
		}
	}
	if !json.Valid(e.object) || len(e.extra) > 0 && !json.Valid(e.extra) || bytes.ContainsAny(e.object, "\n") {
		t.Fatalf("object %s, extra %s", e.object, e.extra)
	}
}

func TestFlagNames(t *testing.T) {
	for flags, want := range map[Flags][]string{
		0: {}, UnknownType: {"unknown_type"}, UnknownType | BadField: {"unknown_type", "bad_field"}, 1 << 31: {},
	} {
		if got := flags.Names(); !slices.Equal(got, want) || got == nil {
			t.Errorf("%b: %q", flags, got)
		}
	}
}
