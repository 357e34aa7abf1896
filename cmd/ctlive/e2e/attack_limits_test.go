package e2e

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"golang.org/x/net/http2"
)

// trickle sends what keeps a connection busy, a byte every 300 ms, and returns
// how long the proxy put up with it, or false if that was as long as limit.
func trickle(c net.Conn, prefix, rest string, limit time.Duration) (time.Duration, bool) {
	begun := time.Now()
	c.SetDeadline(begun.Add(limit))
	ended := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, c)
		ended <- err
	}()
	io.WriteString(c, prefix)
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case err := <-ended:
			return time.Since(begun), !errors.Is(err, os.ErrDeadlineExceeded)
		case <-tick.C:
			if rest != "" {
				io.WriteString(c, rest[i%len(rest):][:1])
			}
		}
	}
}

// TestAttackSlow: who sends slower than any visitor is cut off (edge 45 to 47).
func TestAttackSlow(t *testing.T) {
	t.Parallel()
	plain, secure := besiege(t, false, newRecorder(t, nil)), besiege(t, true, newRecorder(t, nil))
	var running sync.WaitGroup // not subtests: go test would run two at a time
	for _, test := range []struct {
		name         string
		connect      func(t *testing.T) net.Conn
		prefix, rest string
		limit        time.Duration
	}{
		{"45 header", func(t *testing.T) net.Conn { return plain.connect(t, false) }, "GET / HTTP/1.1\r\n", host, 15 * time.Second},
		{"45 endless header", func(t *testing.T) net.Conn { return plain.connect(t, false) }, "GET / HTTP/1.1\r\n" + host + "X-A: ", "x", 15 * time.Second},
		{"45 request line", func(t *testing.T) net.Conn { return plain.connect(t, false) }, "", "GET /", 15 * time.Second},
		{"45 header over TLS", func(t *testing.T) net.Conn { return secure.connect(t, true) }, "GET / HTTP/1.1\r\n", host, 15 * time.Second},
		{"45 nothing at all", func(t *testing.T) net.Conn { return plain.connect(t, false) }, "", "", 15 * time.Second},
		{"46 handshake that does not begin", secure.connectRaw, "", "", 15 * time.Second},
		{"46 handshake that stalls", secure.connectRaw, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "", 15 * time.Second},
		{"46 handshake byte by byte", secure.connectRaw, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "x", 15 * time.Second},
		{"47 body", func(t *testing.T) net.Conn { return plain.connect(t, false) }, submit("Content-Length: 100000\r\n", "x"), "x", 48 * time.Second},
		{"47 chunks", func(t *testing.T) net.Conn { return plain.connect(t, false) }, chunks("1\r\nx\r\n"), "1\r\nx\r\n", 48 * time.Second},
		{"47 body over TLS", func(t *testing.T) net.Conn { return secure.connect(t, true) }, submit("Content-Length: 100000\r\n", "x"), "x", 48 * time.Second},
	} {
		c := test.connect(t)
		running.Go(func() {
			if took, ended := trickle(c, test.prefix, test.rest, test.limit); !ended {
				t.Errorf("%s: not cut off within %v", test.name, test.limit)
			} else {
				t.Logf("%s: %v", test.name, took)
			}
		})
	}
	c := secure.openHTTP2(t, "a.test")
	running.Go(func() { slowHTTP2(t, c) })
	for range 20 { // honest visitors are served meanwhile
		if got := exchangeHTTP1(plain.connect(t, false), innocent(""), false); got.status != http.StatusOK {
			t.Errorf("%v", got)
		}
		time.Sleep(time.Second / 2)
	}
	running.Wait()
}

// slowHTTP2 sends one byte of a body at a time.
func slowHTTP2(t *testing.T, c *clientHTTP2) {
	begun := time.Now()
	c.conn.SetDeadline(begun.Add(48 * time.Second))
	c.headers(1, false, posting("/", "100000")...)
	a := c.of(1)
	ended := make(chan bool)
	go func() {
		defer close(ended)
		for !a.over() && c.end == nil {
			c.note()
		}
	}()
	for {
		select {
		case <-ended:
			if t.Logf("47 body by HTTP/2: %v, status %d", time.Since(begun), a.status); errors.Is(c.end, os.ErrDeadlineExceeded) {
				t.Error("not cut off")
			}
			return
		case <-time.After(300 * time.Millisecond):
			c.WriteData(1, false, []byte("x"))
		}
	}
}

