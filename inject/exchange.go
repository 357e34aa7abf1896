package inject

import (
	"maps"
	"net/http"
	"strconv"
)

// A Verdict says what became of a page.
type Verdict struct {
	Injected bool
	Offset   int64    // of the markup in the decoded page, in bytes
	Reason   string   // why the page was left alone; "" if it was injected
	Policy   []string // what was changed in the page's policies, in plain words

	Encoding     string // of the page's characters; "" where nothing names it, or the body was not looked into
	EncodingFrom string // what names it: "BOM", "Content-Type", "meta" (or an XML declaration) or "none"
	Charset      string // what Content-Type had to be told of it, because the markup moved the <meta> too far; or ""
}

// An Exchange is one request and its answer. It is not safe for concurrent use.
type Exchange struct {
	injector  *Injector
	edition   *edition
	reason    string   // why no answer to the request is touched, "" if one may be
	consulted []string // request fields that this depended on
	head      bool
	secure    bool   // the visitor came by https
	host      string // by which the visitor knows the site
	known     []condition
	verdict   Verdict
	body      *body // of an answer that is looked into; nil for others
	own       body  // which body points to
}

// Request prepares r, which is about to go to the origin.
//
// A request that may be answered with a page asks for the whole page, in a
// coding that is cheap to inject, on conditions that the origin understands. No
// such request offers the dictionaries of RFC 9842: what the visitor holds is
// not what the origin sent.
func (in *Injector) Request(r *http.Request) *Exchange {
	x := &Exchange{injector: in, edition: in.edition(), head: r.Method == http.MethodHead, secure: isSecure(r), host: r.Host}
	x.reason, x.consulted = requestReason(r, in.frames)
	if x.reason == "" && (!in.include.contains(r.URL.Path) || in.exclude.contains(r.URL.Path)) {
		x.reason = "excluded"
	}
	if x.reason == "" {
		narrowCodings(r.Header)
	}
	if x.reason != "" || r.Method == http.MethodPost {
		withoutInjected(r.Header)
		return x
	}
	delete(r.Header, "Range")
	delete(r.Header, "If-Range")
	x.known = mapConditions(r.Header, x.edition.version)
	return x
}

// isSecure reports whether the visitor came by https, by the fields that a proxy
// sets for its origin.
func isSecure(r *http.Request) bool {
	return r.TLS != nil || first(r.Header, "X-Forwarded-Proto") == "https"
}

// origin returns scheme://host of the page, as the visitor sees it.
func (x *Exchange) origin() string {
	if x.secure {
		return "https://" + x.host
	}
	return "http://" + x.host
}

// Response rewrites res, the answer to the request. It may wait for the first
// text of the page. What it cannot rewrite it leaves as it came.
func (x *Exchange) Response(res *http.Response) {
	mediaType, encoding := contentType(res.Header)
	x.verdict.Reason = x.skipReason(res, mediaType)
	confirms := res.StatusCode == http.StatusNotModified && len(x.known) > 0
	switch {
	case x.verdict.Reason == "":
		x.rewrite(res, encoding)
	case x.head && x.verdict.Reason == "method":
		x.announce(res)
	case confirms:
		x.confirm(res)
	}
	if mediaType == "text/html" || confirms {
		vary(res.Header, x.consulted)
	}
}

func (x *Exchange) skipReason(res *http.Response, mediaType string) string {
	if x.reason == "method" {
		return x.reason
	}
	if reason := responseReason(res, mediaType); reason != "" {
		return reason
	}
	if _, ok := contentCoding(res.Header); x.reason == "" && !ok {
		return "encoding"
	}
	if x.reason == "" && x.head {
		return "method"
	}
	return x.reason
}

// Verdict says what became of the page. It is final once the body is closed.
func (x *Exchange) Verdict() Verdict {
	if x.body == nil {
		return x.verdict
	}
	v := x.body.judge()
	v.Policy, v.Charset = x.verdict.Policy, x.verdict.Charset
	return v
}

