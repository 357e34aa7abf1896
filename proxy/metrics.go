package proxy

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics counts what happens, for Prometheus. A nil Metrics counts nothing. It
// outlives the Proxy, so a reload loses no count.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec   // site, code
	duration *prometheus.HistogramVec // site
	pages    *prometheus.CounterVec   // site, result, reason
	events   *prometheus.CounterVec   // site, type, verdict
	refused  *prometheus.CounterVec   // reason
	hangups  *prometheus.CounterVec   // reason
	certs    *prometheus.CounterVec   // event
	up       *prometheus.GaugeVec     // site, upstream

	answered handles[statusKey, prometheus.Counter]
	lasted   handles[string, prometheus.Observer]
	treated  handles[outcome, prometheus.Counter]
}

// What requests are counted by, and pages.
type (
	statusKey struct {
		site   string
		status int
	}
	outcome struct{ site, result, reason string }
)

// Validity is the time for which a certificate is valid.
type Validity struct{ NotBefore, NotAfter time.Time }

// NewMetrics returns metrics that start at zero. Certificates returns for each
// host that of its certificate, ready why events cannot be stored; both are asked
// at each scrape, and may be nil.
func NewMetrics(certificates func() map[string]Validity, ready func() error) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: counter("ctlive_http_requests_total", "Requests that were answered.", "site", "code"),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "ctlive_http_request_duration_seconds", Help: "Time from a request to the end of its answer.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"site"}),
		pages:   counter("ctlive_pages_total", "Answers of origins: injected, or skipped for a reason.", "site", "result", "reason"),
		events:  counter("ctlive_events_total", "Events that pages have sent, by what became of them.", "site", "type", "verdict"),
		refused: counter("ctlive_requests_refused_total", "Requests that were refused before a site saw them.", "reason"),
		hangups: counter("ctlive_connections_refused_total", "Connections that were ended before or between requests.", "reason"),
		certs:   counter("ctlive_certificate_events_total", "What happened to certificates: obtained, renewed, failed, revoked ….", "event"),
		up: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "ctlive_upstream_up", Help: "Whether an origin is believed to answer.",
		}, []string{"site", "upstream"}),
	}
	m.answered.find = func(k statusKey) prometheus.Counter {
		return m.requests.WithLabelValues(k.site, strconv.Itoa(k.status))
	}
	m.lasted.find = func(site string) prometheus.Observer { return m.duration.WithLabelValues(site) }
	m.treated.find = func(k outcome) prometheus.Counter { return m.pages.WithLabelValues(k.site, k.result, k.reason) }
	m.registry.MustRegister(m.requests, m.duration, m.pages, m.events, m.refused, m.hangups, m.certs, m.up,
		validities(certificates), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if ready != nil {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "ctlive_store_ready", Help: "Whether events can be stored.",
		}, func() float64 { return truth(ready() == nil) }))
	}
	return m
}

func truth(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

// Handler serves the metrics in the text format that Prometheus asks for.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// Register adds metrics that somebody else keeps.
func (m *Metrics) Register(more prometheus.Collector) { m.registry.MustRegister(more) }

// Event counts what became of an event.
func (m *Metrics) Event(site, typ, verdict string) {
	m.events.WithLabelValues(site, typ, verdict).Inc()
}

// Hangup counts a connection that was ended for a reason.
func (m *Metrics) Hangup(reason string) { m.hangups.WithLabelValues(reason).Inc() }

// Certificate counts an event in the life of a certificate.
func (m *Metrics) Certificate(event string) { m.certs.WithLabelValues(event).Inc() }

func (m *Metrics) request(v *visit) {
	if m == nil {
		return
	}
	site := v.siteName()
	m.answered.of(statusKey{site, v.status}).Inc()
	m.lasted.of(site).Observe(time.Since(v.start).Seconds())
	if v.refused != "" {
		m.refused.WithLabelValues(v.refused).Inc()
	}
	if result, reason := v.outcome(); result != "" {
		m.treated.of(outcome{site, result, reason}).Inc()
	}
}

func (m *Metrics) upstream(site, origin string, up bool) {
	if m == nil {
		return
	}
	m.up.WithLabelValues(site, origin).Set(truth(up))
}

// forgetUpstreams drops the origins of a configuration that is no more.
func (m *Metrics) forgetUpstreams() {
	if m != nil {
		m.up.Reset()
	}
}

// validities collects those of certificates, when it is asked.
type validities func() map[string]Validity

var (
	expirySeconds   = prometheus.NewDesc("ctlive_cert_expiry_seconds", "Time until a host's certificate ends.", []string{"host"}, nil)
	lifetimeSeconds = prometheus.NewDesc("ctlive_cert_lifetime_seconds", "Time from the begin of a host's certificate to its end.", []string{"host"}, nil)
)

func (validities) Describe(out chan<- *prometheus.Desc) {
	out <- expirySeconds
	out <- lifetimeSeconds
}

func (v validities) Collect(out chan<- prometheus.Metric) {
	if v == nil {
		return
	}
	for host, cert := range v() {
		out <- prometheus.MustNewConstMetric(expirySeconds, prometheus.GaugeValue, time.Until(cert.NotAfter).Seconds(), host)
		out <- prometheus.MustNewConstMetric(lifetimeSeconds, prometheus.GaugeValue, cert.NotAfter.Sub(cert.NotBefore).Seconds(), host)
	}
}
