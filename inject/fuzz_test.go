package inject

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"
)

// fuzzTypes are the Content-Types that fuzzed pages come under.
var fuzzTypes = []string{
	"text/html", "text/html; charset=utf-8", "text/html; charset=utf-16le", "text/html; charset=utf-16be",
	"text/html; charset=windows-1252", "text/html; charset=shift_jis", "text/html; charset=iso-2022-jp",
}

// FuzzPlace holds pages against the oracle.
func FuzzPlace(f *testing.F) {
	for _, d := range nastyDocuments(f) {
		f.Add(d.page, uint8(0))
	}
	f.Fuzz(func(t *testing.T, page []byte, kind uint8) {
		checkFuzzed(t, document{"", page, fuzzTypes[int(kind)%len(fuzzTypes)]})
	})
}

// fragments are what tokens before the head are made of.
var fragments = []string{
	"<!doctype html>", "<!DOCTYPE x PUBLIC \"", "<html", "<head", "<body", "<head>", "<html>", "</head>", "</p", "</", "<!", "<!--", "-->",
	"--!>", "-", "!", "<", ">", "/", "=", "\"", "'", " ", "\n", "\f", "\r", "\t", "a", "b=c", "amp", "data-ctlive", "<script", "<script>", "</script>",
	"<p>", "<td>", "<title>x</title>", "<frameset>", "<noscript>", "<template>", "<plaintext>", "<svg>", "<foo>", "<br>", "text", "&", "&#", "&#32",
	"&#x", "&#x20;", "9", "d", ";", "&Tab;", "&NewLine", "&lt;", "?", "<?", "<?xml", "?>", "<![CDATA[", "]]>", "\x00", "\x0b", "\u00a0", "\ufeff", "é",
	"\x1b$B", "\x1b(B", "$3", "<meta charset=utf-8>", "<meta charset=iso-2022-jp>", "<meta charset=windows-1251>", "<meta charset=replacement>",
	"<!-- \x1b$B--", "{", "\xff", "\xfe",
}

// pageOf makes a page of fragments, one for each byte of recipe.
func pageOf(recipe []byte) (page []byte) {
	for _, i := range recipe {
		page = append(page, fragments[int(i)%len(fragments)]...)
	}
	return page
}

func FuzzFragments(f *testing.F) {
	f.Add([]byte{0, 6, 5, 36}, uint8(0))
	f.Fuzz(func(t *testing.T, recipe []byte, kind uint8) {
		checkFuzzed(t, document{"", pageOf(recipe), fuzzTypes[int(kind)%len(fuzzTypes)]})
	})
}

// TestRandomPages checks pages of fragments, others each time.
func TestRandomPages(t *testing.T) {
	for range 3000 {
		recipe := make([]byte, 1+rand.IntN(20))
		for i := range recipe {
			recipe[i] = byte(rand.Uint32())
		}
		checkFuzzed(t, document{"", pageOf(recipe), fuzzTypes[rand.IntN(2*len(fuzzTypes))%len(fuzzTypes)]})
		if t.Failed() {
			return
		}
	}
}

// checkFuzzed checks all that must be true of any page.
func checkFuzzed(t *testing.T, d document) {
	got := navigate(t, newTestInjector(), d.response())
	after := got.header.Get("Content-Type")
	switch {
	case !got.verdict.Injected:
		if !bytes.Equal(got.body, d.page) || after != d.contentType {
			t.Errorf("%s %q: left alone for %q, but not as it came", d.contentType, d.page, got.verdict.Reason)
		}
		return
	case !bytes.Equal(withoutMarkup(got), d.page):
		t.Errorf("%s %q: without the markup it is not what it was", d.contentType, d.page)
	}
	if problem := prefixProblem(d, true) + prefixProblem(d, false); problem != "" {
		t.Errorf("%s %q: %s", d.contentType, d.page, problem)
	}
	if different := differentView(d.page, got.body, d.contentType, after, testMarkup); different != "" {
		t.Errorf("%s %q: %s", d.contentType, d.page, different)
	}
}

// FuzzPage passes bodies, real and damaged, through every coding. What comes out
// is what came in, or the page with the markup in it.
func FuzzPage(f *testing.F) {
	for _, d := range nastyDocuments(f) {
		f.Add(d.page, uint8(len(d.name)), uint64(0), -1)
	}
	f.Fuzz(func(t *testing.T, page []byte, kind uint8, seed uint64, damage int) {
		w := wires[int(kind)%len(wires)]
		body := bytes.Clone(w.encode(page))
		if damage >= 0 && len(body) > 0 {
			body[damage%len(body)] ^= 1 << (damage % 8)
		}
		random := rand.New(rand.NewPCG(seed, 0))
		source := cut{bytes.NewReader(body), func() int { return random.IntN(1 + random.IntN(5000)) }}
		got := navigate(t, newTestInjector(), w.response(document{contentType: "text/html"}, source))
		switch {
		case got.verdict.Injected && got.err == nil:
			before, damaged := w.decode(body)
			out, err := w.decode(got.body)
			if err != nil {
				if damaged == nil {
					t.Fatalf("%s: comes out undecodable: %v", w.name, err)
				}
				return // as it was
			}
			if got.body = out; !bytes.Equal(withoutMarkup(got), before) {
				t.Fatalf("%s: without the markup it is not what it was", w.name)
			}
		case got.verdict.Injected && damage < 0:
			t.Fatalf("%s: ends with %v", w.name, got.err)
		case !got.verdict.Injected && (!bytes.Equal(got.body, body) || got.err != nil && got.err != io.ErrUnexpectedEOF):
			t.Fatalf("%s: left alone for %q, but not as it came: %v", w.name, got.verdict.Reason, got.err)
		}
	})
}
