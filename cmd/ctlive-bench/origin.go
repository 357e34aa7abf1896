package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// originCommand is the origin of a comparison, a process of its own. It writes its address to stdout
// and ends when stdin does.
func originCommand() *cobra.Command {
	return &cobra.Command{
		Use: "origin", Hidden: true, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			handler, err := newOrigin()
			if err != nil {
				return err
			}
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			server := &http.Server{Handler: handler}
			ctx, cancel := context.WithCancelCause(c.Context())
			go func() { cancel(server.Serve(listener)) }()
			go func() {
				io.Copy(io.Discard, c.InOrStdin()) // any end will do
				cancel(nil)
			}()
			fmt.Fprintln(c.OutOrStdout(), listener.Addr())
			<-ctx.Done()
			return server.Close()
		},
	}
}

// origin serves documents that were compressed before, by path and coding.
type origin map[string]map[string][]byte

func newOrigin() (origin, error) {
	o := origin{}
	for _, size := range documentSizes {
		page, variants := newDocument(size*1000), map[string][]byte{}
		for coding := range codings {
			var err error
			if variants[coding], err = encodeAs(coding, page); err != nil {
				return nil, err
			}
		}
		o[documentPath(size)] = variants
	}
	return o, nil
}

func (o origin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	coding := acceptedCoding(r.Header.Get("Accept-Encoding"))
	body, found := o[r.URL.Path][coding]
	if !found {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h["Content-Type"] = []string{"text/html; charset=utf-8"}
	h["Vary"] = []string{"Accept-Encoding"}
	h["Cache-Control"] = []string{"no-cache"}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	if coding != "identity" {
		h["Content-Encoding"] = []string{coding}
	}
	w.Write(body)
}

// acceptedCoding returns the first coding that accept, a field without weights, names and the origin has.
func acceptedCoding(accept string) string {
	for name := range strings.SplitSeq(accept, ",") {
		if name = strings.TrimSpace(name); codings[name].writer != nil {
			return name
		}
	}
	return "identity"
}
