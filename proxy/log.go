package proxy

import (
	"log/slog"
	"net/http"
	"time"
)

// accessLog writes a line for each request: what was asked, what was answered,
// and what the injector did. Unless the operator asks for the query, it holds
// nothing that a visitor could want kept to themselves: no address, no query, no
// credentials.
type accessLog struct {
	*slog.Logger
	on    bool
	query bool
}

func (l accessLog) write(v *visit, r *http.Request) {
	if !l.on {
		return
	}
	attrs := make([]slog.Attr, 0, 12)
	attrs = append(attrs,
		slog.String("site", v.siteName()), slog.String("proto", r.Proto), slog.String("method", r.Method),
		slog.String("host", r.Host), slog.String("path", r.URL.EscapedPath()), slog.Int("status", v.status),
		slog.Int64("bytes", v.bytes), slog.Float64("ms", float64(time.Since(v.start).Microseconds())/1000))
	if l.query && r.URL.RawQuery != "" {
		attrs = append(attrs, slog.String("query", r.URL.RawQuery))
	}
	if v.refused != "" {
		attrs = append(attrs, slog.String("refused", v.refused))
	}
	switch result, reason := v.outcome(); result {
	case "injected":
		attrs = append(attrs, slog.String("inject", result))
	case "skipped":
		attrs = append(attrs, slog.String("inject", reason))
	}
	l.LogAttrs(r.Context(), slog.LevelInfo, "request", attrs...)
}
