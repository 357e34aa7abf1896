package main

import (
	"encoding/json"
	"net/http"

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
	page, err := pageURL(r.URL.Query().Get("url"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
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
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	json.NewEncoder(w).Encode(answer)
}