// connectRaw opens a connection to the TLS listener without a handshake.
func (b besieged) connectRaw(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(b.https, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// TestAttackReset: streams that are reset as soon as they begin end the
// connection, and do not become as many connections to the origin (edge 52).
func TestAttackReset(t *testing.T) {
	t.Parallel()
	origin := newRecorder(t, func(r *recorded) string {
		time.Sleep(100 * time.Millisecond)
		return echo(r)
	})
	b := besiege(t, true, origin)
	const streams = 3000
	c := b.openHTTP2(t, "a.test")
	go func() {
		const batch = 50
		for i := uint32(0); i < streams; i += batch {
			for j := range uint32(batch) {
				c.get(2*(i+j)+1, "/reset")
			}
			time.Sleep(2 * time.Millisecond) // enough for requests to set out
			for j := range uint32(batch) {
				if c.WriteRSTStream(2*(i+j)+1, http2.ErrCodeCancel) != nil {
					return
				}
			}
		}
	}()
	for c.end == nil {
		if c.note(); c.goAway != nil {
			break
		}
	}
	if c.goAway == nil {
		t.Errorf("no GOAWAY, but %v", c.end)
	}
	since := origin.count()
	b.awaitServed(t)
	t.Logf("%d streams: %d connections to the origin, %d requests", streams, origin.dialled(), since)
	// Package balance allows 128 at once to visitors who walk away, and 64 a second.
	if dials := origin.dialled(); dials > 300 {
		t.Errorf("%d connections to the origin", dials)
	}
}

// awaitServed asserts that a new visitor is served.
func (b besieged) awaitServed(t *testing.T) {
	t.Helper()
	c := b.openHTTP2(t, "a.test")
	c.get(1, "/honest")
	if a := c.answer(1); a.status != http.StatusOK {
		t.Errorf("an honest visitor gets %d, %v", a.status, c.end)
	}
}

// TestAttackFloods: frames that cost more to take than to send end their
// connection, and nobody else's (edge 51, 53; RFC 9113 10.5).
func TestAttackFloods(t *testing.T) {
	t.Parallel()
	b := besiege(t, true, newRecorder(t, nil))
	for _, flood := range []struct {
		name string
		send func(c *clientHTTP2, i uint32) error
	}{
		{"settings", func(c *clientHTTP2, _ uint32) error { return c.WriteSettings() }},
		{"table sizes", func(c *clientHTTP2, i uint32) error {
			c.get(2*i+1, "/flip")
			return c.WriteSettings(http2.Setting{ID: http2.SettingHeaderTableSize, Val: 4096 * (i % 2)})
		}},
		{"window sizes", func(c *clientHTTP2, i uint32) error {
			return c.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: i % 2 << 16})
		}},
		{"pings", func(c *clientHTTP2, _ uint32) error { return c.WritePing(false, [8]byte{}) }},
		{"empty data", func(c *clientHTTP2, i uint32) error {
			if i == 0 {
				c.headers(1, false, posting("/empty")...)
			}
			return c.WriteData(1, false, nil)
		}},
		{"priorities", func(c *clientHTTP2, i uint32) error {
			return c.WritePriority(2*i+1, http2.PriorityParam{Weight: uint8(i)})
		}},
		{"windows", func(c *clientHTTP2, _ uint32) error { return c.WriteWindowUpdate(0, 1) }},
		{"resets of nothing", func(c *clientHTTP2, i uint32) error {
			if i == 0 {
				c.get(1, "/reset")
			}
			return c.WriteRSTStream(1, http2.ErrCodeCancel)
		}},
	} {
		t.Run("53 "+flood.name, func(t *testing.T) {
			t.Parallel()
			c := b.openHTTP2(t, "a.test")
			go func() {
				for i := range uint32(50_000) {
					if flood.send(c, i) != nil {
						return
					}
				}
			}()
			for c.end == nil && c.goAway == nil {
				c.note()
			}
			if errors.Is(c.end, os.ErrDeadlineExceeded) {
				t.Error("the connection goes on")
			}
			b.awaitServed(t)
		})
	}
	t.Run("53 a few table sizes, which is allowed", func(t *testing.T) {
		t.Parallel()
		c := b.openHTTP2(t, "a.test")
		for i := range uint32(20) {
			c.WriteSettings(http2.Setting{ID: http2.SettingHeaderTableSize, Val: 4096 * (i % 2)})
			c.get(2*i+1, fmt.Sprintf("/flip%d", i))
			if a := c.answer(2*i + 1); a.status != http.StatusOK {
				t.Fatalf("flip %d: %d, %v", i, a.status, c.end)
			}
		}
	})
}

