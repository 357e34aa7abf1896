package inject

import (
	"bytes"
	"fmt"
	"mime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
	"golang.org/x/net/html/charset"
)

// view is what a browser sees in a page.
type view struct {
	encoding string // "" if nothing names it
	from     string // what names it: "BOM", "Content-Type", "meta" or "none"
	tree     *html.Node
}

// browse parses page by code that shares nothing with the package. It takes the
// page's declaration from x/net/html/charset, which can't tell windows-1252 from
// none.
func browse(page []byte, contentType string, scripting bool) (v view, err error) {
	v.encoding, v.from = sniffed(page, contentType)
	text := decoded(page, v)
	v.tree, err = html.ParseWithOptions(bytes.NewReader(text), html.ParseOptionEnableScripting(scripting))
	return v, err
}

func sniffed(page []byte, contentType string) (encoding, from string) {
	for _, sig := range signatures {
		if sig.bom && bytes.HasPrefix(page, []byte(sig.bytes)) {
			return sig.encoding, "BOM"
		}
	}
	if _, parameters, err := mime.ParseMediaType(contentType); err == nil {
		if e, name := charset.Lookup(parameters["charset"]); e != nil {
			return name, "Content-Type"
		}
	}
	for _, sig := range signatures {
		if bytes.HasPrefix(page, []byte(sig.bytes)) {
			return sig.encoding, "meta"
		}
	}
	start := bytes.Clone(page[:min(len(page), prescanLength)])
	for i, c := range start {
		if c >= 0x80 {
			start[i] = 'x' // or DetermineEncoding would guess
		}
	}
	if _, name, _ := charset.DetermineEncoding(start, ""); name != "windows-1252" {
		return name, "meta"
	}
	return "", "none"
}

func decoded(page []byte, v view) []byte {
	for _, sig := range signatures {
		if v.from == "BOM" && sig.bom && bytes.HasPrefix(page, []byte(sig.bytes)) {
			page = page[len(sig.bytes):]
			break
		}
	}
	e, name := charset.Lookup(v.encoding)
	if e == nil {
		e, _ = charset.Lookup("windows-1252")
	}
	if name == "utf-8" {
		return bytes.ToValidUTF8(page, []byte("\ufffd"))
	}
	text, err := e.NewDecoder().Bytes(page)
	if err != nil {
		panic(err) // decoders write U+FFFD instead
	}
	return text
}

// dump writes a tree line by line. Every line of a node's children is indented
// by one more than its own.
func dump(n *html.Node) string {
	var b strings.Builder
	dumpNode(&b, n, 0)
	return b.String()
}

func dumpNode(b *strings.Builder, n *html.Node, depth int) {
	fmt.Fprintf(b, "%*d %s %q", depth, n.Type, n.Namespace, n.Data)
	for _, a := range n.Attr {
		fmt.Fprintf(b, " %s:%q=%q", a.Namespace, a.Key, a.Val)
	}
	b.WriteByte('\n')
	for c := range n.ChildNodes() {
		dumpNode(b, c, depth+1)
	}
}

// takeScript removes the first element child of head, and returns how it looks.
func takeScript(tree *html.Node) string {
	head := firstElement(firstElement(tree, "html"), "head")
	script := firstElement(head, "")
	if script == nil {
		return "no element"
	}
	head.RemoveChild(script)
	return dump(script)
}

// element returns how the first element of markup looks.
func element(markup string) string {
	tree, err := html.Parse(strings.NewReader("<head>" + markup))
	if err != nil {
		panic(err)
	}
	return takeScript(tree)
}

// firstElement returns the first element child of n with this name, "" for any.
func firstElement(n *html.Node, name string) *html.Node {
	if n == nil {
		return nil
	}
	for c := range n.ChildNodes() {
		if c.Type == html.ElementNode && (name == "" || c.Data == name) {
			return c
		}
	}
	return nil
}

// differentView compares a page before and after injection as browsers see it,
// and says what is wrong, or "". Document mode follows from the DOCTYPE, which
// is part of the tree.
func differentView(page, injected []byte, before, after string, markup string) string {
	for _, scripting := range []bool{true, false} {
		was, err := browse(page, before, scripting)
		is, err2 := browse(injected, after, scripting)
		switch {
		case fmt.Sprint(err) != fmt.Sprint(err2):
			return fmt.Sprintf("the page parses with %v, injected with %v", err, err2)
		case was.encoding != is.encoding:
			return fmt.Sprintf("encoding was %q, is %q", was.encoding, is.encoding)
		case was.from != is.from && before == after:
			return fmt.Sprintf("encoding came from %s, comes from %s", was.from, is.from)
		case err != nil:
			return "" // deeper than the parser goes
		}
		if script := takeScript(is.tree); script != element(markup) {
			return fmt.Sprintf("head starts with %.80s", script)
		}
		if d := firstDifference(dump(was.tree), dump(is.tree)); d != "" {
			return fmt.Sprintf("scripting %v: %s", scripting, d)
		}
	}
	return ""
}

func firstDifference(was, is string) string {
	a, b := strings.Split(was, "\n"), strings.Split(is, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("node %d was %.80s, is %.80s", i, a[i], b[i])
		}
	}
	if len(a) != len(b) {
		return fmt.Sprintf("%d nodes have become %d", len(a), len(b))
	}
	return ""
}

// without removes size bytes at offset.
func without(page []byte, offset int64, size int) []byte {
	if offset+int64(size) > int64(len(page)) {
		return nil
	}
	return slices.Delete(bytes.Clone(page), int(offset), int(offset)+size)
}

// An oracle must itself be able to tell right from wrong.
func TestOracleSeesWhatIsWrong(t *testing.T) {
	const markup = "<script data-ctlive>1</script>"
	pages := map[string]struct{ page, injected, want string }{
		"right":             {"<!doctype html><head><title>x</title>", "<!doctype html><head>" + markup + "<title>x</title>", ""},
		"not first":         {"<head><title>x</title>", "<head><title>x</title>" + markup, "head starts with"},
		"in the body":       {"<p>x", "<p>" + markup + "x", "head starts with no element"},
		"before doctype":    {"<!doctype html><p>x", markup + "<!doctype html><p>x", "node 1"},
		"before comment":    {"<!-- x --><p>x", markup + "<!-- x --><p>x", "node 1"},
		"space moves":       {"<html> <p>x", "<html>" + markup + " <p>x", "node"},
		"text is lost":      {"<p>x", markup + "<p>", "node"},
		"attribute changes": {"<p a>x", markup + "<p b>x", "node"},
		"encoding is lost": {"<meta charset=utf-8>", markup + strings.Repeat(" ", 1024) + "<meta charset=utf-8>",
			"encoding was"},
		"noscript": {"<noscript><b>x</b></noscript>", markup + "<noscript><i>x</i></noscript>", "node"},
	}
	for name, c := range pages {
		got := differentView([]byte(c.page), []byte(c.injected), "text/html", "text/html", markup)
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}
