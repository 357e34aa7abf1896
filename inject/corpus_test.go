package inject

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// document is a page of somebody, and how it is served.
type document struct {
	name        string
	page        []byte
	contentType string
}

// nastyDocuments are pages made by hand, each named after what is hard about it.
func nastyDocuments(t testing.TB) []document {
	docs := documentsIn(t, filepath.Join("testdata", "nasty"))
	for i := range docs {
		if contentType := nastyTypes[docs[i].name]; contentType != "" {
			docs[i].contentType = contentType
		}
	}
	return docs
}

// nastyTypes are Content-Types other than "text/html".
var nastyTypes = map[string]string{
	"P57-utf-16le-by-header": "text/html; charset=utf-16le",
	"P57-utf-16be-by-header": "text/html;charset=UTF-16BE",
	"iso-2022-jp-by-header":  "text/html; charset=ISO-2022-JP",
	"replacement-by-header":  "text/html; charset=iso-2022-kr",
}

// nastyLeftAlone gives the names of the pages that are left alone, by reason.
var nastyLeftAlone = map[string]string{
	"not-a-document": `
		P17-table-body P17-table-caption P17-table-cell P17-table-columns P17-table-row-after-comment
		P18-svg-image P18-xml P18-xml-without-declaration
		P19-json-array P19-json-number P19-json-object P19-json-string
		P19-script P19-script-template-literal P19-script-with-padding
		P21-font P21-image P57-utf-16le-with-nothing-to-tell-it nul-first
		comment-then-unknown-element first-unknown-element html-tag-of-unusual-name
		comments-that-end-with-head-past-64-kib text-long-before-tag
		text-css text-only text-quote-before-tag text-with-less-thans-only
		end-in-bogus end-in-comment end-in-comment-bang end-in-comment-dash end-in-comment-dashes end-in-comment-text
		end-in-dash end-in-doctype end-in-doctype-name end-in-doctype-quote end-in-exclamation end-in-instruction
		end-in-first-end-tag-start end-in-first-less-than`,
	"amp":     `P22-amp-sign P22-amp-sign-with-selector P22-amp-word P22-amp4ads utf-16be-amp`,
	"already": `already-before-text already-first-of-all already-in-head already-in-head-after-space already-with-nonce already-without-head`,
	"empty":   `bom-alone bom-and-spaces end-nothing end-space`,
	"charset": `iso-2022-jp-katakana meta-of-replacement-for-the-prescan-only replacement-by-header replacement-by-meta`,
}

func TestNastyPages(t *testing.T) {
	reasons := make(map[string]string)
	for reason, names := range nastyLeftAlone {
		for name := range strings.FieldsSeq(names) {
			reasons[name] = reason
		}
	}
	for _, d := range nastyDocuments(t) {
		t.Run(d.name, func(t *testing.T) { checkView(t, d, reasons[d.name]) })
	}
}

// corpusDocuments are pages of other people, which are not part of the
// repository.
func corpusDocuments(t testing.TB) []document {
	root := filepath.Join("..", "..", "shared", "corpus")
	folders, err := os.ReadDir(root)
	if err != nil {
		t.Skipf("the corpus is missing: put folders of pages into %s", root)
	}
	var docs []document
	for _, folder := range folders {
		if folder.IsDir() {
			docs = append(docs, documentsIn(t, filepath.Join(root, folder.Name()))...)
		}
	}
	return docs
}

func documentsIn(t testing.TB, folder string) []document {
	t.Helper()
	files, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var docs []document
	for _, file := range files {
		page, err := os.ReadFile(filepath.Join(folder, file.Name()))
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(file.Name(), ".html")
		docs = append(docs, document{name, page, typeFor(name)})
	}
	return docs
}

// typeFor returns the Content-Type of a file named like "ja-2.shift_jis".
func typeFor(name string) string {
	if _, encoding, ok := strings.Cut(name, "."); ok && encodingName(encoding) != "" {
		return "text/html; charset=" + encoding
	}
	return "text/html"
}

func TestCorpus(t *testing.T) {
	for _, d := range corpusDocuments(t) {
		t.Run(d.name, func(t *testing.T) { checkView(t, d, corpusReason(d)) })
	}
}

// corpusReason returns why d is left alone, "" to inject it. A page without an
// element of HTML is no document.
func corpusReason(d document) string {
	switch {
	case len(d.page) == 0:
		return "empty"
	case corpusNoDocuments[d.name]:
		return "not-a-document"
	}
	if v, err := browse(d.page, d.contentType, true); err == nil && d.page[0] != '<' && isText(v.tree) {
		return "not-a-document"
	}
	return ""
}

// isText reports whether the tree is that of a page without tags.
func isText(tree *html.Node) bool {
	text, _ := html.Parse(strings.NewReader("text"))
	return strings.Count(dump(tree), "\n") == strings.Count(dump(text), "\n")
}

// corpusNoDocuments end in a comment, or start with text or with an element
// that HTML does not know.
var corpusNoDocuments = wordSet(`
	tests1-0036 tests1-0037 tests1-0038 tests1-0039 tests1-0041 tests1-0042 tests2-0042 tests2-0059
	comments01-0011 comments01-0012 entities01-0009 plain-text-unsafe-0007 template-0100 webkit01-0013 webkit01-0018`)

// checkView checks that d is left alone for the reason given, or injected so
// that browsers see the same page.
func checkView(t *testing.T, d document, reason string) {
	got := navigate(t, newTestInjector(), d.response())
	if got.verdict.Reason != reason {
		t.Fatalf("left alone for %q, want %q", got.verdict.Reason, reason)
	}
	after := got.header.Get("Content-Type")
	if reason != "" {
		if !bytes.Equal(got.body, d.page) || after != d.contentType {
			t.Errorf("left alone for %q, but not as it came", reason)
		}
		return
	}
	if !bytes.Equal(withoutMarkup(got), d.page) {
		t.Error("without the markup it is not what it was")
	}
	if different := differentView(d.page, got.body, d.contentType, after, testMarkup); different != "" {
		t.Error(different)
	}
	if encoding, from := sniffed(d.page, d.contentType); encoding != got.verdict.Encoding || from != got.verdict.EncodingFrom {
		t.Errorf("the verdict says %s from %s, want %s from %s",
			got.verdict.Encoding, got.verdict.EncodingFrom, encoding, from)
	}
}

// withoutMarkup returns the body of r less the markup that its verdict tells of.
func withoutMarkup(r result) []byte {
	unit := asciiSuperset
	switch r.verdict.Encoding {
	case "utf-16le":
		unit = littleEndian
	case "utf-16be":
		unit = bigEndian
	}
	markup := inUnits([]byte(testMarkup), unit)
	before, after := r.body[:r.verdict.Offset], r.body[r.verdict.Offset:]
	after, ok := bytes.CutPrefix(after, markup)
	if !ok {
		return nil
	}
	return append(bytes.Clone(before), after...)
}
