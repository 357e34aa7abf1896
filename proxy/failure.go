package proxy

import (
	"errors"
	"fmt"
	"net"
	"net/http"

	"ctlive/proxy/accept"
	"ctlive/proxy/admit"
	"ctlive/proxy/balance"
	"ctlive/proxy/pace"
)

// refuse answers for admission.
func (v *visit) refuse(r *admit.Refusal) {
	v.refused = r.Reason
	if r.Allow != "" {
		v.Header().Set("Allow", r.Allow)
	}
	if r.Close {
		v.Header().Set("Connection", "close")
	}
	v.fail(r.Status)
}

// failurePage is all that a visitor learns of a failure. The log has the rest.
const failurePage = `<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>%[1]s</title><style>body{font:1.1rem/1.5 system-ui,sans-serif;margin:20vh auto 0;max-width:30rem;padding:0 1rem;` +
	`color:#222;background:#fff}@media(prefers-color-scheme:dark){body{color:#ddd;background:#161616}}</style>
<h1>%[1]s</h1><p>%[2]s</p>
`

// fail answers with a small page that says status.
func (v *visit) fail(status int) {
	h := v.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	v.WriteHeader(status)
	fmt.Fprintf(v, failurePage, fmt.Sprintf("%d %s", status, http.StatusText(status)), advice(status))
}

// advice says what a visitor can do about status.
func advice(status int) string {
	switch {
	case status == http.StatusNotFound || status == http.StatusMisdirectedRequest:
		return "There is no such site here."
	case status >= 500:
		return "The site cannot be reached at the moment. Please try again in a minute."
	}
	return "The request was not understood."
}

// statusOf says whose fault err is, in the terms of RFC 9110 15.5 and 15.6.
func statusOf(err error) int {
	var timeout net.Error
	var tooLarge *http.MaxBytesError
	switch {
	case errors.Is(err, accept.ErrFraming):
		return http.StatusBadRequest
	case errors.Is(err, pace.ErrTooSlow):
		return http.StatusRequestTimeout
	case errors.As(err, &tooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, balance.ErrTooManyConns):
		return http.StatusServiceUnavailable
	case errors.As(err, &timeout) && timeout.Timeout():
		return http.StatusGatewayTimeout
	case errors.Is(err, balance.ErrRequestBody):
		return http.StatusBadRequest
	}
	return http.StatusBadGateway
}
