package inject

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"
)

// newProxy starts an origin and a proxy that injects its pages, and returns the
// address of the proxy and a client that takes bodies as they come.
func newProxy(t *testing.T, origin http.HandlerFunc) (address string, client *http.Client) {
	upstream := httptest.NewServer(origin)
	t.Cleanup(upstream.Close)
	target, err := url.Parse(upstream.URL)
	if err != nil {
		t.Fatal(err)
	}
	in := New(Options{Tag: testTag})
	type key struct{}
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		FlushInterval: -1,
		Transport:     &http.Transport{DisableCompression: true},
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			x := in.Request(r.Out)
			r.Out = r.Out.WithContext(context.WithValue(r.Out.Context(), key{}, x))
		},
		ModifyResponse: func(res *http.Response) error {
			res.Request.Context().Value(key{}).(*Exchange).Response(res)
			return nil
		},
		ErrorLog: log.New(io.Discard, "", 0),
	})
	t.Cleanup(proxy.Close)
	return proxy.URL, &http.Client{Transport: &http.Transport{DisableCompression: true}}
}

func get(t *testing.T, client *http.Client, address string, fields ...string) *http.Response {
	t.Helper()
	req, err := http.NewRequest("GET", address, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header(fields...)
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return res
}

// What a visitor reads off the wire.
func TestThroughProxy(t *testing.T) {
	address, client := newProxy(t, func(w http.ResponseWriter, r *http.Request) {
		for _, wire := range wires {
			if wire.name == r.URL.Query().Get("wire") {
				w.Header().Set("Content-Type", "text/html")
				if wire.coding != "" {
					w.Header().Set("Content-Encoding", wire.coding)
				}
				w.Write(wire.encode([]byte(testPage)))
			}
		}
	})
	for _, w := range wires {
		res := get(t, client, address+"/?wire="+w.name, "Accept: text/html")
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Errorf("%s: %v", w.name, err)
		}
		if page, err := w.decode(body); string(page) != testInjected || err != nil {
			t.Errorf("%s: %q, %v", w.name, page, err)
		}
		if want := int64(len(testInjected)); w.coding == "" && res.ContentLength != want {
			t.Errorf("Content-Length: %d, want %d", res.ContentLength, want)
		}
	}
}

func TestFlushesThroughProxy(t *testing.T) {
	next := make(chan bool)
	address, client := newProxy(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Trailer", "Digest, Server-Timing")
		w.WriteHeader(200)
		w.(http.Flusher).Flush()
		for _, piece := range []string{"<!doctype html>\n", "<title>x</title>\n", "<p>one\n"} {
			<-next
			io.WriteString(w, piece)
			w.(http.Flusher).Flush()
		}
		<-next
		w.Header().Set("Digest", "x")
		w.Header().Set("Server-Timing", "y")
	})
	res := get(t, client, address, "Accept: text/html") // the header arrives before there is a body
	lines := bufio.NewReader(res.Body)
	for _, want := range []string{"<!doctype html>\n", testMarkup + "<title>x</title>\n", "<p>one\n"} {
		start := time.Now()
		next <- true
		if got, err := lines.ReadString('\n'); got != want || err != nil {
			t.Fatalf("got %q, %v, want %q", got, err, want)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("a flush takes %v", took)
		}
	}
	next <- true
	if rest, err := io.ReadAll(lines); len(rest) > 0 || err != nil {
		t.Errorf("at the end: %q, %v", rest, err)
	}
	if res.Trailer.Get("Server-Timing") != "y" || res.Trailer.Get("Digest") != "" {
		t.Errorf("trailer %v", res.Trailer)
	}
}

func TestP42AbortThroughProxy(t *testing.T) {
	address, client := newProxy(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, testPage)
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	res := get(t, client, address, "Accept: text/html")
	if body, err := io.ReadAll(res.Body); err == nil {
		t.Errorf("a clean end after %q", body)
	}
}

func TestP36P37ThroughProxy(t *testing.T) {
	address, client := newProxy(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("ETag", `"abc"`)
		switch {
		case r.URL.Path == "/204":
			w.WriteHeader(204)
		case r.Header.Get("If-None-Match") == `"abc"`:
			w.WriteHeader(304)
		default:
			io.WriteString(w, testPage)
		}
	})
	page := get(t, client, address, "Accept: text/html")
	io.Copy(io.Discard, page.Body)
	if res := get(t, client, address, "Accept: text/html", "If-None-Match: "+page.Header.Get("ETag")); res.StatusCode != 304 {
		t.Errorf("revalidation: %s", res.Status)
	}
	if res := get(t, client, address+"/204", "Accept: text/html"); res.StatusCode != 204 {
		t.Errorf("no content: %s", res.Status)
	}
	head, err := client.Head(address)
	if err != nil {
		t.Fatal(err)
	}
	head.Body.Close()
	if head.Header.Get("ETag") != page.Header.Get("ETag") || head.ContentLength > 0 && head.ContentLength != page.ContentLength {
		t.Errorf("HEAD: %v, GET: %v", head.Header, page.Header)
	}
}

func TestP43UpgradeThroughProxy(t *testing.T) {
	address, _ := newProxy(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Upgrade", "echo")
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusSwitchingProtocols)
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		line, _ := rw.ReadString('\n')
		io.WriteString(conn, line)
	})
	res := get(t, http.DefaultClient, address, "Upgrade: echo", "Connection: Upgrade")
	conn, ok := res.Body.(io.ReadWriter)
	if !ok {
		t.Fatalf("%s: no connection", res.Status)
	}
	fmt.Fprint(conn, "<head>\n")
	if line, err := bufio.NewReader(conn).ReadString('\n'); line != "<head>\n" || err != nil {
		t.Errorf("echo: %q, %v", line, err)
	}
}

// P44: What a form sends arrives as it is.
func TestP44FormThroughProxy(t *testing.T) {
	const form = "--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--x--\r\n"
	address, client := newProxy(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, "<p>%t %s", string(body) == form, r.URL.RawQuery)
	})
	res, err := client.Post(address+"/?b=2", "multipart/form-data; boundary=x", strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, _ := io.ReadAll(res.Body); !bytes.Equal(body, []byte(testMarkup+"<p>true b=2")) {
		t.Errorf("got %q", body)
	}
}
