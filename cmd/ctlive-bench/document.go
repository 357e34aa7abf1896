package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

// documentSizes are the sizes of the pages in KB (1,000 bytes), which are their paths, too.
var documentSizes = []int{5, 50, 500}

func documentPath(size int) string { return fmt.Sprintf("/products/%d", size) }

const documentHead = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Red shoes and 214 others | Example Outfitters</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="description" content="Shoes for the street, the track and the hills, sent today.">
<link rel="canonical" href="https://bench.test/products/red-shoes">
<link rel="preload" href="/fonts/inter-var.3f1a0c.woff2" as="font" type="font/woff2" crossorigin>
<link rel="stylesheet" href="/css/site.a81bc2f4.css">
<script>window.cfg={"currency":"EUR","locale":"en-IE","cart":"/api/cart","flags":{"search":true,"wishlist":false}};</script>
<script type="application/ld+json">{"@context":"https://schema.org","@type":"CollectionPage","name":"Red shoes"}</script>
<script src="/js/site.77ce01.js" defer></script>
</head>
<body class="page page--list">
<header class="site-header"><a class="logo" href="/">Example Outfitters</a>
<nav aria-label="Main"><ul><li><a href="/women">Women</a></li><li><a href="/men">Men</a></li><li><a href="/sale">Sale</a></li></ul></nav></header>
<main id="content"><h1>Red shoes</h1>
<ol class="products">
`

const documentEnd = `</ol></main>
<footer class="site-footer"><p>Example Outfitters, 12 Harbour Row</p></footer>
</body>
</html>
`

// newDocument returns the list of products of a shop, always the same: exactly size bytes of HTML, of
// which gzip leaves about a fifth.
func newDocument(size int) []byte {
	random := rand.New(rand.NewPCG(7, 7))
	words := newWords(random)
	var b bytes.Buffer
	b.WriteString(documentHead)
	for {
		item := newProduct(random, words)
		if b.Len()+len(item)+len(documentEnd)+len("<!---->") > size {
			break
		}
		b.WriteString(item)
	}
	rest := size - b.Len() - len(documentEnd) - len("<!---->")
	b.WriteString("<!--" + strings.Repeat("-=", rest)[:rest] + "-->")
	b.WriteString(documentEnd)
	return b.Bytes()
}

// newWords returns words of three to nine letters.
func newWords(random *rand.Rand) []string {
	words := make([]string, 3000)
	for i := range words {
		for range 1 + random.IntN(3) {
			words[i] += string("bcdfglmnprstv"[random.IntN(13)]) + string("aeiou"[random.IntN(5)]) + string("nrstl"[random.IntN(5)])
		}
	}
	return words
}

// newProduct returns an item of the list. Words are as unlike in frequency as those of a language.
func newProduct(random *rand.Rand, words []string) string {
	text := func(n int) string {
		chosen := make([]string, n)
		for i := range chosen {
			chosen[i] = words[int(random.ExpFloat64()*300)%len(words)]
		}
		return strings.Join(chosen, " ")
	}
	id, name := random.Uint32(), text(3)
	return fmt.Sprintf(`<li class="product product--tile" data-id="%08x">
  <a class="product__link" href="/products/%s-%08x">
    <img class="product__image" src="/media/%08x_320.webp" width="320" height="400" alt="%s" loading="lazy">
    <h2 class="product__name">%s</h2>
  </a>
  <p class="product__text">%s.</p>
  <p class="product__price"><span class="price">€%d.%02d</span> <button class="button button--small" type="button">Add to cart</button></p>
</li>
`, id, strings.ReplaceAll(name, " ", "-"), id, random.Uint32(), name, name, text(12+random.IntN(25)), 20+random.IntN(180), random.IntN(100))
}

// codings are the content codings, by name, as a server compresses a page that it keeps.
var codings = map[string]struct {
	writer func(io.Writer) (io.WriteCloser, error)
	reader func(io.Reader) (io.Reader, error)
}{
	"gzip": {
		func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil },
		func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
	},
	"br": {
		func(w io.Writer) (io.WriteCloser, error) { return brotli.NewWriterLevel(w, 5), nil },
		func(r io.Reader) (io.Reader, error) { return brotli.NewReader(r), nil },
	},
	"zstd": {
		func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) },
		func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r, zstd.WithDecoderConcurrency(1)) },
	},
	"identity": {
		func(w io.Writer) (io.WriteCloser, error) { return unchanged{w}, nil },
		func(r io.Reader) (io.Reader, error) { return r, nil },
	},
}

type unchanged struct{ io.Writer }

func (unchanged) Close() error { return nil }

// encodeAs returns page in a coding.
func encodeAs(coding string, page []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := codings[coding].writer(&b)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(page); err != nil {
		return nil, err
	}
	err = w.Close()
	return b.Bytes(), err
}

// decodeAs is the inverse of encodeAs.
func decodeAs(coding string, body io.Reader) ([]byte, error) {
	r, err := codings[coding].reader(body)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}
