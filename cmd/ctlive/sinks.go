package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ctlive/collector/forward"
	"ctlive/collector/forward/kafka"
	"ctlive/collector/forward/nats"
	"ctlive/collector/forward/postgres"
	"ctlive/collector/forward/webhook"
	"ctlive/collector/report"
	"ctlive/configs"
)

// newSink makes what c describes. It connects to nothing.
func newSink(c configs.Sink, log *slog.Logger) (forward.Sink, error) {
	switch {
	case c.NATS != nil:
		return nats.New(nats.Options{URL: c.NATS.URL, Stream: c.NATS.Stream, Subject: c.NATS.Subject, Replicas: c.NATS.Replicas, Logger: log})
	case c.Kafka != nil:
		return kafka.New(kafka.Options{Brokers: c.Kafka.Brokers, Topic: c.Kafka.Topic, Logger: log})
	case c.Postgres != nil:
		return postgres.New(postgres.Options{DSN: c.Postgres.DSN, Table: c.Postgres.Table, Logger: log})
	case c.Webhook != nil:
		return webhook.New(webhook.Options{URL: c.Webhook.URL, Secret: c.Webhook.Secret})
	}
	return nil, errors.New("no kind of sink is named")
}

// newSinks makes the sinks of c, by their names. The caller closes them.
func newSinks(c *configs.Config, log *slog.Logger) (map[string]forward.Sink, configs.Problems) {
	sinks := map[string]forward.Sink{}
	var problems configs.Problems
	for i, s := range c.Collector.Forward {
		sink, err := newSink(s, log.With("sink", s.Name()))
		if err != nil {
			problems = append(problems, c.Problem(fmt.Sprintf("collector.forward[%d]", i), err.Error(), "correct the sink, or remove it"))
			continue
		}
		sinks[s.Name()] = sink
	}
	if len(problems) > 0 {
		closeSinks(sinks)
		return nil, problems
	}
	return sinks, nil
}

func closeSinks(sinks map[string]forward.Sink) {
	for _, s := range sinks {
		s.Close() // it has sent nothing
	}
}

// openForwarder has the store keep what the sinks of c have still to get.
func (s *service) openForwarder(c *configs.Config) error {
	if len(c.Collector.Forward) == 0 {
		return nil
	}
	sinks, problems := newSinks(c, s.log)
	if len(problems) > 0 {
		return problems
	}
	var err error
	s.forwarder, err = forward.New(forward.Options{
		Dir: c.Data, Store: s.store, Sinks: sinks, Backlog: time.Duration(c.Collector.Backlog), Pages: s.pageCounts, Logger: s.log,
	})
	if err != nil {
		closeSinks(sinks)
		return err
	}
	s.metrics.Register(sinkMetrics{s.forwarder.Status})
	return nil
}

// pageCounts returns counts of pages behind a minute.
func (s *service) pageCounts(ctx context.Context, after int64) ([]forward.PageCount, error) {
	if s.figures == nil {
		return nil, nil
	}
	counts, err := s.figures.OwnPages(ctx, after)
	all := make([]forward.PageCount, len(counts))
	for i, n := range counts {
		all[i] = forward.PageCount{Minute: n.Minute, Site: n.Site, Result: n.Result, Reason: n.Reason, N: n.N}
	}
	return all, err
}

// sinkFigures returns how the sinks are, for the operator's page.
func (s *service) sinkFigures() (all []report.Sink) {
	if s.forwarder == nil {
		return nil
	}
	for _, f := range s.forwarder.Status() {
		all = append(all, report.Sink{Sink: f.Sink, Backlog: f.Backlog, Lag: f.Lag.Milliseconds(), Lost: f.Lost, Error: f.Error})
	}
	return all
}

// sinkMetrics are asked for when somebody scrapes.
type sinkMetrics struct{ status func() []forward.Status }

var (
	backlogEvents = prometheus.NewDesc("ctlive_forward_backlog_events", "Events that a sink has not taken yet.", []string{"sink"}, nil)
	lagSeconds    = prometheus.NewDesc("ctlive_forward_lag_seconds", "Age of the oldest event that a sink has not taken yet.", []string{"sink"}, nil)
	lostEvents    = prometheus.NewDesc("ctlive_forward_lost_events_total", "Events that grew too old before a sink had taken them.", []string{"sink"}, nil)
)

func (sinkMetrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{backlogEvents, lagSeconds, lostEvents} {
		out <- d
	}
}

func (m sinkMetrics) Collect(out chan<- prometheus.Metric) {
	for _, s := range m.status() {
		out <- prometheus.MustNewConstMetric(backlogEvents, prometheus.GaugeValue, float64(s.Backlog), s.Sink)
		out <- prometheus.MustNewConstMetric(lagSeconds, prometheus.GaugeValue, s.Lag.Seconds(), s.Sink)
		out <- prometheus.MustNewConstMetric(lostEvents, prometheus.CounterValue, float64(s.Lost), s.Sink)
	}
}
