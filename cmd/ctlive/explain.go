package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"ctlive/configs"
	"ctlive/inject"
	"ctlive/proxy"
)

func explainCommand() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:     "explain [--config FILE] URL",
		Short:   "Say why a page is injected, or why not",
		Example: "  ctlive explain https://www.example.com/prices",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			page, err := pageURL(args[0])
			if err != nil {
				return err
			}
			return action(func(c *cobra.Command) error { return explain(c, file, page) })(c, nil)
		},
	}
	c.Flags().StringVar(&file, "config", "", "configuration `FILE` (default ./ctlive.yaml, then /etc/ctlive/ctlive.yaml; without one, the URL's own server is asked)")
	return c
}

// pageURL parses the full URL of a page.
func pageURL(text string) (*url.URL, error) {
	page, err := url.Parse(text)
	if err != nil || page.Scheme != "http" && page.Scheme != "https" || page.Host == "" {
		return nil, fmt.Errorf("%q is no URL of a page: write it in full, such as https://www.example.com/", text)
	}
	return page, nil
}

func explain(c *cobra.Command, file string, page *url.URL) error {
	config, err := loadConfig(file)
	if errors.Is(err, errNoConfig) && file == "" {
		fmt.Fprintf(c.ErrOrStderr(), "There is no configuration: %s is asked directly, with the settings of ctlive run --to.\n", page.Host)
		config, err = configs.Single(page.Scheme+"://"+page.Host, "", "", "")
	}
	if err != nil {
		return err
	}
	sites, err := newSites(config, nil, nil)
	if err != nil {
		return err
	}
	front, err := proxy.New(proxy.Options{Sites: sites, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	findings, err := front.Explain(c.Context(), page)
	return errors.Join(writeFindings(c.OutOrStdout(), findings), err)
}

func writeFindings(w io.Writer, findings []inject.Finding) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	topic := ""
	for _, f := range findings {
		if f.Topic == topic {
			f.Topic = ""
		} else {
			topic = f.Topic
		}
		fmt.Fprintf(table, "%s\t%s\n", f.Topic, f.Text)
	}
	return table.Flush()
}
