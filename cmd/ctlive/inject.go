package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ctlive/configs"
	"ctlive/inject"
)

func injectCommand() *cobra.Command {
	var f filter
	c := &cobra.Command{
		Use:     "inject < IN > OUT",
		Short:   "Inject one page: the response body in, the same with the markup out",
		Example: "  ctlive inject --content-type 'text/html; charset=utf-8' < page.html > out.html",
		Args:    cobra.NoArgs,
		PreRunE: func(c *cobra.Command, _ []string) error { return f.parse() },
		RunE:    action(func(c *cobra.Command) error { return f.run(c) }),
	}
	c.Flags().StringVar(&f.contentType, "content-type", "text/html", "Content-Type of the response")
	c.Flags().StringVar(&f.contentEncoding, "content-encoding", "", "Content-Encoding of the response")
	c.Flags().StringArrayVar(&f.headers, "header", nil, "further response header, as `'Name: value'` (repeatable)")
	c.Flags().StringArrayVar(&f.requestHeaders, "request-header", nil, "request header, as `'Name: value'` (repeatable)")
	c.Flags().IntVar(&f.status, "status", http.StatusOK, "status of the response")
	c.Flags().StringVar(&f.tag, "tag", "", "markup to insert, as `HTML` (default: the listener)")
	c.Flags().StringVar(&f.headersOut, "headers-out", "", "write the resulting response headers to `FILE`, one a line")
	return c
}

// filter is the injector with a request and a response from the command line.
type filter struct {
	contentType, contentEncoding string
	headers, requestHeaders      []string
	status                       int
	tag, headersOut              string

	request  *http.Request
	response *http.Response
}

func (f *filter) parse() error {
	header, err := parseHeaders("header", f.headers)
	if err != nil {
		return err
	}
	sent, err := parseHeaders("request-header", f.requestHeaders)
	if err != nil {
		return err
	}
	if err := (inject.Tag{HTML: f.tag}).Check(); err != nil {
		return misuse("tag", err)
	}
	if f.status < 100 || f.status > 999 {
		return misuse("status", fmt.Errorf("%d is no HTTP status", f.status))
	}
	if f.contentType != "" && header["Content-Type"] == nil {
		header.Set("Content-Type", f.contentType)
	}
	if f.contentEncoding != "" {
		header.Set("Content-Encoding", f.contentEncoding)
	}
	host := "localhost"
	if sent.Get("Host") != "" {
		host = sent.Get("Host")
	}
	f.request = &http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/"}, Host: host, Header: sent}
	f.response = &http.Response{StatusCode: f.status, Header: header, ContentLength: -1, Request: f.request}
	return nil
}

func parseHeaders(flag string, lines []string) (http.Header, error) {
	h := make(http.Header)
	for _, line := range lines {
		name, value, found := strings.Cut(line, ":")
		if !found || strings.TrimSpace(name) == "" {
			return nil, misuse(flag, fmt.Errorf("%q is not of the form 'Name: value'", line))
		}
		h.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	return h, nil
}

func (f *filter) run(c *cobra.Command) error {
	tag, err := f.markup()
	if err != nil {
		return err
	}
	in := inject.New(inject.Options{Tag: tag, Patience: -1})
	f.response.Body = io.NopCloser(bufio.NewReader(c.InOrStdin()))
	exchange := in.Request(f.request)
	exchange.Response(f.response)
	_, err = io.Copy(c.OutOrStdout(), f.response.Body)
	if err = errors.Join(err, f.response.Body.Close(), f.writeHeaders()); err != nil {
		return err
	}
	verdict := exchange.Verdict()
	if verdict.Injected {
		fmt.Fprintf(c.ErrOrStderr(), "injected at %d\n", verdict.Offset)
	} else {
		fmt.Fprintf(c.ErrOrStderr(), "skipped: %s\n", verdict.Reason)
	}
	return nil
}

func (f *filter) markup() (inject.Tag, error) {
	if f.tag != "" {
		return inject.Tag{HTML: f.tag}, nil
	}
	site := configs.DefaultSite()
	listener, err := newListener(site)
	if err != nil {
		return inject.Tag{}, err
	}
	return newTag(listener, site), nil
}

func (f *filter) writeHeaders() error {
	if f.headersOut == "" {
		return nil
	}
	var lines []string
	for name, values := range f.response.Header {
		for _, value := range values {
			lines = append(lines, name+": "+value+"\n")
		}
	}
	slices.Sort(lines)
	return os.WriteFile(f.headersOut, []byte(strings.Join(lines, "")), 0o644)
}
