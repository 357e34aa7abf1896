package inject

import (
	"net/http"
	"strings"
)

// requestReason reports why no answer to r is touched, or "" if r may navigate
// to a document. The fields that it looked at are those that an answer varies by.
func requestReason(r *http.Request, frames bool) (reason string, consulted []string) {
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodPost && r.Method != http.MethodHead:
		return "method", nil
	case first(r.Header, "Sec-Fetch-Dest") != "":
		return destinationReason(r.Header, frames)
	}
	return oldRequestReason(r.Header)
}

// The fields that tell a navigation, for as long as they are looked at. Nobody
// writes to them.
var (
	destinationFields = []string{"Sec-Fetch-Dest"}
	emptyFields       = []string{"Sec-Fetch-Dest", "Sec-Fetch-Mode", "Sec-Purpose", "Purpose"}
	oldFields         = []string{
		"Sec-Fetch-Dest", "Accept", "X-Requested-With", "HX-Request", "Turbo-Frame", "Datastar-Request", "X-Pjax",
		"Sec-Purpose", "Purpose", "User-Agent",
	}
)

// destinationReason goes by the request's destination (Fetch Metadata 2.1).
// Older kinds of prefetch have none, but what they fetch is shown as a document
// later; a script's own fetch is no such thing, whatever it calls itself.
func destinationReason(h http.Header, frames bool) (reason string, consulted []string) {
	consulted = destinationFields
	switch strings.ToLower(first(h, "Sec-Fetch-Dest")) {
	case "document":
		return "", consulted
	case "iframe", "frame", "fencedframe":
		if frames {
			return "", consulted
		}
		return "frame", consulted
	case "empty":
		consulted = emptyFields
		if isPrefetch(h) && strings.EqualFold(first(h, "Sec-Fetch-Mode"), "no-cors") {
			return "", consulted
		}
	}
	return "fetch", consulted
}

func isPrefetch(h http.Header) bool {
	return hasToken(h, "Sec-Purpose", "prefetch") || hasToken(h, "Purpose", "prefetch")
}

// scriptFields are set by libraries that fetch parts of pages.
var scriptFields = []string{"X-Requested-With", "Hx-Request", "Turbo-Frame", "Datastar-Request", "X-Pjax"}

// oldRequestReason serves browsers that send no Fetch Metadata, or none to
// origins without TLS, and all other programs. A browser names text/html when it
// navigates and sends */* when a script fetches; others send */*, or nothing,
// for everything.
func oldRequestReason(h http.Header) (reason string, consulted []string) {
	consulted = oldFields[:2+len(scriptFields)]
	for _, field := range scriptFields {
		if value := first(h, field); value != "" && !strings.EqualFold(value, "false") {
			return "fetch", consulted
		}
	}
	if len(h["Accept"]) == 0 || hasToken(h, "Accept", "text/html") {
		return "", consulted
	}
	consulted = oldFields
	isBrowser := strings.HasPrefix(first(h, "User-Agent"), "Mozilla/")
	if hasToken(h, "Accept", "*/*") && (isPrefetch(h) || !isBrowser) {
		return "", consulted
	}
	return "fetch", consulted
}

// responseReason reports why res is left alone by its head alone, or "".
func responseReason(res *http.Response, mediaType string) string {
	switch h := res.Header; {
	case res.StatusCode == http.StatusSwitchingProtocols:
		return "upgrade" // Body is the raw connection
	case res.StatusCode == http.StatusPartialContent || first(h, "Content-Range") != "":
		return "range" // offsets would point at the wrong bytes
	case !showsBody(res):
		return "status"
	case mediaType == "application/xhtml+xml":
		return "xhtml" // one script that is not well-formed XML would break the page
	case mediaType != "text/html":
		return "not-html"
	case hasToken(h, "Ctlive", "off"):
		return "opted-out"
	case hasToken(h, "Cache-Control", "no-transform"):
		return "no-transform"
	case isAttachment(h):
		return "attachment"
	}
	return ""
}

// showsBody reports whether a browser shows the body of res as a page.
func showsBody(res *http.Response) bool {
	switch code := res.StatusCode; {
	case code < 200 || code == http.StatusNoContent || code == http.StatusResetContent || code == http.StatusNotModified:
		return false
	case 300 <= code && code < 400:
		return res.Header.Get("Location") == ""
	}
	return true
}

// isAttachment reports whether res is saved and not shown (RFC 6266 4.2: also
// a disposition type that is not known).
func isAttachment(h http.Header) bool {
	disposition, _, _ := strings.Cut(first(h, "Content-Disposition"), ";")
	disposition = strings.TrimSpace(disposition)
	return disposition != "" && !strings.EqualFold(disposition, "inline") && !strings.Contains(disposition, "=")
}
