package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"ctlive/assets/dashboard"
	"ctlive/collector"
	"ctlive/collector/forward"
	"ctlive/collector/report"
	"ctlive/configs"
	"ctlive/proxy"
	"ctlive/proxy/certify"
	"ctlive/proxy/certify/postgres"
)

// service is a proxy with its store, its certificates and its sockets, ready to
// serve.
type service struct {
	log       *slog.Logger
	store     *collector.Store
	keys      *collector.Keys
	sockets   *proxy.Sockets
	certs     *certify.Manager // nil without TLS
	shared    *postgres.Store  // of certs; nil: they are in the data folder
	metrics   *proxy.Metrics
	figures   *report.Report     // nil while they cannot be opened
	forwarder *forward.Forwarder // nil without a sink
	front     *proxy.Switch
	server    *proxy.Server

	anew func() (*configs.Config, error) // reads the configuration again; nil: there is no file

	mu     sync.Mutex // held by a reload
	config *configs.Config
}

// newService wires the packages together as c says. The caller closes it.
func newService(c *configs.Config, log *slog.Logger) (*service, error) {
	s := &service{log: log, config: c}
	if err := s.open(c); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// open builds everything, in the order in which one thing needs another.
func (s *service) open(c *configs.Config) (err error) {
	s.metrics = proxy.NewMetrics(s.validities, func() error { return s.store.Ready() })
	if s.store, err = collector.Open(c.Data, s.log); err != nil {
		return err
	}
	if err := s.openForwarder(c); err != nil {
		return err
	}
	s.store.Keep(time.Duration(c.Collector.Retention))
	s.keys = collector.OpenKeys(c.Data, s.log)
	s.openFigures(c.Data)
	s.sockets, err = proxy.Open(proxy.Addresses{
		HTTP: c.Listen.HTTP, HTTPS: c.Listen.HTTPS, Admin: c.Admin.Listen, QUIC: speaksHTTP3(c),
	})
	if err != nil {
		return err
	}
	if c.Listen.HTTPS != "" {
		if err := s.openCertificates(c); err != nil {
			return err
		}
	}
	front, err := s.newProxy(c)
	if err != nil {
		return err
	}
	s.front = proxy.NewSwitch(front)
	s.server = proxy.NewServer(s.serverOptions(c))
	return nil
}

// openFigures opens the figures in the data folder. Without them, everything but
// the admin page goes on.
func (s *service) openFigures(dir string) {
	figures, err := report.Open(dir, s.store, s.log)
	if err != nil {
		s.log.Error("no figures on the admin page", "err", err)
		return
	}
	s.figures = figures
}

// countPage tells the figures of a page that the injector has looked at.
func (s *service) countPage(site, result, reason string) {
	if s.figures != nil {
		s.figures.Page(site, result, reason)
	}
}

// speaksHTTP3 reports whether there is HTTP/3: PROXY headers exist for TCP alone.
func speaksHTTP3(c *configs.Config) bool { return c.Listen.HTTPS != "" && !c.ProxyProtocol }

// eventRules returns what c says of which events are taken and what of them is
// kept.
func eventRules(c *configs.Config, keys *collector.Keys) collector.Options {
	return collector.Options{
		IP: collector.IPMode(c.Collector.IP), UserIDs: collector.UserIDMode(c.Collector.UserIDs),
		MaxBody: int64(c.Collector.MaxBody), Keys: keys, Tokens: keys.Tokens(c.Collector.TokenKeys...),
	}
}

// newProxy makes what passes requests on as c says.
func (s *service) newProxy(c *configs.Config) (*proxy.Proxy, error) {
	o := eventRules(c, s.keys)
	o.Rate, o.Burst = c.Collector.Rate.PerClient.PerSecond(), c.Collector.Rate.Burst
	o.ClientAddr, o.Trusted = proxy.ClientAddr, len(c.TrustedProxies) > 0
	o.Observe, o.Logger = s.metrics.Event, s.log
	sites, err := newSites(c, collector.New(s.store, o), o.Tokens)
	if err != nil {
		return nil, err
	}
	po := proxy.Options{
		Sites: sites, Trusted: c.TrustedProxies, Logger: s.log, AccessLog: c.Log.Access, LogQuery: c.Log.Query, Metrics: s.metrics,
		Page: s.countPage,
	}
	if s.certs != nil {
		po.HTTPSPort, po.HTTP3 = proxy.Port(s.sockets.HTTPS), speaksHTTP3(c)
		po.Challenge, po.Covers = s.certs.Challenge, s.certs.Covers
	}
	return proxy.New(po)
}

func (s *service) serverOptions(c *configs.Config) proxy.ServerOptions {
	o := proxy.ServerOptions{
		Sockets: s.sockets, Front: s.front, Admin: s.newAdmin(c), Grace: time.Duration(c.Listen.Grace),
		ProxyProtocol: c.ProxyProtocol, Trusted: c.TrustedProxies, Logger: s.log, Metrics: s.metrics, Stopping: s.stopping,
	}
	if s.certs != nil {
		o.TLS = s.certs.TLSConfig()
	}
	return o
}

func (s *service) newAdmin(c *configs.Config) http.Handler {
	return &proxy.Admin{
		Dashboard: dashboard.Handler(), API: s.newAPI(), Metrics: s.metrics.Handler(), Profiles: proxy.Profiles(),
		Ready: s.store.Ready, Reload: s.Reload, Token: c.Admin.Token,
	}
}

// Serve serves until ctx ends.
func (s *service) Serve(ctx context.Context) error {
	if s.certs != nil {
		s.certs.Start(ctx)
	}
	if s.figures != nil {
		s.figures.Start(ctx)
	}
	if s.forwarder != nil {
		s.forwarder.Start(ctx)
	}
	return s.server.Serve(ctx)
}

// Close closes what is open; the store last, after everything it has accepted is
// durable.
func (s *service) Close() error {
	var errs []error
	if s.front != nil {
		s.front.Close()
	}
	if s.certs != nil {
		errs = append(errs, s.certs.Close())
	}
	if s.shared != nil {
		errs = append(errs, s.shared.Close())
	}
	if s.sockets != nil {
		s.sockets.Close()
	}
	if s.keys != nil {
		s.keys.Close()
	}
	if s.forwarder != nil {
		errs = append(errs, s.forwarder.Close())
	}
	if s.figures != nil {
		errs = append(errs, s.figures.Close())
	}
	if s.store != nil {
		errs = append(errs, s.store.Close())
	}
	return errors.Join(errs...)
}

// serve runs a service from its start to its end.
func serve(ctx context.Context, c *configs.Config, log *slog.Logger, started func(*service)) error {
	slog.SetLogLoggerLevel(slog.LevelDebug) // net/http tells the log package what an origin sent unasked
	slog.SetDefault(log)
	s, err := newService(c, log)
	if err != nil {
		return err
	}
	defer keepHeap()()
	started(s)
	return errors.Join(s.Serve(ctx), s.Close())
}

// address returns where ln listens, "" if it is off.
func address(ln net.Listener) string {
	if ln == nil {
		return ""
	}
	return ln.Addr().String()
}

func urls(list []*url.URL) []string {
	var all []string
	for _, u := range list {
		all = append(all, u.String())
	}
	return all
}
