package accept

import (
	"context"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// parsePlain returns the request of which head, of so many lines, is the whole, and
// which the guard has admitted, or nil if net/http is the one to deal with it:
// HTTP/1.0, a body or the announcement of one, a change of protocols, a target that
// is not a path, and whatever it would not take.
func parsePlain(ctx context.Context, head []byte, lines int) *http.Request {
	text := string(head)
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
	h := parseFields(text, lines)
	for _, name := range notPlain {
		if _, ok := h[name]; ok {
			return nil
		}
	}
	host := h.Get("Host")
	delete(h, "Host")
	if !httpguts.ValidHostHeader(host) {
		return nil
	}
	return (&http.Request{
		Method: method, URL: u, RequestURI: target, Proto: version, ProtoMajor: 1, ProtoMinor: 1,
		Host: host, Header: h, Body: http.NoBody,
		Close: httpguts.HeaderValuesContainsToken(h["Connection"], "close"),
	}).WithContext(ctx)
}

// notPlain are fields that make a request more than its head.
var notPlain = []string{"Content-Length", "Transfer-Encoding", "Trailer", "Expect", "Upgrade"}

// parseFields returns the fields in text, which has no more than lines of them.
func parseFields(text string, lines int) http.Header {
	h, values := make(http.Header, lines), make([]string, lines)
	for {
		line, rest, _ := strings.Cut(text, "\r\n")
		name, value, found := strings.Cut(line, ":")
		if !found {
			return h
		}
		text = rest
		name, value = canonical(name), textproto.TrimString(value)
		if before, ok := h[name]; ok {
			h[name] = append(before, value)
			continue
		}
		values[0] = value
		h[name], values = values[:1:1], values[1:]
	}
}

// canonical returns name as http.Header has it.
func canonical(name string) string {
	if c, ok := usual[name]; ok {
		return c
	}
	return textproto.CanonicalMIMEHeaderKey(name)
}

// usual has the fields that browsers and proxies send, as they write them. For those
// that it does not know net/http makes a new string each time.
var usual = func() map[string]string {
	names := make(map[string]string)
	for name := range strings.FieldsSeq(`Accept Accept-Encoding Accept-Language Cache-Control Connection Cookie DNT Host
		If-Modified-Since If-None-Match Origin Pragma Priority Range Referer Save-Data Sec-CH-UA Sec-CH-UA-Mobile
		Sec-CH-UA-Platform Sec-Fetch-Dest Sec-Fetch-Mode Sec-Fetch-Site Sec-Fetch-User Sec-GPC Sec-Purpose TE
		Upgrade-Insecure-Requests User-Agent Via X-Forwarded-For X-Forwarded-Host X-Forwarded-Proto X-Real-IP`) {
		c := textproto.CanonicalMIMEHeaderKey(name)
		names[name], names[strings.ToLower(name)], names[c] = c, c, c
	}
	return names
}()
