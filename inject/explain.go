package inject

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// A Finding is one thing about a page or its injection, in plain words.
type Finding struct {
	Topic string `json:"topic"` // a word: request, status, type …
	Text  string `json:"text"`
}

// reasons say what each skip reason means, and what can be done about it.
var reasons = map[string]string{
	"method":         "only answers to GET and POST are pages",
	"status":         "a browser does not show the body of an answer with this status",
	"not-html":       "only text/html is injected; if this is a page, its server must say so in Content-Type",
	"no-transform":   "the site forbids changes with Cache-Control: no-transform",
	"attachment":     "it is saved and not shown (Content-Disposition)",
	"range":          "it is a part of a page; the offsets of the other parts would not fit",
	"encoding":       "it has a content coding that is not known, or several",
	"charset":        "its characters cannot be written safely (a replacement encoding, or an odd shift of ISO-2022-JP)",
	"upgrade":        "it is not HTTP any more: a WebSocket or the like",
	"fetch":          "the request does not navigate to a document",
	"frame":          "it is shown in a frame; inject.frames: true injects those, too",
	"excluded":       "inject.include or inject.exclude of the configuration leaves this path out",
	"opted-out":      "the site asked for it with CTLive: off",
	"already":        "it has a listener in it already",
	"amp":            "an AMP page with a script of ours in it is not valid",
	"xhtml":          "one script that is not well-formed XML breaks a page of this type",
	"not-a-document": "there is no HTML markup at its start: it looks like JSON, XML, a script, a fragment or a font",
	"csp":            "under its Content Security Policy the listener cannot run or not report",
	"empty":          "there is nothing in it",
	"broken":         "its body ends early or does not fit its Content-Encoding",
}

// Explain fetches a page with ask, as Request and Response would have it, and
// says what was decided about it and why, in order. A page that was looked into
// is read to its end: only there it is known whether it is whole. The error is
// that of ask, or of reading the page.
func (in *Injector) Explain(r *http.Request, ask func(*http.Request) (*http.Response, error)) ([]Finding, error) {
	e := &explanation{asked: r.Header.Clone()}
	x := in.Request(r)
	e.request(x, r)
	res, err := ask(r)
	if err != nil {
		return e.findings, err
	}
	e.came = res.Header.Clone()
	e.answer(res)
	x.Response(res)
	var page head
	if x.body != nil { // or it may be a stream without an end
		_, err = io.Copy(&page, res.Body)
	}
	res.Body.Close()
	e.verdict(x, res, &page)
	return e.findings, err
}

// explanation collects findings.
type explanation struct {
	findings    []Finding
	asked, came http.Header // of the visitor, of the origin
}

func (e *explanation) add(topic, format string, args ...any) {
	e.findings = append(e.findings, Finding{topic, fmt.Sprintf(format, args...)})
}

func (e *explanation) request(x *Exchange, r *http.Request) {
	if x.reason != "" {
		e.add("request", "not touched: %s", reasons[x.reason])
		return
	}
	e.add("request", "navigates to a document, by %s", strings.Join(x.consulted, " and "))
	if was, is := e.asked.Get("Accept-Encoding"), r.Header.Get("Accept-Encoding"); was != is {
		e.add("request", "asks the origin for %q instead of %q: markup goes into gzip without compressing anew", is, was)
	}
}

func (e *explanation) answer(res *http.Response) {
	e.add("status", "%d %s", res.StatusCode, http.StatusText(res.StatusCode))
	if to := res.Header.Get("Location"); to != "" && res.StatusCode/100 == 3 {
		e.add("status", "it leads to %s: that is the page to ask about", to)
	}
	if fields := res.Header["Content-Type"]; len(fields) > 0 {
		e.add("type", "%s", strings.Join(fields, ", "))
	} else {
		e.add("type", "there is no Content-Type")
	}
	switch c, ok := contentCoding(res.Header); {
	case !ok:
		e.add("coding", "%s: not known", strings.Join(res.Header["Content-Encoding"], ", "))
	case c == nil:
		e.add("coding", "none")
	case c.reencodes():
		e.add("coding", "%s: markup goes in by decoding and compressing anew", res.Header.Get("Content-Encoding"))
	default:
		e.add("coding", "%s: markup is spliced in, without compressing anew", res.Header.Get("Content-Encoding"))
	}
}

