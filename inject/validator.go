package inject

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A page with markup in it is another representation than the origin's, so it
// carries another validator: the origin's own, marked with the version of the
// markup. It tells all that is needed to ask the origin again, so that 304 keeps
// working, and nothing is remembered here.
//
//	"abc"    becomes "abc~cs.VERSION"    (or W/"abc~cs.VERSION" if re-encoded)
//	W/"abc"  becomes W/"abc~cw.VERSION"
//	none, Last-Modified T  becomes W/"T~ct.VERSION", T in seconds since 1970
const (
	fromStrong = "~cs."
	fromWeak   = "~cw."
	fromTime   = "~ct."
)

// injectedETag returns the validator of the injected page, or "" if the origin
// sent nothing to derive it from.
func injectedETag(h http.Header, version string, reencoded bool) string {
	tag, weak, ok := parseETag(first(h, "Etag"))
	switch {
	case ok && weak:
		return `W/"` + tag + fromWeak + version + `"`
	case ok && reencoded:
		return `W/"` + tag + fromStrong + version + `"`
	case ok:
		return `"` + tag + fromStrong + version + `"`
	}
	date := first(h, "Last-Modified")
	if date == "" {
		return ""
	}
	modified, err := http.ParseTime(date)
	if err != nil {
		return ""
	}
	return `W/"` + strconv.FormatInt(modified.Unix(), 10) + fromTime + version + `"`
}

// parseETag reads an entity tag (RFC 9110 8.8.3).
func parseETag(s string) (tag string, weak, ok bool) {
	s = strings.TrimSpace(s)
	opaque, weak := strings.CutPrefix(s, "W/")
	if len(opaque) < 2 || opaque[0] != '"' || strings.IndexByte(opaque[1:], '"') != len(opaque)-2 {
		return "", false, false
	}
	return opaque[1 : len(opaque)-1], weak, true
}

// original turns a validator of ours back into the origin's: an ETag as the
// origin wrote it, or a time. It reports whether the validator is ours at all,
// of whatever version.
func original(field string) (etag string, modified time.Time, version string, ours bool) {
	tag, _, _ := parseETag(field)
	at := max(0, strings.LastIndexByte(tag, '~'))
	opaque, suffix := tag[:at], tag[at:]
	switch suffix[:min(len(suffix), len(fromStrong))] {
	case fromStrong:
		etag = `"` + opaque + `"`
	case fromWeak:
		etag = `W/"` + opaque + `"`
	case fromTime:
		seconds, err := strconv.ParseInt(opaque, 10, 64)
		if err != nil {
			return "", time.Time{}, "", false
		}
		modified = time.Unix(seconds, 0)
	default:
		return "", time.Time{}, "", false
	}
	return etag, modified, suffix[len(fromStrong):], true
}

// A condition is a validator of ours that the visitor sent, and what it stands
// for at the origin.
type condition struct{ field, etag string }

// mapConditions rewrites the conditions of a request that may be answered with
// an injected page, so that the origin compares them with its own validators.
// What the visitor holds of an older version, or from before the proxy stood
// here, must not be confirmed: such a request becomes unconditional. It returns
// the conditions that stand.
func mapConditions(h http.Header, version string) (known []condition) {
	fields := h["If-None-Match"]
	delete(h, "If-None-Match")
	delete(h, "If-Modified-Since")
	for _, field := range fields {
		for part := range splitQuoted(field, ',') {
			etag, modified, of, ours := original(part)
			switch {
			case !ours || of != version:
				continue
			case etag != "":
				h.Add("If-None-Match", etag)
			default:
				h.Set("If-Modified-Since", modified.UTC().Format(http.TimeFormat))
			}
			known = append(known, condition{strings.TrimSpace(part), etag})
		}
	}
	unmapPreconditions(h)
	return known
}

// confirmed returns the validator that a 304 with the origin's etag confirms.
func confirmed(known []condition, etag string) string {
	opaque, _, _ := parseETag(etag)
	for _, c := range known {
		if of, _, _ := parseETag(c.etag); len(known) == 1 || of == opaque {
			return c.field
		}
	}
	return ""
}

// withoutInjected takes the validators of injected pages out of a request for
// something else at the same URL, so that no 304 confirms the wrong
// representation, and gives the origin back its own in the preconditions of,
// say, a PUT of an edited page.
func withoutInjected(h http.Header) {
	for _, field := range h["If-None-Match"] {
		for part := range splitQuoted(field, ',') {
			if _, _, _, ours := original(part); ours {
				h.Del("If-None-Match")
				h.Del("If-Modified-Since")
			}
		}
	}
	unmapPreconditions(h)
}

func unmapPreconditions(h http.Header) {
	values := h["If-Match"]
	for i, field := range values {
		var parts []string
		for part := range splitQuoted(field, ',') {
			if etag, _, _, ours := original(part); ours && etag != "" {
				part = etag
			}
			parts = append(parts, strings.TrimSpace(part))
		}
		values[i] = strings.Join(parts, ", ")
	}
}
