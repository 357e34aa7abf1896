package balance

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestHostileAnswers(t *testing.T) { // edge 62
	endless := func(begin, again string) func(*script, int64, net.Conn, *bufio.Reader) {
		return func(s *script, _ int64, c net.Conn, in *bufio.Reader) {
			s.hear(in)
			_, err := io.WriteString(c, begin)
			for n := 0; err == nil && n < 10<<20; n += len(again) {
				_, err = io.WriteString(c, again)
			}
		}
	}
	for _, c := range []struct {
		name string
		talk func(*script, int64, net.Conn, *bufio.Reader)
		is   error
	}{
		{"header of 10 MiB", endless("HTTP/1.1 200 OK\r\n", "X: "+strings.Repeat("x", 1000)+"\r\n"), nil},
		{"header line of 10 MiB", endless("HTTP/1.1 200 OK\r\nX: ", strings.Repeat("x", 1000)), nil},
		{"endless 1xx", endless("", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"), ErrInformational},
		{"closes at once", func(s *script, _ int64, _ net.Conn, in *bufio.Reader) { s.hear(in) }, io.EOF},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := play(t, c.talk)
			p := pool(t, Options{Upstreams: []*url.URL{s.url}})
			hints := 0
			r := request(t, "GET", nil).WithContext(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
				Got1xxResponse: func(int, textproto.MIMEHeader) error { hints++; return nil },
			}))
			_, err := ask(p, r)
			if err == nil || c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("got %v, want %v", err, c.is)
			}
			if hints > maxInformational || s.seen.Load() != 1 {
				t.Errorf("%d hints, seen %d times", hints, s.seen.Load())
			}
		})
	}
}

func TestManyHintsOverHTTP2(t *testing.T) { // edge 62
	p := pool(t, secure(t, func(w http.ResponseWriter, _ *http.Request) {
		for range 1000 {
			w.WriteHeader(http.StatusEarlyHints)
		}
	}))
	if _, err := ask(p, request(t, "GET", nil).WithContext(traced())); !errors.Is(err, ErrInformational) {
		t.Errorf("%v", err)
	}
}

// Whatever follows an answer must not become the next one.
func TestExtraBytesAfterAnAnswer(t *testing.T) { // edge 22
	const more = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
	for _, c := range []struct{ name, answer string }{
		{"length", ok + more},
		{"longer than a buffer", ok + strings.Repeat(more, 200)},
		{"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n" + more},
		{"no body", "HTTP/1.1 204 No Content\r\n\r\n" + more},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := play(t, func(s *script, _ int64, conn net.Conn, in *bufio.Reader) {
				for s.hear(in) {
					io.WriteString(conn, c.answer)
				}
			})
			p := pool(t, Options{Upstreams: []*url.URL{s.url}})
			var wait sync.WaitGroup
			for range 4 {
				wait.Go(func() {
					for range 250 {
						if got, err := ask(p, request(t, "POST", nil)); err == nil && got == "evil" {
							t.Error("the next request got it")
							return
						}
					}
				})
			}
			wait.Wait()
		})
	}
}

func TestWalkOutsMakeFewDials(t *testing.T) { // edge 52
	s := play(t, func(s *script, _ int64, c net.Conn, in *bufio.Reader) {
		s.hear(in)
		io.Copy(io.Discard, c)
	})
	p := pool(t, Options{Upstreams: []*url.URL{s.url}})
	start := time.Now()
	var wait sync.WaitGroup
	for range 100 { // streams of one visitor
		wait.Go(func() {
			for range 30 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
				r := request(t, "GET", nil).WithContext(ctx)
				r.ProtoMajor = 2
				ask(p, r)
				cancel()
			}
		})
	}
	wait.Wait()
	took := time.Since(start)
	most := fullCredit + maxDials + 100 + int64(took/creditInterval)
	if n := s.conns.Load(); n > most {
		t.Errorf("%d connections in %v, want at most %d", n, took, most)
	} else {
		t.Logf("%d connections in %v", n, took)
	}
	if n := p.origins[0].gate.open.Load(); n > idleConns+2*maxDials {
		t.Errorf("%d connections are open, or wait for their turn", n)
	}
	if !p.Status()[0].Up {
		t.Error("the visitor has taken the origin out")
	}
}

func TestManyAnswersCostNoCredit(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close") // a connection for each
		io.WriteString(w, "x")
	})
	p := pool(t, Options{Upstreams: urls(s)})
	for range 2 * fullCredit {
		if _, err := ask(p, request(t, "GET", nil)); err != nil {
			t.Fatal(err)
		}
	}
	if n := p.origins[0].gate.credit.have; n != fullCredit {
		t.Errorf("%d left of %d", n, fullCredit)
	}
}

func TestGateIsBounded(t *testing.T) {
	g := newGate()
	g.open.Store(maxConns)
	if err := g.enter(t.Context()); err != ErrTooManyConns {
		t.Errorf("full: %v", err)
	}
	g.leave()
	for range maxDials {
		g.dialing <- struct{}{}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := g.enter(ctx); err != context.DeadlineExceeded {
		t.Errorf("busy: %v", err)
	}
	if n := g.open.Load(); n != maxConns-1 {
		t.Errorf("%d open, want %d", n, maxConns-1)
	}
}

// However long the gate lets a connection wait, it has all of its time to be made:
// else a rush of visitors would take a healthy origin out.
func TestTheGateCostsNoTime(t *testing.T) {
	s := httptest.NewUnstartedServer(hello)
	s.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	s.StartTLS()
	t.Cleanup(s.Close)
	p := pool(t, Options{Upstreams: urls(s), TLS: s.Client().Transport.(*http.Transport).TLSClientConfig})
	origin := p.origins[0]
	var deadline time.Time // as the handshake sees it
	origin.tls.GetClientCertificate = func(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		deadline, _ = info.Context().Deadline()
		return new(tls.Certificate), nil
	}
	for range maxDials {
		origin.gate.dialing <- struct{}{}
	}
	var left time.Time
	time.AfterFunc(100*time.Millisecond, func() {
		left = time.Now()
		origin.gate.dialled()
	})
	c, err := origin.dial(t.Context(), "tcp", origin.url.Host)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if deadline.Before(left.Add(connectTimeout)) {
		t.Errorf("it had %v", deadline.Sub(left))
	}
}
