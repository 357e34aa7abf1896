package inject

import (
	"bytes"
	"cmp"
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

// browse parses page by other code than the package's.
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
	if name := literalPrescan(page[:min(len(page), prescanLength)]); name != "" {
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
	switch v.encoding {
	case "utf-8":
		return bytes.ToValidUTF8(page, []byte("\ufffd"))
	case "iso-2022-jp":
		return literalISO2022JP(page)
	}
	e, _ := charset.Lookup(cmp.Or(v.encoding, "windows-1252"))
	text, err := e.NewDecoder().Bytes(page)
	if err != nil {
		panic(err) // decoders write U+FFFD instead
	}
	return text
}

// literalISO2022JP decodes by the Encoding Standard 12.2.1, except that every
// pair of bytes comes out as the same character: x/text takes broken text apart
// in other places.
func literalISO2022JP(page []byte) (text []byte) {
	const bad = "\ufffd"
	state, fresh, lead := "ascii", false, false // fresh: nothing has come since an escape sequence
	for i := 0; i < len(page); i++ {
		c := page[i]
		sets := map[string]string{"(B": "ascii", "(J": "roman", "(I": "katakana", "$@": "pairs", "$B": "pairs"}
		var set string
		if c == 0x1b && i+2 < len(page) {
			set = sets[string(page[i+1:i+3])]
		}
		switch {
		case c == 0x1b && lead: // the pair is broken, and the escape stands for itself
			text, lead = append(text, bad...), false
			i--
			continue
		case set != "":
			if fresh {
				text = append(text, bad...)
			}
			state, fresh = set, true
			i += 2
			continue
		case c == 0x1b:
			text = append(text, bad...)
		case lead:
			lead = false
			if c < 0x21 || c > 0x7e {
				text = append(text, bad...)
			} else {
				text = append(text, "あ"...)
			}
		case state == "pairs" && 0x21 <= c && c <= 0x7e:
			lead = true
		case state == "pairs", c >= 0x80, c == 0x0e, c == 0x0f, state == "katakana" && (c < 0x21 || c > 0x5f):
			text = append(text, bad...)
		case state == "katakana":
			text = append(text, "ｱ"...)
		case state == "roman" && (c == '\\' || c == '~'):
			text = append(text, "¥"...)
		default:
			text = append(text, c)
		}
		fresh = false
	}
	if lead {
		text = append(text, bad...)
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

// The declarations that the standard's algorithm finds are those that
// x/net/html/charset finds, but for a few pages.
func TestDeclarationsAsElsewhere(t *testing.T) {
	check := func(t *testing.T, docs []document) {
		for _, d := range docs {
			start := bytes.Clone(d.page[:min(len(d.page), prescanLength)])
			for i, c := range start {
				if c >= 0x80 {
					start[i] = 'x' // or it would guess
				}
			}
			want := cmp.Or(literalPrescan(start), "windows-1252")
			_, got, _ := charset.DetermineEncoding(start, "")
			if _, otherwise := declaredOtherwise[d.name]; (got == want) == otherwise {
				t.Errorf("%s: %s, elsewhere %s", d.name, want, got)
			}
		}
	}
	t.Run("nasty", func(t *testing.T) { check(t, nastyDocuments(t)) })
	t.Run("corpus", func(t *testing.T) { check(t, corpusDocuments(t)) })
}

// declaredOtherwise are the pages whose declaration x/net/html/charset reads
// otherwise than the HTML Standard 13.2.3.2, each checked by hand.
var declaredOtherwise = map[string]string{
	"charset-with-vertical-tab":        "a label is trimmed of ASCII whitespace, which VT is not (Encoding 4.2)",
	"charset-x-user-defined":           "in a <meta> it stands for windows-1252",
	"meta-after-comment-with-bang-end": "to the prescan, only \"-->\" ends a comment",
	"meta-in-script":                   "the prescan knows no raw text",
	"meta-in-title":                    "the prescan knows no raw text",

	"meta-in-attribute-for-the-prescan-only":   "to the prescan, a tag's name goes on after a slash",
	"meta-of-replacement-for-the-prescan-only": "to the prescan, a tag's name goes on after a slash",

	"P18-xhtml-with-declaration":         "XML declarations count",
	"P56-xml-declaration-is-not-pushed":  "XML declarations count",
	"P57-utf-16be-by-xml-declaration":    "XML declarations count",
	"P57-utf-16le-by-xml-declaration":    "XML declarations count",
	"xml-declaration-names-the-encoding": "XML declarations count",
	"tests1-054":                         "the prescan knows no raw text",
	"tests1-055":                         "the prescan knows no raw text",
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
