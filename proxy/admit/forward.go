package admit

import (
	"net/http"
	"net/textproto"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// Forward makes of the header of in, the request that came, that of the request to
// the origin, and returns it. It says of the visitor only what we know, and has no
// field that is for us alone as the next hop (RFC 9110 7.6.1): a visitor cannot
// remove ours by naming them in Connection. X-Forwarded-For is one address: an
// origin needs no list of proxies to read it.
func (p *Policy) Forward(in *http.Request, c Client) http.Header {
	h := in.Header
	hop, te := h["Connection"], h["Te"]
	own := &[4]string{c.Addr.String(), c.Proto, c.Host, appendLoop(h["Cdn-Loop"])}
	edge := p.trusts(peer(in)) // whose own fields about the visitor, such as CF-IPCountry, are true
	for name := range h {
		if !isPlain(name) || isOurs(name) || !edge && strings.HasPrefix(name, "Cf-") {
			delete(h, name)
		}
	}
	for _, field := range hop {
		for name := range strings.SplitSeq(field, ",") {
			delete(h, textproto.CanonicalMIMEHeaderKey(strings.Trim(name, " \t")))
		}
	}
	if c.Addr.IsValid() {
		h["X-Forwarded-For"] = own[0:1:1]
	}
	h["X-Forwarded-Proto"] = own[1:2:2]
	h["X-Forwarded-Host"] = own[2:3:3]
	h["Cdn-Loop"] = own[3:4:4]
	if te != nil && httpguts.HeaderValuesContainsToken(te, "trailers") {
		h["Te"] = trailersWanted
	}
	return h
}

// trailersWanted is what a hop may tell the next of TE: that trailers get through.
var trailersWanted = []string{"trailers"}

// appendLoop adds ourselves. It reads the field as it came: a client can list it
// in Connection.
func appendLoop(came []string) string {
	if len(came) == 0 {
		return cdnID
	}
	return strings.Join(came, ", ") + ", " + cdnID
}

// isPlain reports whether a field name is of letters, digits and hyphens. CGI and
// its heirs take "_" and "." for a hyphen (GHSA-f59h-q822-g45g).
func isPlain(name string) bool {
	for i := 0; i < len(name); i++ {
		if c := name[i]; !isAlphanumeric(c) && c != '-' {
			return false
		}
	}
	return name != ""
}

// isOurs reports whether a field is for us alone to set, or ends here. The name
// is in canonical form.
func isOurs(name string) bool {
	switch name {
	case "Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Te",
		"Transfer-Encoding", "Upgrade", // for the next hop
		"Expect", "Host", "Http2-Settings", "Trailer", // for us as the recipient
		"Proxy", // becomes HTTP_PROXY in CGI (httpoxy)
		"Forwarded", "X-Forwarded", "X-Forwarded-By",
		"X-Real-Ip", "X-Remote-Ip", "X-Remote-Addr", "X-Originating-Ip", "X-Proxyuser-Ip",
		"X-Client-Ip", "X-Cluster-Client-Ip", "Client-Ip", "True-Client-Ip", "Proxy-Client-Ip", "Wl-Proxy-Client-Ip",
		"Fastly-Client-Ip", "Fly-Client-Ip", "Incap-Client-Ip", "Ali-Cdn-Real-Ip", "Do-Connecting-Ip",
		"X-Azure-Clientip", "X-Azure-Socketip", "X-Appengine-User-Ip", "X-Envoy-External-Address",
		"X-Nf-Client-Connection-Ip", "X-Vercel-Forwarded-For", "X-Proxied-For",
		"X-Host", "X-Http-Host-Override", "X-Scheme", "X-Url-Scheme", "Front-End-Https",
		"X-Rewrite-Url", "X-Http-Method", "X-Http-Method-Override", "X-Method-Override", "X-Http-Path-Override":
		return true
	}
	return strings.HasPrefix(name, "X-Forwarded-") || strings.HasPrefix(name, "X-Original-")
}