// TestAttackConnections: an address has its share of connections and no more,
// which does not hurt others (edge 57).
func TestAttackConnections(t *testing.T) {
	t.Parallel()
	b := besiege(t, false, newRecorder(t, nil))
	const share = 256
	var kept []net.Conn
	for range share + 50 {
		c := b.dialFrom(t, "127.0.0.3")
		c.SetDeadline(time.Now().Add(10 * time.Second))
		kept = append(kept, c)
	}
	open := 0
	for _, c := range kept {
		c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		if _, err := c.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
			open++
		}
	}
	if open != share {
		t.Errorf("%d of %d connections are open, want %d", open, len(kept), share)
	}
	if got := exchangeHTTP1(b.dialFrom(t, "127.0.0.4"), innocent(""), false); got.status != http.StatusOK {
		t.Errorf("another address gets %v", got)
	}
	for _, c := range kept {
		c.Close()
	}
	time.Sleep(200 * time.Millisecond)
	if got := exchangeHTTP1(b.dialFrom(t, "127.0.0.3"), innocent(""), false); got.status != http.StatusOK {
		t.Errorf("after the flood the address gets %v", got)
	}
}

// TestAttackEarlyData: what anybody can send again is not taken (edge 56).
func TestAttackEarlyData(t *testing.T) {
	t.Parallel()
	b := besiege(t, true, newRecorder(t, nil))
	config := &tls.Config{ServerName: "a.test", InsecureSkipVerify: true, NextProtos: []string{"h3"}, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	for attempt := range 2 {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		conn, err := quic.DialAddrEarly(ctx, strings.TrimPrefix(b.https, "https://"), config, nil)
		if err != nil {
			t.Fatal(err)
		}
		c := clientHTTP3{conn, ctx}
		status, _, err := c.ask(getHTTP3(fmt.Sprintf("/early%d", attempt)))
		<-conn.HandshakeComplete()
		if state := conn.ConnectionState(); state.Used0RTT || status != http.StatusOK {
			t.Errorf("connection %d: 0-RTT %t, resumed %t, status %d, %v", attempt, state.Used0RTT, state.TLS.DidResume, status, err)
		}
		time.Sleep(50 * time.Millisecond) // for the session ticket
		conn.CloseWithError(0x100, "")
	}
}

// TestAttackOriginAnswers: answers that never become one are the origin's fault,
// and cost us a bounded amount (edge 22, 62).
func TestAttackOriginAnswers(t *testing.T) {
	t.Parallel()
	const fine = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	answers := map[string]struct {
		answer string
		status int
	}{
		"62 header of 10 MiB":      {"HTTP/1.1 200 OK\r\nX-A: " + strings.Repeat("x", 10<<20) + "\r\nContent-Length: 0\r\n\r\n", 502},
		"62 a million fields":      {"HTTP/1.1 200 OK\r\n" + strings.Repeat("X-A: 1\r\n", 1<<20) + "Content-Length: 0\r\n\r\n", 502},
		"62 endless 1xx":           {strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", 100_000) + fine, 502},
		"62 endless 100":           {strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 100_000) + fine, 502},
		"22 two answers":           {fine + "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npoisonous", 200},
		"22 bytes behind":          {fine + "junk", 200},
		"22 no answer":             {"", 502},
		"22 not HTTP":              {"220 mail.test ESMTP\r\n", 502},
		"22 two lengths":           {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nokk", 502},
		"22 length that is none":   {"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nok", 502},
		"22 CR in a value":         {"HTTP/1.1 200 OK\r\nX-A: 1\rX-B: 2\r\nContent-Length: 2\r\n\r\nok", 502},
		"22 header without colon":  {"HTTP/1.1 200 OK\r\nX-A\r\nContent-Length: 2\r\n\r\nok", 502},
		"22 upgrade not asked for": {"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", 502},
		"22 status without end":    {"HTTP/1.1 99999 Hm\r\nContent-Length: 2\r\n\r\nok", 502},
	}
	origin := newRecorder(t, func(r *recorded) string {
		name := strings.ReplaceAll(strings.TrimPrefix(r.target, "/"), "_", " ")
		if a, ok := answers[name]; ok {
			return a.answer
		}
		return fine
	})
	b := besiege(t, false, origin)
	for name, want := range answers {
		t.Run(name, func(t *testing.T) {
			got := exchangeHTTP1(b.connect(t, false), "GET /"+strings.ReplaceAll(name, " ", "_")+" HTTP/1.1\r\n"+host+"\r\n"+innocent(""), false)
			if got.status != want.status || got.fault != "" {
				t.Errorf("%v %s, want %d", got, got.fault, want.status)
			}
			// However many bytes were left over, the next answer is the right one.
			for range 3 {
				c := b.connect(t, false)
				io.WriteString(c, innocent(""))
				answer, err := io.ReadAll(c)
				if !strings.HasSuffix(string(answer), "\r\n\r\nok") {
					t.Fatalf("the next visitor gets %q, %v", answer, err)
				}
			}
		})
	}
}
