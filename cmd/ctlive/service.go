package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"ctlive/assets"
	"ctlive/assets/dashboard"
	"ctlive/collector"
	"ctlive/configs"
	"ctlive/inject"
	"ctlive/proxy"
)

// service is a proxy with its store and its listeners, ready to serve.
type service struct {
	store  *collector.Store
	server *proxy.Server
}

// newService wires the packages together as c says. The caller closes it.
func newService(c *configs.Config, log *slog.Logger) (*service, error) {
	store, err := collector.Open(c.Data, log)
	if err != nil {
		return nil, err
	}
	s := &service{store: store}
	if s.server, err = listen(c, store, log); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func listen(c *configs.Config, store *collector.Store, log *slog.Logger) (*proxy.Server, error) {
	sites, err := newSites(c, newCollector(c.Collector, store, log))
	if err != nil {
		return nil, err
	}
	front, err := proxy.New(proxy.Options{Sites: sites, Logger: log, AccessLog: c.Log.Access})
	if err != nil {
		return nil, err
	}
	admin := &proxy.Admin{Dashboard: dashboard.Handler(), API: collector.API(store, log), Ready: store.Ready}
	return proxy.Listen(log,
		proxy.Listener{Addr: c.Listen.HTTP, Handler: front},
		proxy.Listener{Addr: c.Admin.Listen, Handler: admin, HangUp: true})
}

func newCollector(c configs.Collector, store *collector.Store, log *slog.Logger) *collector.Collector {
	return collector.New(store, collector.Options{
		IP: collector.IPMode(c.IP), MaxBody: int64(c.MaxBody), Logger: log,
		Rate: c.Rate.PerClient.PerSecond(), Burst: c.Rate.Burst,
	})
}

func newSites(c *configs.Config, events *collector.Collector) ([]proxy.Site, error) {
	var sites []proxy.Site
	for _, s := range c.Sites {
		listener, err := newListener(s)
		if err != nil {
			return nil, fmt.Errorf("listener of %s: %w", s.Hosts[0], err)
		}
		sites = append(sites, proxy.Site{
			Hosts: s.Hosts, Upstream: s.To[0], Prefix: s.Prefix,
			Injector: inject.New(inject.Options{
				Tag: newTag(listener, s), Frames: s.Inject.Frames, Include: include(s), Exclude: s.Inject.Exclude,
			}),
			Listener: listener,
			Events:   events.Handler(collector.Site{Name: s.Hosts[0], Hosts: s.Hosts}),
		})
	}
	return sites, nil
}

// include returns the patterns of the pages to inject. A list without any means
// none to the configuration, and all to the injector.
func include(s configs.Site) []string {
	if len(s.Inject.Include) == 0 {
		return []string{""} // no path is empty
	}
	return s.Inject.Include
}

func newListener(s configs.Site) (*assets.Listener, error) {
	o := assets.ListenerOptions{
		Prefix: s.Prefix, Consent: s.Listener.Consent, GPC: s.Listener.GPC, Query: s.Listener.Query,
		DataLayer: s.Listener.DataLayer, Origins: s.Listener.Origins,
	}
	if s.Listener.Handlers != "" {
		var err error
		if o.Handlers, err = os.ReadFile(s.Listener.Handlers); err != nil {
			return nil, err
		}
	}
	return assets.NewListener(o)
}

func newTag(l *assets.Listener, s configs.Site) inject.Tag {
	return inject.Tag{
		Inline: l.Inline(), Buffer: l.Buffer(), Src: l.Path(), Integrity: l.Integrity(),
		Events: s.Prefix + "events", SDK: s.SDKURL(),
	}
}

// Serve serves until ctx ends.
func (s *service) Serve(ctx context.Context) error { return s.server.Serve(ctx) }

// Close closes the store, after everything it has accepted is durable.
func (s *service) Close() error { return s.store.Close() }

// serve runs a service from its start to its end.
func serve(ctx context.Context, c *configs.Config, log *slog.Logger, started func(*service)) error {
	s, err := newService(c, log)
	if err != nil {
		return err
	}
	started(s)
	return errors.Join(s.Serve(ctx), s.Close())
}

// newLogger logs to w; format "auto" is text for a terminal and JSON otherwise.
func newLogger(w io.Writer, c configs.Log) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		panic(err) // configs has checked it
	}
	o := &slog.HandlerOptions{Level: level}
	if c.Format == "text" || c.Format == "auto" && isTerminal(w) {
		return slog.New(slog.NewTextHandler(w, o))
	}
	return slog.New(slog.NewJSONHandler(w, o))
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
