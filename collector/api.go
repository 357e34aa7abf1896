package collector

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
)

const (
	apiLimit    = 1_000  // events and rejects in an answer that is not an export, unless asked
	apiMaxLimit = 10_000 // and when asked

	liveHeartbeat = 15 * time.Second
	liveMaxLast   = 1_000
)

// API serves the store to whoever may see all of it: it checks no credentials.
//
//	GET /api/events    since until type site chat limit format=json|ndjson|csv
//	GET /api/rejected  since until site limit format=json|ndjson order=oldest|newest
//	GET /api/stats     since until type site doubtful=true|false
//	GET /api/live      type site chat last=N latest=N; Last-Event-ID
//
// Times are as [ParseTime] takes them. Exports in ndjson and csv have no limit unless one is given.
// A parameter that is unknown, given twice or makes no sense is answered 400 with the reason. An
// answer that fails on the way is cut off, never ended cleanly.
func API(store Source, log *slog.Logger) http.Handler {
	a := &api{store: store, log: log, now: time.Now}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/events", a.events)
	mux.HandleFunc("GET /api/rejected", a.rejected)
	mux.HandleFunc("GET /api/stats", a.stats)
	mux.HandleFunc("GET /api/live", a.live)
	return mux
}

type api struct {
	store Source
	log   *slog.Logger
	now   func() time.Time
}

func (a *api) events(w http.ResponseWriter, r *http.Request) {
	q, err := a.query(r, "since", "until", "type", "site", "chat", "limit", "format")
	if err != nil {
		badRequest(w, err)
		return
	}
	switch q.format {
	case "", "json":
		f, limit := q.page()
		a.send(w, "application/json", func(out io.Writer) error {
			return writeList(out, "events", limit, a.store.Events(r.Context(), f), "")
		})
	case "ndjson":
		a.send(w, "application/x-ndjson", func(out io.Writer) error {
			return WriteNDJSON(out, a.store.Events(r.Context(), q.Filter))
		})
	case "csv":
		w.Header().Set("Content-Disposition", `attachment; filename="ctlive-events.csv"`)
		a.send(w, "text/csv; charset=utf-8; header=present", func(out io.Writer) error {
			return WriteCSV(out, a.store.Events(r.Context(), q.Filter))
		})
	default:
		badRequest(w, fmt.Errorf("format %q: events come as json, ndjson or csv", q.format))
	}
}

func (a *api) rejected(w http.ResponseWriter, r *http.Request) {
	q, err := a.query(r, "since", "until", "site", "limit", "format", "order")
	if err != nil {
		badRequest(w, err)
		return
	}
	switch q.format {
	case "", "json":
		f, limit := q.page()
		a.send(w, "application/json", func(out io.Writer) error {
			return writeList(out, "rejected", limit, a.store.Rejected(r.Context(), f), a.elsewhere())
		})
	case "ndjson":
		if where := a.elsewhere(); where != "" { // lines have no room for a note, and none would look like nothing rejected
			badRequest(w, errors.New(where))
			return
		}
		a.send(w, "application/x-ndjson", func(out io.Writer) error {
			return WriteNDJSON(out, a.store.Rejected(r.Context(), q.Filter))
		})
	default:
		badRequest(w, fmt.Errorf("format %q: rejected input comes as json or ndjson", q.format))
	}
}

// elsewhere says who knows what the store is not told of, "" if it is told of all.
func (a *api) elsewhere() string {
	if s, ok := a.store.(interface{ Elsewhere() string }); ok {
		return s.Elsewhere()
	}
	return ""
}

func (a *api) stats(w http.ResponseWriter, r *http.Request) {
	q, err := a.query(r, "since", "until", "type", "site", "doubtful")
	if err != nil {
		badRequest(w, err)
		return
	}
	stats, err := a.store.Stats(r.Context(), q.Filter)
	if err != nil {
		a.failed(w, err)
		return
	}
	writeJSON(w, http.StatusOK, stats)
}

// live sends each event as it lands, as server-sent events: the id is the row, so that a client
// that lost the connection goes on where it was. Between events a comment every 15 s shows that the
// line is alive. A new client begins with the last N stored events, none if it does not say. One for
// people, which says latest, gets at most the latest N of those that have come since it was last given
// some, four times a second: to read all that a busy store takes in cost intake a fifth of its rate.
func (a *api) live(w http.ResponseWriter, r *http.Request) {
	q, err := a.query(r, "type", "site", "chat", "last", "latest")
	if err != nil {
		badRequest(w, err)
		return
	}
	row, err := a.liveStart(r, q.last)
	if err != nil {
		a.failed(w, err)
		return
	}
	answerHeader(w, "text/event-stream")
	rc := http.NewResponseController(w)
	c := newCursor(a.store, q.Filter, row)
	c.latest = q.latest
	io.WriteString(w, "retry: 2000\n\n")
	for ok := true; ok && rc.Flush() == nil; {
		var page []Record
		page, ok, err = c.next(r.Context(), liveHeartbeat)
		if err != nil {
			a.log.Error("live events", "err", err)
		}
		if len(page) == 0 {
			io.WriteString(w, ": alive\n\n")
		}
		for _, record := range page {
			data, err := json.Marshal(record)
			if err != nil {
				panic(http.ErrAbortHandler)
			}
			fmt.Fprintf(w, "id: %d\ndata: %s\n\n", record.Row, data)
		}
	}
}

