package accept

import (
	"context"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"

	"golang.org/x/net/http/httpguts"

	"ctlive/proxy/accept/fields"
)

// parsePlain returns the request with a head that the guard has admitted, or nil if
// net/http is the one to deal with it: HTTP/1.0, a body in chunks or one that waits
// for our word, a change of protocols, a target that is not a path, and whatever it
// would not take. The request's body is for the caller to add.
func parsePlain(ctx context.Context, h *head, b []byte) *http.Request {
	text := string(b)
	line, text, _ := strings.Cut(text, "\r\n")
	method, line, _ := strings.Cut(line, " ")
	target, version, _ := strings.Cut(line, " ")
	if version != "HTTP/1.1" || method == http.MethodConnect || target[0] != '/' {
		return nil
	}
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return nil
	}
	header := parseFields(text, h.lines)
	for _, name := range notPlain {
		if _, ok := header[name]; ok {
			return nil
		}
	}
	host := header.Get("Host")
	delete(header, "Host")
	if !httpguts.ValidHostHeader(host) {
		return nil
	}
	return (&http.Request{
		Method: method, URL: u, RequestURI: target, Proto: version, ProtoMajor: 1, ProtoMinor: 1,
		Host: host, Header: header, Body: http.NoBody, ContentLength: h.length,
		Close: httpguts.HeaderValuesContainsToken(header["Connection"], "close"),
	}).WithContext(ctx)
}

// notPlain are fields of requests that net/http deals with.
var notPlain = []string{"Transfer-Encoding", "Trailer", "Expect", "Upgrade"}

// parseFields returns the fields in text, which has no more than lines of them, each with
// its end.
func parseFields(text string, lines int) http.Header {
	h, values := make(http.Header, lines), make([]string, lines)
	for {
		end := strings.IndexByte(text, '\n')
		colon := strings.IndexByte(text[:end+1], ':')
		if colon < 0 {
			return h
		}
		name, value := fields.Canonical(text[:colon]), textproto.TrimString(text[colon+1:end-1])
		text = text[end+1:]
		if before, ok := h[name]; ok {
			h[name] = append(before, value)
			continue
		}
		values[0] = value
		h[name], values = values[:1:1], values[1:]
	}
}
