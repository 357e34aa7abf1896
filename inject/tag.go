package inject

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"html"
	"strings"
	"unicode/utf8"

	"ctlive/inject/deflate"
)

// markerAttribute is on every script element of ours, and tells a second proxy
// on the way that the page has its listener.
const markerAttribute = "data-ctlive"

// A Tag describes the markup that goes into a page. All of it is ASCII.
type Tag struct {
	// Inline is the text of the first script: it removes its own element,
	// begins to listen and loads Src. Buffer is the same without the loading,
	// for pages whose policy requires Trusted Types. Neither may hold a "<".
	Inline, Buffer string

	Src       string // path of the listener on the site
	Integrity string // of the listener, for subresource integrity
	Events    string // path of the endpoint that the listener reports to
	SDK       string // URL of the CTLive SDK; "" if the page brings its own

	// Token returns the value of the attribute data-ctlive on our elements, or is
	// nil for none. It may return another one from time to time: then the page is
	// another representation, and a visitor that holds the one before gets the
	// page anew instead of a 304.
	Token func() string

	// HTML, if set, is the markup as it stands, instead of all of the above. No
	// policy is changed for it.
	HTML string
}

// version identifies the markup with a token in a validator: pages with another
// version are other representations.
func (t Tag) version(token string) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{t.Inline, t.Buffer, t.Src, t.SDK, t.HTML, token}, "\x00")))
	return base64.RawURLEncoding.EncodeToString(sum[:6])
}

// An edition is what the markup of all pages has in common for a while.
type edition struct {
	token, version string
	plain          []byte // the markup of a page without policies; nobody writes to it
	packed         *deflate.Packed
}

// edition returns today's edition of the markup.
func (in *Injector) edition() *edition {
	token := ""
	if in.tag.Token != nil {
		token = in.tag.Token()
	}
	if e := in.current.Load(); e != nil && e.token == token {
		return e
	}
	in.making.Lock() // packing takes a megabyte for a moment
	defer in.making.Unlock()
	if e := in.current.Load(); e != nil && e.token == token {
		return e
	}
	e := &edition{token: token, version: in.tag.version(token), plain: in.tag.markup(token, "", false)}
	e.packed = deflate.Pack(e.plain)
	in.current.Store(e)
	return e
}

// markup builds the elements for one page: nonce is the one that its policy
// asks for, trustedTypes whether it keeps scripts from creating scripts.
func (t Tag) markup(token, nonce string, trustedTypes bool) []byte {
	if t.HTML != "" {
		return []byte(t.HTML)
	}
	attributes := ""
	if nonce != "" {
		attributes = ` nonce="` + html.EscapeString(nonce) + `"`
	}
	var b strings.Builder
	open := "<script " + markerAttribute
	if token != "" {
		open += `="` + html.EscapeString(token) + `"`
	}
	open += attributes
	if trustedTypes {
		b.WriteString(open + ">" + t.Buffer + "</script>")
		b.WriteString(open + ` async integrity="` + t.Integrity + `" src="` + html.EscapeString(t.Src) + `"></script>`)
	} else {
		b.WriteString(open + ">" + t.Inline + "</script>")
	}
	if t.SDK != "" {
		b.WriteString("<script" + attributes + ` async src="` + html.EscapeString(t.SDK) + `"></script>`)
	}
	return []byte(b.String())
}

// inUnits writes ASCII markup in the units of a page's encoding.
func inUnits(markup []byte, u unit) []byte {
	if u != littleEndian && u != bigEndian {
		return markup
	}
	wide := make([]byte, 2*len(markup))
	low := 0
	if u == bigEndian {
		low = 1
	}
	for i, c := range markup {
		wide[2*i+low] = c
	}
	return wide
}

// Check returns an error unless the markup can stand in a page of any encoding,
// and its scripts in a script element.
func (t Tag) Check() error {
	for _, text := range []string{t.Inline, t.Buffer, t.Src, t.Integrity, t.SDK, t.HTML} {
		if strings.ContainsFunc(text, func(r rune) bool { return r == 0 || r >= utf8.RuneSelf }) {
			return errors.New("inject: the markup must be ASCII, so that it means the same in every encoding")
		}
	}
	if strings.Contains(t.Inline+t.Buffer, "<") {
		return errors.New(`inject: an inline script must not contain "<"`)
	}
	return nil
}
