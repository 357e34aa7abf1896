package main

import (
	"fmt"
	"os"
	"time"

	"ctlive/assets"
	"ctlive/collector"
	"ctlive/configs"
	"ctlive/inject"
	"ctlive/proxy"
)

// newSites makes the sites that c describes. Events and tokens are nil where
// nothing is collected.
func newSites(c *configs.Config, events *collector.Collector, tokens *collector.Tokens) ([]proxy.Site, error) {
	var sites []proxy.Site
	for _, s := range c.Sites {
		listener, err := newListener(s)
		if err != nil {
			return nil, fmt.Errorf("listener of %s: %w", s.Hosts[0], err)
		}
		tag := newTag(listener, s)
		if tokens != nil {
			tag.Token = func() string { return tokens.Token(s.Hosts[0]) }
		}
		sites = append(sites, proxy.Site{
			Hosts: s.Hosts, Upstreams: s.To, Policy: s.Balance.Policy,
			Health: s.Balance.Health.Path, Every: time.Duration(s.Balance.Health.Every),
			Prefix: s.Prefix, HSTS: time.Duration(s.HSTS),
			Injector: inject.New(inject.Options{
				Tag: tag, Frames: s.Inject.Frames, Include: include(s), Exclude: s.Inject.Exclude,
			}),
			Listener: listener,
			Events: events.Handler(collector.Site{
				Name: s.Hosts[0], Hosts: s.Hosts,
				GPC: s.Listener.GPC == "respect", Consent: s.Listener.Consent == "required",
			}),
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