// rewrite puts the markup into the body and brings the header into line. Where
// the start of the page shows that it must be left alone, nothing changes.
func (x *Exchange) rewrite(res *http.Response, encoding string) {
	policies := policiesIn(res.Header)
	policy := x.admit(policies, false)
	if policy.Skip {
		x.verdict.Reason, x.verdict.Policy = "csp", policy.Changes
		return
	}
	coding, _ := contentCoding(res.Header)
	markup, packed := x.edition.plain, x.edition.packed
	if policy.Nonce != "" || policy.TrustedTypes {
		markup, packed = x.injector.tag.markup(x.edition.token, policy.Nonce, policy.TrustedTypes), nil
	}
	patience, whole := x.injector.patience, res.ContentLength >= 0
	if whole {
		patience *= wholePatience
	}
	x.body = &x.own
	x.body.begin(res, coding, markup, packed, encoding, whole || patience < 0)
	res.Body = x.body
	x.body.peek(patience)
	if x.body.leftAlone() {
		if x.body.recoded() {
			x.adjust(res.Header, true)
			x.setLength(res, coding)
		}
		return
	}
	x.body.injects = true
	maps.Copy(res.Header, policies)
	x.adjust(res.Header, coding.reencodes())
	x.setLength(res, coding)
	x.verdict.Policy = policy.Changes
	if x.verdict.Charset = x.body.lostDeclaration(); x.verdict.Charset != "" {
		res.Header.Set("Content-Type", "text/html; charset="+x.verdict.Charset)
	}
}

// announce gives the answer to a HEAD request the header that GET would get.
func (x *Exchange) announce(res *http.Response) {
	if policy := x.admit(res.Header, false); policy.Skip {
		return
	}
	coding, _ := contentCoding(res.Header)
	x.adjust(res.Header, coding.reencodes())
	x.setLength(res, nil)
}

// confirm tells the visitor that the injected page it holds is current. Its
// header takes the place of the one that the visitor stored.
func (x *Exchange) confirm(res *http.Response) {
	field := confirmed(x.known, first(res.Header, "Etag"))
	x.admit(res.Header, true)
	x.adjust(res.Header, false)
	if field != "" {
		res.Header.Set("ETag", field)
	}
}

// admit lets the markup in through the page's policies; stored is that of a
// page sent before.
func (x *Exchange) admit(h http.Header, stored bool) cspVerdict {
	tag := &x.injector.tag
	if tag.HTML != "" || !hasPolicies(h) {
		return cspVerdict{}
	}
	return rewriteCSP(h, cspNeeds{
		Origin: x.origin(), Inline: tag.Inline, Buffer: tag.Buffer, Src: tag.Src, Integrity: tag.Integrity,
		Connect: tag.Events, SDK: tag.SDK, NonceKept: true, Stored: stored,
	})
}

// staleFields describe bytes that are no longer those of the origin. The names
// are canonical.
var staleFields = []string{"Content-Md5", "Digest", "Content-Digest", "Repr-Digest", "Use-As-Dictionary"}

func (x *Exchange) adjust(h http.Header, reencoded bool) {
	etag := injectedETag(h, x.edition.version, reencoded)
	for _, field := range staleFields {
		delete(h, field)
	}
	if etag != "" {
		h["Etag"] = []string{etag}
	} else {
		delete(h, "Etag")
	}
	h["Accept-Ranges"] = []string{"none"}
}

// setLength sets the length of an injected page where it is known: a page
// without a coding grows by just the markup.
func (x *Exchange) setLength(res *http.Response, coding *coding) {
	added := int64(-1)
	if x.body != nil && coding == nil {
		added = x.body.added()
	}
	if res.ContentLength < 0 || added < 0 {
		res.ContentLength = -1
		delete(res.Header, "Content-Length")
		return
	}
	res.ContentLength += added
	res.Header.Set("Content-Length", strconv.FormatInt(res.ContentLength, 10))
}
