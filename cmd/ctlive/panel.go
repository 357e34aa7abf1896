package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"ctlive/collector"
	"ctlive/collector/report"
	"ctlive/inject"
)

// newAPI returns what the admin page asks for its panels.
func (s *service) newAPI() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/api/", collector.API(s.store, s.log))
	mux.HandleFunc("GET /api/explain", s.answerExplain)
	if s.figures == nil {
		mux.Handle("/api/report", noFigures)
	} else {
		mux.Handle("/api/report", report.Handler(s.figures, s.surroundings))
	}
	return mux
}

// noFigures answers while the database of the figures cannot be opened.
var noFigures = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	http.Error(w, "There are no figures: their database cannot be opened, the log says why. Restart ctlive when that is mended.", http.StatusServiceUnavailable)
})

// surroundings adds to the figures what is known of certificates, origins and sinks.
func (s *service) surroundings(f *report.Figures) {
	if s.certs != nil {
		for _, c := range s.certs.Certificates() {
			status := report.Certificate{Host: c.Host, Error: c.Err}
			if !c.NotAfter.IsZero() {
				status.NotAfter = c.NotAfter.UnixMilli()
			}
			f.Certificates = append(f.Certificates, status)
		}
	}
	for _, u := range s.front.Upstreams() {
		f.Upstreams = append(f.Upstreams, report.Upstream(u))
	}
	f.Sinks = append(f.Sinks, s.sinkFigures()...)
}

// answerExplain does what ctlive explain does, with the configuration in force.
func (s *service) answerExplain(w http.ResponseWriter, r *http.Request) {
	page, err := pageAsked(r.URL.RawQuery)
	if err != nil {
		answerJSON(w, http.StatusBadRequest, map[string]string{"reason": "parameter", "message": err.Error()})
		return
	}
	var answer struct {
		Findings []inject.Finding `json:"findings"`
		Error    string           `json:"error"`
	}
	answer.Findings, err = s.front.Explain(r.Context(), page)
	if err != nil {
		answer.Error = err.Error()
	}
	if answer.Findings == nil {
		answer.Findings = []inject.Finding{}
	}
	answerJSON(w, http.StatusOK, answer)
}

// pageAsked returns the page that a query names, which may hold nothing else.
func pageAsked(query string) (*url.URL, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	for name, given := range values {
		if name != "url" {
			return nil, fmt.Errorf("parameter %q is unknown here, there are %q", name, []string{"url"})
		}
		if len(given) > 1 {
			return nil, fmt.Errorf("parameter %q is given twice", name)
		}
	}
	return pageURL(values.Get("url"))
}

func answerJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}
