package report

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
	_ "time/tzdata" // the program is one file and runs where there is no zone database

	"github.com/go-json-experiment/json"

	"ctlive/collector"
)

// Handler answers GET /api/report?site=&since=&until=&tz=&compare=&flagged= with the figures of r,
// as JSON. Times are as [collector.ParseTime] takes them, tz is a name of the IANA database. A
// parameter that is unknown, given twice or makes no sense is answered 400 with the reason. extra,
// which may be nil, adds to the figures what only the caller knows. It checks no credentials.
func Handler(r *Report, extra func(*Figures)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Method != http.MethodGet && req.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			refuse(w, http.StatusMethodNotAllowed, "method", errors.New("figures are asked for with GET"))
			return
		}
		q, err := parseQuery(req.URL.RawQuery, r.now())
		if err != nil {
			refuse(w, http.StatusBadRequest, "parameter", err)
			return
		}
		f, err := r.Query(req.Context(), q)
		switch {
		case errors.Is(err, ErrRange):
			refuse(w, http.StatusBadRequest, "parameter", err)
			return
		case err != nil:
			if req.Context().Err() == nil {
				r.log.Error("figures", "err", err)
			}
			refuse(w, http.StatusInternalServerError, "store", errors.New("the figures cannot be read, see the log"))
			return
		}
		if extra != nil {
			extra(f)
		}
		answerJSON(w, http.StatusOK, f)
	})
}

// parseQuery reads the parameters of a request.
func parseQuery(raw string, now time.Time) (q Query, err error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return q, fmt.Errorf("query: %w", err)
	}
	names := []string{"site", "since", "until", "tz", "compare", "flagged"}
	for name, given := range values {
		if !slices.Contains(names, name) {
			return q, fmt.Errorf("parameter %q is unknown here, there are %q", name, names)
		}
		if len(given) > 1 {
			return q, fmt.Errorf("parameter %q is given twice", name)
		}
		if given[0] == "" {
			continue
		}
		if err := q.set(name, given[0], now); err != nil {
			return q, fmt.Errorf("parameter %q: %w", name, err)
		}
	}
	return q, nil
}

func (q *Query) set(name, value string, now time.Time) (err error) {
	switch name {
	case "site":
		q.Site = value
	case "since":
		q.Since, err = collector.ParseTime(value, now)
	case "until":
		q.Until, err = collector.ParseTime(value, now)
	case "tz":
		if value == "Local" {
			return errors.New("name a time zone, as in Europe/Rome")
		}
		if q.Zone, err = time.LoadLocation(value); err != nil {
			err = fmt.Errorf("%q is no time zone: name one as in Europe/Rome", value)
		}
	case "compare":
		q.Compare, err = strconv.ParseBool(value)
	case "flagged":
		q.Flagged, err = strconv.ParseBool(value)
	}
	return err
}

// refuse answers as the rest of the API does.
func refuse(w http.ResponseWriter, status int, reason string, err error) {
	answerJSON(w, status, struct {
		Reason  string `json:"reason"`
		Message string `json:"message"`
	}{reason, err.Error()})
}

func answerJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Errorf("encode figures: %w", err)) // only our own types come here
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	w.Write(body)
}
