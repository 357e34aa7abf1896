package proxy

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"time"

	"ctlive/inject"
	"ctlive/proxy/admit"
)

// A visit is one request from its arrival to its answer. It is the
// http.ResponseWriter of its request, and sees the answer go by.
type visit struct {
	http.ResponseWriter
	proxy    *Proxy
	start    time.Time
	client   admit.Client
	site     *site            // nil: no such site
	refused  string           // why admission refused it, "" if it did not
	exchange *inject.Exchange // nil where the origin was not asked

	status int
	bytes  int64 // of the body, as written
}

type visitKey struct{}

// visitOf returns the visit that r belongs to.
func visitOf(r *http.Request) *visit { return r.Context().Value(visitKey{}).(*visit) }

// attach puts v on r itself: the copy that WithContext makes is only passing.
func (v *visit) attach(r *http.Request) {
	*r = *r.WithContext(context.WithValue(r.Context(), visitKey{}, v))
}

// Unwrap lets http.ResponseController flush and set deadlines.
func (v *visit) Unwrap() http.ResponseWriter { return v.ResponseWriter }

func (v *visit) WriteHeader(status int) {
	if v.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		v.status = status
	}
	v.ResponseWriter.WriteHeader(status)
}

func (v *visit) Write(p []byte) (int, error) {
	if v.status == 0 {
		v.status = http.StatusOK
	}
	n, err := v.ResponseWriter.Write(p)
	v.bytes += int64(n)
	return n, err
}

// Hijack gives the connection away as a tunnel, which the end of the server
// still reaches.
func (v *visit) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffer, err := http.NewResponseController(v.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	v.status = http.StatusSwitchingProtocols
	return newTunnel(conn, buffer.Reader, v.proxy.drain), buffer, nil
}

// siteName is the site's first host, or "".
func (v *visit) siteName() string {
	if v.site == nil {
		return ""
	}
	return v.site.name
}

// outcome returns what the injector did: "injected" or "skipped", and for the
// latter why. Both are "" where the origin was not asked.
func (v *visit) outcome() (result, reason string) {
	if v.exchange == nil {
		return "", ""
	}
	if verdict := v.exchange.Verdict(); !verdict.Injected {
		return "skipped", verdict.Reason
	}
	return "injected", ""
}
