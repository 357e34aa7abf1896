package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"sync"
	"time"
)

// newPage returns an HTML page of size bytes, always the same, of words that are as unlike in their
// frequency as those of a language: gzip makes it about a third as large.
func newPage(size int) []byte {
	random := rand.New(rand.NewPCG(1, 2))
	var words [2000]string
	for i := range words {
		word := make([]byte, 3+random.IntN(7))
		for j := range word {
			word[j] = 'a' + byte(random.IntN(26))
		}
		words[i] = string(word)
	}
	var b bytes.Buffer
	b.WriteString("<!doctype html>\n<html lang=\"it\">\n<head>\n<meta charset=\"utf-8\">\n<title>Red shoes</title>\n</head>\n<body>\n")
	const end = "</p>\n</body>\n</html>\n"
	for b.Len() < size-len(end) {
		b.WriteString(`<p class="` + words[random.IntN(20)] + `">`)
		for range 30 {
			b.WriteString(words[int(random.ExpFloat64()*200)%len(words)] + " ")
		}
	}
	b.Truncate(size - len(end))
	b.WriteString(end)
	return b.Bytes()
}

// startOrigin serves page in gzip, whatever is asked for, on a free port, until the returned stop is
// called. It returns its URL.
func startOrigin(page []byte) (url string, stop func() error, err error) {
	var coded bytes.Buffer
	z := gzip.NewWriter(&coded)
	z.Write(page)
	z.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, fmt.Errorf("origin: %w", err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Encoding", "gzip")
		h.Set("Content-Length", strconv.Itoa(coded.Len()))
		w.Write(coded.Bytes())
	})}
	go server.Serve(listener)
	return "http://" + listener.Addr().String(), server.Close, nil
}

// reader is a visitor's connection for pages.
type reader struct {
	conn net.Conn
	in   *bufio.Reader
	raw  []byte // the request
}

func dialReader(ctx context.Context, addr string) (*reader, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	raw := "GET /products/red-shoes HTTP/1.1\r\n" +
		"Host: " + addr + "\r\n" +
		"User-Agent: " + userAgent + "\r\n" +
		"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n" +
		"Accept-Encoding: gzip, deflate, br, zstd\r\n" +
		"Accept-Language: it-IT,it;q=0.9,en;q=0.8\r\n" +
		"Sec-Fetch-Site: none\r\n" +
		"Sec-Fetch-Mode: navigate\r\n" +
		"Sec-Fetch-Dest: document\r\n\r\n"
	return &reader{conn, bufio.NewReader(conn), []byte(raw)}, nil
}

// get fetches the page and writes it, as it came, to w.
func (r *reader) get(w io.Writer) error {
	r.conn.SetDeadline(time.Now().Add(answerTime))
	if _, err := r.conn.Write(r.raw); err != nil {
		return err
	}
	res, err := http.ReadResponse(r.in, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Encoding") != "gzip" {
		return fmt.Errorf("page: %s, Content-Encoding %q", res.Status, res.Header.Get("Content-Encoding"))
	}
	_, err = io.Copy(w, res.Body)
	return err
}

// marker is the attribute of the scripts that ctlive has put into a page; it may hold a token.
var marker = regexp.MustCompile(`<script data-ctlive(?:="([A-Za-z0-9_-]+)")?[ >]`)

// pageToken fetches a page through the proxy and returns the token that events from it carry, "" if
// there is none. It is an error if the page is not injected.
func pageToken(ctx context.Context, addr string) (string, error) {
	r, err := dialReader(ctx, addr)
	if err != nil {
		return "", err
	}
	defer r.conn.Close()
	var coded bytes.Buffer
	if err := r.get(&coded); err != nil {
		return "", err
	}
	z, err := gzip.NewReader(&coded)
	if err != nil {
		return "", err
	}
	page, err := io.ReadAll(z)
	if err != nil {
		return "", err
	}
	found := marker.FindSubmatch(page)
	if found == nil {
		return "", errors.New("the page is not injected")
	}
	return string(found[1]), nil
}

const (
	pageRate    = 100 // a second
	pageReaders = 10  // connections that take turns
)

// readPages fetches pages at a steady rate for d. A page's time begins when it was to be asked for,
// so that a slow answer counts in full even where it makes later requests late.
func readPages(ctx context.Context, addr string, d time.Duration) (*latencies, error) {
	var times [pageReaders]latencies
	var errs [pageReaders]error
	var running sync.WaitGroup
	begin := time.Now()
	for i := range pageReaders {
		running.Go(func() {
			const every = time.Second / pageRate
			errs[i] = times[i].readEvery(ctx, addr, begin.Add(time.Duration(i)*every), pageReaders*every, begin.Add(d))
		})
	}
	running.Wait()
	total := &latencies{}
	for i := range times {
		total.merge(&times[i])
	}
	return total, errors.Join(append(errs[:], ctx.Err())...)
}

// readEvery fetches pages over one connection, at next and every so often, until end or the end of ctx.
func (l *latencies) readEvery(ctx context.Context, addr string, next time.Time, every time.Duration, end time.Time) error {
	r, err := dialReader(ctx, addr)
	if err != nil {
		return err
	}
	defer r.conn.Close()
	for ; next.Before(end) && ctx.Err() == nil; next = next.Add(every) {
		time.Sleep(time.Until(next))
		if err := r.get(io.Discard); err != nil {
			return err
		}
		l.add(time.Since(next))
	}
	return nil
}
