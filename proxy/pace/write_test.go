package pace

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// endless writes until it cannot.
func endless(ended chan<- error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		page := make([]byte, 1<<20)
		for {
			if _, err := w.Write(page); err != nil {
				ended <- err
				return
			}
		}
	}
}

// Edge 48: a visitor that reads nothing.
func TestZeroWindowIsCut(t *testing.T) {
	for _, v := range visitors {
		t.Run(v.name, func(t *testing.T) {
			ended := make(chan error, 1)
			h, watch := watched(t, brisk, endless(ended))
			client, url := v.new(t, h)
			res, err := client.Get(url)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			select {
			case err := <-ended:
				if !errors.Is(err, ErrTooSlow) {
					t.Errorf("got %v", err)
				}
			case <-time.After(10 * time.Second):
				t.Fatal("not cut")
			}
			noGoroutineIn(t, "pace.endless.func")
			if _, writes := watch.Cut(); writes != 1 {
				t.Errorf("%d writes were cut", writes)
			}
			if _, err := io.Copy(io.Discard, res.Body); err == nil {
				t.Error("the visitor saw a clean end")
			}
		})
	}
}

// HTTP/2 writes a small answer after the handler, when nobody watches it.
func TestSmallAnswerToZeroWindow(t *testing.T) {
	h, _ := watched(t, brisk, answerSmall)
	server := httptest.NewUnstartedServer(h)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprint(conn, http2.ClientPreface)
	framer := http2.NewFramer(conn, conn)
	framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	block := []byte{0x82, 0x86, 0x84, 0x41, 1, 'a'} // GET / of http://a (RFC 7541 appendix A)
	for i := range uint32(20) {
		framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 2*i + 1, BlockFragment: block, EndStream: true, EndHeaders: true})
	}
	if ended := resets(framer, 20); ended != 20 {
		t.Errorf("%d of 20 streams ended", ended)
	}
	noGoroutineIn(t, "http2responseWriter).handlerDone")
}

func answerSmall(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "small") }

// resets reads until want streams have been reset, or nothing comes any more.
func resets(framer *http2.Framer, want int) (n int) {
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	for n < want {
		frame, err := framer.ReadFrame()
		if err != nil {
			return n
		}
		if _, ok := frame.(*http2.RSTStreamFrame); ok {
			n++
		}
	}
	return n
}

// Many small answers that nobody reads fill the buffers of an HTTP/1 connection:
// then it is the server that waits, after the handler.
func TestPipelinerThatDoesNotReadIsCut(t *testing.T) {
	gone := make(chan struct{})
	h, _ := watched(t, brisk, func(w http.ResponseWriter, r *http.Request) { w.Write(make([]byte, 1500)) })
	server := httptest.NewUnstartedServer(h)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			close(gone)
		}
	}
	server.Start()
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go func() {
		for {
			if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"); err != nil {
				return
			}
		}
	}()
	select {
	case <-gone:
	case <-time.After(20 * time.Second):
		t.Fatal("not cut")
	}
}

// A download that takes much longer than the limit, at a steady small pace.
func TestSlowDownloadLives(t *testing.T) {
	limits := brisk
	limits.WriteIdle = 600 * time.Millisecond
	onEach(t, func(t *testing.T, v visitor) {
		h, _ := watched(t, limits, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(12<<20))
			for range 12 {
				if _, err := w.Write(make([]byte, 1<<20)); err != nil {
					t.Error(err)
					return
				}
			}
		})
		client, url := v.new(t, h)
		res, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		total, buffer := 0, make([]byte, 64<<10)
		for begin := time.Now(); ; {
			n, err := io.ReadFull(res.Body, buffer)
			if total += n; err == io.EOF || err == io.ErrUnexpectedEOF {
				break
			} else if err != nil {
				t.Fatalf("after %d bytes and %v: %v", total, time.Since(begin), err)
			}
			time.Sleep(10 * time.Millisecond)
		}
		if total != 12<<20 {
			t.Errorf("got %d bytes", total)
		}
	})
}

// Events with a silence between them that is longer than every limit.
func TestEventStreamLives(t *testing.T) {
	limits := Limits{ReadIdle: 50 * time.Millisecond, WriteIdle: 50 * time.Millisecond}
	onEach(t, func(t *testing.T, v visitor) {
		h, _ := watched(t, limits, func(w http.ResponseWriter, r *http.Request) {
			control := http.NewResponseController(w)
			for i := range 3 {
				fmt.Fprintf(w, "data: %d\n\n", i)
				if err := control.Flush(); err != nil {
					t.Error(err)
				}
				time.Sleep(500 * time.Millisecond)
			}
		})
		client, url := v.new(t, h)
		res, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		begin := time.Now()
		if first, err := bufio.NewReader(res.Body).ReadString('\n'); first != "data: 0\n" || time.Since(begin) > 450*time.Millisecond {
			t.Errorf("first event %q, %v after %v", first, err, time.Since(begin))
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			t.Error(err)
		}
	})
}

func TestHijackEndsTheWatch(t *testing.T) {
	h, watch := watched(t, Limits{ReadIdle: 50 * time.Millisecond, WriteIdle: 50 * time.Millisecond}, func(w http.ResponseWriter, r *http.Request) {
		conn, buffer, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		time.Sleep(300 * time.Millisecond)
		line, _ := buffer.ReadString('\n')
		io.WriteString(conn, line)
	})
	server := httptest.NewServer(h)
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
	time.Sleep(400 * time.Millisecond)
	fmt.Fprint(conn, "echo\n")
	if got, err := io.ReadAll(conn); string(got) != "echo\n" {
		t.Errorf("got %q, %v", got, err)
	}
	watch.mu.Lock()
	defer watch.mu.Unlock()
	if watch.first != nil {
		t.Error("still watched")
	}
}
