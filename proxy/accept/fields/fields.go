// Package fields has what HTTP/1.1 and HTTP/2 do alike with the fields of messages.
package fields

import (
	"net/textproto"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// Canonical returns name as http.Header has it.
func Canonical(name string) string {
	if c, ok := canonical[name]; ok {
		return c
	}
	return textproto.CanonicalMIMEHeaderKey(name)
}

// Lower returns name, which is as http.Header has it, as HTTP/2 does, RFC 9113 8.2, or
// "" if no field can have that name.
func Lower(name string) string {
	if l, ok := lower[name]; ok {
		return l
	}
	if !httpguts.ValidHeaderFieldName(name) {
		return ""
	}
	return strings.ToLower(name)
}

// usual are the fields that are often sent, as they are written. For others a new
// string is made each time.
const usual = `Accept Accept-Encoding Accept-Language Accept-Ranges Access-Control-Allow-Origin Age Alt-Svc Authorization
	Cache-Control Connection Content-Disposition Content-Encoding Content-Language Content-Length Content-Security-Policy
	Content-Type Cookie Date DNT ETag Expires Host If-Modified-Since If-None-Match Last-Modified Link Location Origin
	Permissions-Policy Pragma Priority Range Referer Referrer-Policy Retry-After Save-Data Sec-CH-UA Sec-CH-UA-Mobile
	Sec-CH-UA-Platform Sec-Fetch-Dest Sec-Fetch-Mode Sec-Fetch-Site Sec-Fetch-User Sec-GPC Sec-Purpose Server Set-Cookie
	Strict-Transport-Security TE Trailer Upgrade-Insecure-Requests User-Agent Vary Via X-Content-Type-Options
	X-Forwarded-For X-Forwarded-Host X-Forwarded-Proto X-Frame-Options X-Powered-By X-Real-IP X-Request-ID
	X-XSS-Protection`

var canonical, lower = func() (canonical, lower map[string]string) {
	canonical, lower = make(map[string]string), make(map[string]string)
	for name := range strings.FieldsSeq(usual) {
		c, l := textproto.CanonicalMIMEHeaderKey(name), strings.ToLower(name)
		canonical[name], canonical[l], canonical[c] = c, c, c
		lower[c] = l
	}
	return canonical, lower
}()