func (e *explanation) verdict(x *Exchange, res *http.Response, page *head) {
	v := x.Verdict()
	if v.EncodingFrom != "" {
		e.charset(v)
	}
	for _, change := range v.Policy {
		e.add("policy", "%s", change)
	}
	if v.Injected {
		e.policies(v)
		e.metaPolicies(x, page.text(res.Header))
		e.validators(res)
		e.add("verdict", "injected at byte %d", v.Offset)
		return
	}
	e.add("verdict", "left alone (%s): %s", v.Reason, reasons[v.Reason])
}

func (e *explanation) charset(v Verdict) {
	if v.Encoding == "" {
		e.add("charset", "not named anywhere; the browser guesses")
	} else {
		e.add("charset", "%s (%s)", v.Encoding, v.EncodingFrom)
	}
	if v.Charset != "" {
		e.add("charset", "the markup moves the page's own declaration out of the browser's sight, so Content-Type now says %s", v.Charset)
	}
}

func (e *explanation) policies(v Verdict) {
	header := e.came.Get("Content-Security-Policy") + e.came.Get("Content-Security-Policy-Report-Only")
	switch {
	case header == "":
		e.add("policy", "there is none in the header")
	case len(v.Policy) == 0:
		e.add("policy", "it allows the listener as it is")
	}
}

// metaPolicies tells of policies in the page itself: they come after the
// listener, which runs whatever they say, but rule what it may connect to.
func (e *explanation) metaPolicies(x *Exchange, text []byte) {
	for _, policy := range metaPolicies(text) {
		needs := x.admit(http.Header{"Content-Security-Policy": {policy}}, false).Changes
		switch blocks := func(change string) bool { return strings.Contains(change, "the events") }; {
		case slices.ContainsFunc(needs, blocks):
			e.add("policy", "a <meta> in the page keeps the listener from reporting; allow %s%s in its connect-src: %s",
				x.origin(), x.injector.tag.Events, policy)
		case strings.Contains(policy, "connect-src"):
			e.add("policy", "a <meta> in the page rules what the listener may connect to, and lets it report: %s", policy)
		}
	}
}

func (e *explanation) validators(res *http.Response) {
	was, is := e.came.Get("ETag"), res.Header.Get("ETag")
	switch {
	case is == "":
		e.add("validators", "the origin sent none, so the page cannot be revalidated")
	case was == "":
		e.add("validators", "ETag %s, made of Last-Modified: 304 keeps working", is)
	default:
		e.add("validators", "ETag %s became %s: 304 keeps working, and a copy without the listener is not confirmed", was, is)
	}
	if res.ContentLength < 0 && e.came.Get("Content-Length") != "" {
		e.add("length", "Content-Length %s was dropped: how long the page gets is not known beforehand", e.came.Get("Content-Length"))
	}
}

// head keeps the start of a body.
type head struct{ coded []byte }

func (h *head) Write(p []byte) (int, error) {
	h.coded = append(h.coded, p[:min(len(p), maxUndecided-len(h.coded))]...)
	return len(p), nil
}

// text returns what the start of the body decodes to, as far as it goes.
func (h *head) text(header http.Header) []byte {
	var text bytes.Buffer
	c, _ := contentCoding(header)
	if r, err := c.reader(bytes.NewReader(h.coded)); err == nil {
		io.Copy(&text, io.LimitReader(r, maxUndecided))
	}
	return text.Bytes()
}

// reader returns a reader of what src decodes to.
func (c *coding) reader(src *bytes.Reader) (io.Reader, error) {
	switch {
	case c == nil:
		return src, nil
	case c == gzipCoding:
		return gzip.NewReader(src)
	case c == deflateCoding:
		if r, err := zlib.NewReader(src); err == nil {
			return r, nil
		}
		src.Seek(0, io.SeekStart) // some servers send it without its wrapping
		return flate.NewReader(src), nil
	}
	decoder := c.codecs.decoders.New().(streamDecoder)
	return decoder, decoder.Reset(src)
}

// metaPolicies returns the policies that a page sets by <meta>.
func metaPolicies(text []byte) (policies []string) {
	z := html.NewTokenizer(bytes.NewReader(text))
	for z.Next() != html.ErrorToken {
		t := z.Token()
		attributes := map[string]string{}
		for _, a := range t.Attr {
			attributes[a.Key] = a.Val
		}
		if t.Data == "meta" && strings.EqualFold(attributes["http-equiv"], "content-security-policy") {
			policies = append(policies, attributes["content"])
		}
	}
	return policies
}