// liveStart returns the row after which a live stream begins. An id from beyond the end is that of
// another store.
func (a *api) liveStart(r *http.Request, last int64) (int64, error) {
	end, err := a.store.LastRow(r.Context())
	if row, bad := strconv.ParseInt(r.Header.Get("Last-Event-ID"), 10, 64); bad == nil && row >= 0 {
		return min(row, end), err
	}
	return max(end-last, 0), err
}

// apiQuery is what a request asks for.
type apiQuery struct {
	Filter
	format string
	last   int64
	latest int64
}

// page returns the filter for an answer of bounded size: it asks for one item more than the limit,
// which shows whether there are any.
func (q apiQuery) page() (f Filter, limit int) {
	limit = min(q.Limit, apiMaxLimit)
	if limit == 0 {
		limit = apiLimit
	}
	f = q.Filter
	f.Limit = limit + 1
	return f, limit
}

// query reads r's parameters, of which those in names are allowed.
func (a *api) query(r *http.Request, names ...string) (q apiQuery, err error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return q, fmt.Errorf("query: %w", err)
	}
	for name, given := range values {
		if !slices.Contains(names, name) {
			return q, fmt.Errorf("parameter %q is unknown here, there are %q", name, names)
		}
		if len(given) > 1 {
			return q, fmt.Errorf("parameter %q is given twice", name)
		}
		if err := q.set(name, given[0], a.now()); err != nil {
			return q, fmt.Errorf("parameter %q: %w", name, err)
		}
	}
	return q, nil
}

func (q *apiQuery) set(name, value string, now time.Time) (err error) {
	switch name {
	case "since":
		q.Since, err = ParseTime(value, now)
	case "until":
		q.Until, err = ParseTime(value, now)
	case "type":
		q.Type = value
	case "site":
		q.Site = value
	case "chat":
		q.Chat = value
	case "doubtful":
		q.Doubtful, err = strconv.ParseBool(value)
	case "format":
		q.format = value
	case "order":
		if q.Newest = value == "newest"; !q.Newest && value != "oldest" {
			err = fmt.Errorf("%q is neither oldest nor newest", value)
		}
	case "limit":
		var n int64
		n, err = number(value, 1, 1<<31-1)
		q.Limit = int(n)
	case "last":
		q.last, err = number(value, 0, liveMaxLast)
	case "latest":
		q.latest, err = number(value, 1, liveMaxLast)
	}
	return err
}

func number(s string, least, most int64) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("%q is no number from %d to %d", s, least, most)
	}
	return n, nil
}

// send answers with what write writes. An error before the first byte is told, a later one cuts the
// connection.
func (a *api) send(w http.ResponseWriter, contentType string, write func(io.Writer) error) {
	answerHeader(w, contentType)
	sent := &started{w: w}
	out := bufio.NewWriterSize(sent, 32<<10)
	err := write(out)
	if err == nil {
		err = out.Flush()
	}
	switch {
	case err == nil:
	case sent.yes:
		a.log.Warn("answer cut off", "err", err)
		panic(http.ErrAbortHandler)
	default:
		w.Header().Del("Content-Disposition")
		a.failed(w, err)
	}
}

// started notes whether anything was written to w.
type started struct {
	w   io.Writer
	yes bool
}

func (s *started) Write(p []byte) (int, error) {
	s.yes = true
	return s.w.Write(p)
}

// writeList writes {"NAME":[…],"more":BOOL} with up to limit of items; more says that there are
// further ones. A note to people comes last, if there is one.
func writeList[T any](w io.Writer, name string, limit int, items iter.Seq2[T, error], note string) error {
	fmt.Fprintf(w, "{%q:[", name)
	n, more := 0, false
	for item, err := range items {
		if err != nil {
			return err
		}
		if more = n == limit; more {
			break
		}
		if n > 0 {
			io.WriteString(w, ",\n")
		}
		if err := json.MarshalWrite(w, item); err != nil {
			return err
		}
		n++
	}
	fmt.Fprintf(w, "],\"more\":%t", more)
	if note != "" {
		io.WriteString(w, `,"note":`)
		if err := json.MarshalWrite(w, note); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, "}\n")
	return err
}

func badRequest(w http.ResponseWriter, err error) {
	refused := refusal{reason: "parameter", message: err.Error()}
	writeJSON(w, http.StatusBadRequest, refused.body())
}

// failed answers for a store that cannot be read.
func (a *api) failed(w http.ResponseWriter, err error) {
	a.log.Error("admin API", "err", err)
	if errors.Is(err, ErrAway) {
		w.Header().Set("Retry-After", seconds(storeRetry))
		refused := refusal{reason: "store", message: "the event store does not answer at the moment, see the log"}
		writeJSON(w, http.StatusServiceUnavailable, refused.body())
		return
	}
	refused := refusal{reason: "store", message: "the event store cannot be read, see the log"}
	writeJSON(w, http.StatusInternalServerError, refused.body())
}
