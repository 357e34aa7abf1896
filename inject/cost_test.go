package inject

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// shopPage returns a list of products of the given size, of which gzip leaves about a fifth.
func shopPage(size int) []byte {
	random := rand.New(rand.NewPCG(7, 7))
	words := make([]string, 3000)
	for i := range words {
		for range 1 + random.IntN(3) {
			words[i] += string("bcdfglmnprstv"[random.IntN(13)]) + string("aeiou"[random.IntN(5)]) + string("nrstl"[random.IntN(5)])
		}
	}
	text := func(n int) string {
		chosen := make([]string, n)
		for i := range chosen {
			chosen[i] = words[int(random.ExpFloat64()*300)%len(words)]
		}
		return strings.Join(chosen, " ")
	}
	const head = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Red shoes and 214 others | Example Outfitters</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="description" content="Shoes for the street, the track and the hills, sent today.">
<link rel="canonical" href="https://bench.test/products/red-shoes">
<link rel="stylesheet" href="/css/site.a81bc2f4.css">
<script>window.cfg={"currency":"EUR","locale":"en-IE","cart":"/api/cart","flags":{"search":true,"wishlist":false}};</script>
<script src="/js/site.77ce01.js" defer></script>
</head>
<body class="page page--list">
<main id="content"><h1>Red shoes</h1>
<ol class="products">
`
	var b bytes.Buffer
	for b.WriteString(head); b.Len() < size; {
		name := text(3)
		fmt.Fprintf(&b, "<li class=\"product product--tile\" data-id=\"%08x\">\n"+
			"  <a class=\"product__link\" href=\"/products/%s\">\n"+
			"    <img class=\"product__image\" src=\"/media/%08x_320.webp\" width=\"320\" height=\"400\" alt=\"%s\" loading=\"lazy\">\n"+
			"    <h2 class=\"product__name\">%s</h2>\n  </a>\n  <p class=\"product__text\">%s.</p>\n"+
			"  <p class=\"product__price\">€%d.%02d <button type=\"button\">Add to cart</button></p>\n</li>\n",
			random.Uint32(), strings.ReplaceAll(name, " ", "-"), random.Uint32(), name, name, text(12+random.IntN(25)), random.IntN(200), random.IntN(100))
	}
	return b.Bytes()[:size]
}

// come is a body all of which has come.
type come struct{ bytes.Reader }

func (*come) Close() error { return nil }
func (*come) Whole() bool  { return true }

// BenchmarkPage measures what a page that has come whole costs besides the network, from the request to the end of the
// body.
func BenchmarkPage(b *testing.B) {
	tag := testTag
	tag.Token = func() string { return "20261027.Vm9sbHN0w6RuZGln" }
	in := New(Options{Tag: tag, Include: []string{"/**"}, Exclude: []string{"/admin/**", "/**/print"}})
	for _, coding := range []string{"identity", "gzip"} {
		for _, kb := range []int{5, 50, 500} {
			body := shopPage(kb * 1000)
			if coding == "gzip" {
				var z bytes.Buffer
				w := gzip.NewWriter(&z)
				w.Write(body)
				w.Close()
				body = z.Bytes()
			}
			b.Run(fmt.Sprintf("%s/%dKB", coding, kb), func(b *testing.B) { benchPage(b, in, coding, body) })
		}
	}
}

func benchPage(b *testing.B, in *Injector, coding string, body []byte) {
	asked := header("Accept: text/html,application/xhtml+xml,*/*;q=0.8", "Accept-Encoding: gzip, deflate, br, zstd",
		"Accept-Language: en", "Sec-Fetch-Dest: document", "Sec-Fetch-Mode: navigate", "User-Agent: Mozilla/5.0")
	answer := header("Content-Type: text/html; charset=utf-8", "Vary: Accept-Encoding", "Cache-Control: no-cache",
		"Date: Mon, 02 Nov 2026 10:00:00 GMT", "Content-Encoding: "+coding, "Content-Length: "+strconv.Itoa(len(body)))
	req, res := request("GET"), &http.Response{StatusCode: 200, Header: http.Header{}}
	buf, src := make([]byte, 32<<10), new(come)
	b.ReportAllocs()
	for b.Loop() {
		fill(req.Header, asked)
		fill(res.Header, answer)
		src.Reset(body)
		res.Body, res.ContentLength = src, int64(len(body))
		x := in.Request(req)
		x.Response(res)
		if err := drain(res.Body, buf); err != io.EOF {
			b.Fatal(err)
		}
		res.Body.Close()
		if !x.Verdict().Injected {
			b.Fatal(x.Verdict().Reason)
		}
	}
}

// drain reads r to its end.
func drain(r io.Reader, buf []byte) (err error) {
	for err == nil {
		_, err = r.Read(buf)
	}
	return err
}

// fill makes h a copy of from.
func fill(h, from http.Header) {
	clear(h)
	maps.Copy(h, from)
}
