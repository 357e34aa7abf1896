package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/google/uuid"
)

const now = 1795359600123

func TestSerialOfID(t *testing.T) {
	for _, s := range []serial{0, 1, newSerial(0, 1<<serialBits-1), newSerial(maxConnections-1, 0), newSerial(maxConnections-1, 987654321), 1<<62 - 1} {
		id := s.id(now)
		if got := serialOf(id); got != s {
			t.Errorf("%x: got %x back", s, got)
		}
		if id.Version() != 7 || id.Variant() != uuid.RFC4122 {
			t.Errorf("%x: %s is version %d, variant %s", s, id, id.Version(), id.Variant())
		}
		if sec, ns := id.Time().UnixTime(); sec*1000+ns/1e6 != now {
			t.Errorf("%x: the time of %s is %d", s, id, sec*1000+ns/1e6)
		}
	}
	if s := newSerial(1999, 12345); s.connection() != 1999 || s.event() != 12345 {
		t.Errorf("event %d of connection %d", s.event(), s.connection())
	}
}

// A stamped request is what a server takes for one, and all that differs is in it.
func TestStamp(t *testing.T) {
	for n := 1; n <= maxBatch; n++ {
		t.Run(fmt.Sprint(n, " events"), func(t *testing.T) {
			v := visitor{addr: "127.0.0.1:8080", token: "abc_-123", session: uuid.New()}
			posts := newPosts(v, n)
			if want := (len(funnel) + n - 1) / n; len(posts) != want {
				t.Fatalf("%d requests a page view, want %d", len(posts), want)
			}
			for round := range 2 {
				for i, p := range posts {
					page, first := newSerial(7, round).id(now), newSerial(7, 1000*round+i*n)
					p.stamp(page, now+int64(round), first)
					checkPost(t, p.raw, v, page, now+int64(round), first, n, i*n)
				}
			}
		})
	}
}

func checkPost(t *testing.T, raw []byte, v visitor, page uuid.UUID, at int64, first serial, n, sent int) {
	t.Helper()
	in := bufio.NewReader(bytes.NewReader(raw))
	r, err := http.ReadRequest(in)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r.Body)
	if err != nil || in.Buffered() > 0 {
		t.Fatalf("%v, %d bytes behind the request", err, in.Buffered())
	}
	var body struct {
		Page, Session uuid.UUID
		Token         string
		SentAt        int64 `json:"sent_at"`
		Seen          int
		Events        []struct {
			ID     uuid.UUID
			Seq    int
			At     int64
			Type   string
			Object struct{ ChatID string }
		}
	}
	if err := json.Unmarshal(text, &body); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	if body.Page != page || body.Session != v.session || body.Token != v.token || body.SentAt != at || body.Seen != sent+n || len(body.Events) != n {
		t.Errorf("sent %s", text)
	}
	for i, e := range body.Events {
		if e.ID != (first+serial(i)).id(at) || e.At != at || e.Seq != sent+i+1 || e.Type == "" {
			t.Errorf("event %d: %+v", i, e)
		}
		if chat := e.Object.ChatID; chat != "" && chat != page.String() {
			t.Errorf("event %d is of chat %s", i, chat)
		}
	}
}

func TestStampDoesNotAllocate(t *testing.T) {
	p := newPosts(visitor{addr: "127.0.0.1:8080"}, 2)[2]
	if n := testing.AllocsPerRun(100, func() { p.stamp(uuid.UUID{}, now, 1) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
