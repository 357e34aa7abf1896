package demo

import (
	"bytes"
	"crypto/rand"
	"net/http"
)

// guarded is a page under a strict content security policy (CSP 3): scripts run
// only with the nonce of their own answer, or when such a script loads them.
type guarded struct {
	page []byte
}

// ServeHTTP puts a fresh nonce into the policy, and wherever the page says <!--#nonce-->.
func (g guarded) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	nonce := rand.Text()
	h := w.Header()
	h.Set("Content-Type", contentTypes[".html"])
	h.Set("Cache-Control", "private, no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'nonce-"+nonce+"' 'strict-dynamic'; "+
		"style-src 'self'; img-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'")
	w.Write(bytes.ReplaceAll(g.page, []byte("<!--#nonce-->"), []byte(nonce)))
}
