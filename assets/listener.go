package assets

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// ListenerOptions says how one site's listener behaves. There are no defaults here: every field but the last three
// must be set.
type ListenerOptions struct {
	Prefix    string   // reserved path of the site, such as "/.ctlive/"
	Consent   string   // "implied": send at once; "required": hold events until ctlive.consent(true)
	GPC       string   // "respect": send nothing under Global Privacy Control or Do Not Track; "ignore"
	Query     string   // "strip" or "keep" query and fragment of the page's and the referrer's URL
	DataLayer bool     // push each event to window.dataLayer, for tag managers
	Origins   []string // origins whose messages are believed besides those of the page's own window
	Handlers  []byte   // the operator's own code: run once the page is parsed, in strict mode, with ctlive in scope; nil for none
}

// Listener is the script of one site: what stands in its pages, and the handler of what that loads. It is immutable.
type Listener struct {
	prefix    string
	hash      string // names the bundle in its path
	inline    string
	integrity string
	bundle    *content
	handlers  *content // a module; nil for none
}

// NewListener builds the script, in every encoding it will be served in. An error names each bad option and its fix.
func NewListener(o ListenerOptions) (*Listener, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	js := []byte(bundle(o))
	sum, sri := sha256.Sum256(append(js, o.Handlers...)), sha512.Sum384(js)
	l := &Listener{
		prefix:    o.Prefix,
		hash:      hex.EncodeToString(sum[:hashSize/2]),
		integrity: "sha384-" + base64.StdEncoding.EncodeToString(sri[:]),
	}
	l.inline = strings.Replace(inlineJS, "{path}", l.Path(), 1)
	if err := l.pack(js, o.Handlers); err != nil {
		return nil, fmt.Errorf("compress listener: %w", err)
	}
	return l, nil
}

const scriptType = "text/javascript; charset=utf-8"

func (l *Listener) pack(js, handlers []byte) (err error) {
	if l.bundle, err = newContent(scriptType, js); err == nil && len(handlers) > 0 {
		l.handlers, err = newContent(scriptType, []byte(module(handlers)))
	}
	return err
}

// bundle returns the script as served. It is one block, so that it adds no name to the page's.
func bundle(o ListenerOptions) string {
	dataLayer, load := "", ""
	if o.DataLayer {
		dataLayer = "ctlive=>{" + dataLayerJS + "}"
	}
	if len(o.Handlers) > 0 {
		load = handlersJS
	}
	return "{const config=" + config(o) + ",handlers=[" + dataLayer + "];" + load + listenerJS + "}"
}

// module makes code the body of an exported function of ctlive. The line break ends a comment that code may end with.
func module(code []byte) string {
	return "export default ctlive=>{" + string(code) + "\n}"
}

// config returns the options as JSON that is safe inside a script: encoding/json escapes "<", U+2028 and U+2029.
func config(o ListenerOptions) string {
	js, err := json.Marshal(struct {
		Events          string   `json:"events"`
		Origins         []string `json:"origins"`
		ConsentRequired bool     `json:"consentRequired,omitempty"`
		IgnoreGPC       bool     `json:"ignoreGPC,omitempty"`
		KeepQuery       bool     `json:"keepQuery,omitempty"`
	}{
		Events:          o.Prefix + "events",
		Origins:         append([]string{}, o.Origins...), // never null
		ConsentRequired: o.Consent == "required",
		IgnoreGPC:       o.GPC == "ignore",
		KeepQuery:       o.Query == "keep",
	})
	if err != nil {
		panic(err) // strings and booleans always have a JSON form
	}
	return string(js)
}

// Path returns the listener's path on the site, such as "/.ctlive/listener.3f1d0c5a9b7e2486.js". It changes with the
// script and its options, so that it can be cached for ever.
func (l *Listener) Path() string { return l.prefix + "listener." + l.hash + ".js" }

// Inline returns the text of the inline script, fit to stand in any HTML page: ASCII, no "<", at most 371 bytes for the
// prefix "/.ctlive/".
func (l *Listener) Inline() string { return l.inline }

// Buffer returns the same without the loading of Path, for pages whose policy requires Trusted Types. They need
// <script data-ctlive async src=Path> after it.
func (l *Listener) Buffer() string { return bufferJS }

// Integrity returns what an integrity attribute for Path would hold (Subresource Integrity).
func (l *Listener) Integrity() string { return l.integrity }

// ServeHTTP answers for Path, and for listener.js beside it, which is the same under a name that never changes.
func (l *Listener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, _ := strings.CutPrefix(r.URL.Path, l.prefix)
	script, forEver, checked := l.bundle, "public, max-age=31536000, immutable", "no-cache"
	if r.URL.RawQuery == "handlers" {
		// Not for shared caches: one that takes no notice of queries would give them out as the listener.
		script, forEver, checked = l.handlers, "private, max-age=31536000, immutable", "private, no-cache"
	}
	switch {
	case script == nil:
		http.NotFound(w, r)
	case r.URL.Path == l.Path():
		script.serve(w, r, forEver)
	case name == "listener.js", isHashed(name):
		// A page that a cache kept from before an upgrade asks for a hash of that time. It gets the listener of today,
		// which must not be kept under that name: behind a load balancer, another instance may still mean the old one.
		script.serve(w, r, checked)
	default:
		http.NotFound(w, r)
	}
}

const hashSize = 16 // hexadecimal digits

// isHashed reports whether name could have been a listener's at any time.
func isHashed(name string) bool {
	hash, ok := strings.CutPrefix(name, "listener.")
	if !ok {
		return false
	}
	hash, ok = strings.CutSuffix(hash, ".js")
	return ok && len(hash) == hashSize && strings.Trim(hash, "0123456789abcdef") == ""
}
