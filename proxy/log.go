package proxy

import (
	"log/slog"
	"net/http"
	"time"
)

// accessLog writes a line for each request: what was asked, what was answered,
// and what the injector did. It holds nothing that a visitor could want kept to
// themselves: no address, no query, no credentials.
type accessLog struct {
	*slog.Logger
	on bool
}

// entry sees one answer go by. It is the http.ResponseWriter of its request.
type entry struct {
	http.ResponseWriter
	start  time.Time
	status int
	bytes  int64
	site   string
	visit  *visit // nil where the origin was not asked
}

// Unwrap lets http.ResponseController flush and hijack.
func (e *entry) Unwrap() http.ResponseWriter { return e.ResponseWriter }

func (e *entry) WriteHeader(status int) {
	if e.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		e.status = status
	}
	e.ResponseWriter.WriteHeader(status)
}

func (e *entry) Write(p []byte) (int, error) {
	if e.status == 0 {
		e.status = http.StatusOK
	}
	n, err := e.ResponseWriter.Write(p)
	e.bytes += int64(n)
	return n, err
}

func (l accessLog) write(e *entry, r *http.Request) {
	if !l.on {
		return
	}
	attrs := []slog.Attr{
		slog.String("site", e.site), slog.String("method", r.Method), slog.String("host", r.Host),
		slog.String("path", r.URL.EscapedPath()), slog.Int("status", e.status), slog.Int64("bytes", e.bytes),
		slog.Float64("ms", float64(time.Since(e.start).Microseconds())/1000),
	}
	if e.visit != nil && e.visit.exchange != nil {
		attrs = append(attrs, slog.String("inject", e.visit.outcome()))
	}
	l.LogAttrs(r.Context(), slog.LevelInfo, "request", attrs...)
}

// outcome is "injected", or the reason why not.
func (v *visit) outcome() string {
	if verdict := v.exchange.Verdict(); !verdict.Injected {
		return verdict.Reason
	}
	return "injected"
}
