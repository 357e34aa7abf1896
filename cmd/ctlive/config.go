package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"ctlive/collector"
	"ctlive/configs"
)

// configFiles are looked for, in this order, when no file is named.
var configFiles = []string{"ctlive.yaml", "/etc/ctlive/ctlive.yaml"}

// errNoConfig is returned when the configuration cannot be read at all.
var errNoConfig = errors.New("no configuration")

// loadConfig reads the named file, or the first of configFiles that there is.
func loadConfig(path string) (*configs.Config, error) {
	candidates := configFiles
	if path != "" {
		candidates = []string{path}
	}
	for _, path := range candidates {
		c, err := configs.Load(path, os.LookupEnv)
		var unread *fs.PathError
		switch {
		case len(candidates) > 1 && errors.Is(err, fs.ErrNotExist):
			continue
		case errors.As(err, &unread):
			return nil, fmt.Errorf("%w: %w", errNoConfig, err)
		}
		return c, err
	}
	return nil, fmt.Errorf("%w: there is no %s; name a file with --config", errNoConfig, strings.Join(configFiles, " and no "))
}

// storeFlags say which store a command reads.
type storeFlags struct{ config, data string }

func (f *storeFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.config, "config", "", "configuration `FILE` that names the data folder")
	c.Flags().StringVar(&f.data, "data", "", "data folder `DIR` itself")
	c.MarkFlagsMutuallyExclusive("config", "data")
}

// folder returns the data folder.
func (f *storeFlags) folder() (string, error) {
	if f.data != "" {
		return f.data, nil
	}
	c, err := loadConfig(f.config)
	if err != nil {
		return "", err
	}
	return c.Data, nil
}

// open opens the store for reading, also while a proxy writes to it.
func (f *storeFlags) open() (*collector.Store, error) {
	dir, err := f.folder()
	if err != nil {
		return nil, err
	}
	return collector.OpenReadOnly(dir)
}
