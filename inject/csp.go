package inject

import (
	"net/http"
	"slices"
)

// cspNeeds is what the markup asks of a page's policies. Paths are
// percent-encoded, as the markup writes them.
type cspNeeds struct {
	Origin    string // scheme://host[:port] of the page, as the visitor sees it
	Inline    string // text of the inline script that loads the listener by creating a script element
	Buffer    string // text of the inline script where the listener is an async element of the markup
	Src       string // path of the listener on Origin
	Integrity string // SRI metadata of the listener, "sha384-…"; the async element must carry it
	Connect   string // path of the events endpoint on Origin
	SDK       string // URL of the SDK, an async element of the markup; "" for none
	NonceKept bool   // Inline gives its own nonce to the element that it creates
	Stored    bool   // the body was sent before (304), with the nonce of another response
}

// cspVerdict says how the markup must look under the policies that rewriteCSP
// left behind.
type cspVerdict struct {
	Skip         bool     // the listener can't run or can't report: leave the page alone
	Nonce        string   // for every injected script element, base64 characters only; "" for none
	TrustedTypes bool     // the listener must be an async element of the markup, beside Buffer
	Changes      []string // what was changed, what no change can do, or why Skip, in plain words
}

// maxPolicies bounds the policies of one page, in bytes, and with them what a
// hostile header costs. Real ones take a few kilobytes.
const maxPolicies = 64 << 10

// rewriteCSP edits h so that the markup may run and report under every Content
// Security Policy in it, enforced or report-only, and so that nothing else is
// allowed or blocked than before. The authority is CSP Level 3. Where engines
// differ from it (does ws: allow http, does a query in a path count), a source
// allows us only if it does so in all of them.
//
// A nonce of the page is reused, the one that spares most additions. A list
// whose 'unsafe-inline' works gets URLs only, and it goes on working. Any other
// gets the hash of the inline script and the exact URLs that it lacks. All
// other bytes stay as they were, and so does the number of lines.
//
// The SDK is let in as a script and no further: which frames, styles and
// connections it opens is its vendor's to say and the site's to allow.
func rewriteCSP(h http.Header, n cspNeeds) cspVerdict {
	lines, size := parsePolicies(h)
	if size > maxPolicies {
		return cspVerdict{Skip: true, Changes: []string{"the policies are larger than 64 KiB"}}
	}
	v := surveyPolicies(lines)
	if v.Skip || len(lines) == 0 {
		return v
	}
	m := newCSPMarkup(n, v.TrustedTypes)
	if !n.Stored {
		v.Nonce = m.nonce(lines)
	}
	for _, l := range lines {
		if text, changes := m.admit(l, v.Nonce); len(changes) > 0 {
			h[l.header] = slices.Clone(h[l.header]) // a clone of the map may share the slice
			h[l.header][l.index] = text
			v.Changes = append(v.Changes, changes...)
		}
	}
	if n.SDK != "" {
		v.Changes = append(v.Changes, "left to the site: the frames, styles and connections of the SDK")
	}
	return v
}

// surveyPolicies answers what depends on all policies together.
func surveyPolicies(lines []cspLine) (v cspVerdict) {
	for _, l := range lines {
		for _, p := range l.policies {
			if reason := p.forbids(); reason != "" && l.enforced() {
				return cspVerdict{Skip: true, Changes: []string{p.name(l) + ": " + reason}}
			}
			// For a report-only policy too: it would report us.
			v.TrustedTypes = v.TrustedTypes || p.trustedTypes
		}
	}
	return v
}

// cspMarkup is cspNeeds made ready to be compared with source lists.
type cspMarkup struct {
	hashes    [3]string // of the inline script, the one to add first
	async     bool      // the listener is an element of the markup, so parser-inserted
	nonceKept bool
	integrity string
	listener  cspTarget
	events    cspTarget
	sdk       *cspTarget // nil for none
}

func newCSPMarkup(n cspNeeds, trustedTypes bool) *cspMarkup {
	m := &cspMarkup{
		async:     trustedTypes,
		nonceKept: n.NonceKept,
		integrity: n.Integrity,
		listener:  newCSPTarget(n.Origin, n.Origin+n.Src),
		events:    newCSPTarget(n.Origin, n.Origin+n.Connect),
	}
	if trustedTypes {
		m.hashes = cspHashes(n.Buffer)
	} else {
		m.hashes = cspHashes(n.Inline)
	}
	if n.SDK != "" {
		sdk := newCSPTarget(n.Origin, n.SDK)
		m.sdk = &sdk
	}
	return m
}

// nonce returns the nonce in lines that spares most additions, the earliest of
// equals, or "" if none spares any. An element has one nonce: policies that
// carry another get hash and URL.
func (m *cspMarkup) nonce(lines []cspLine) (best string) {
	spared := make(map[string]int)
	for _, l := range lines {
		for _, p := range l.policies {
			if len(p.scripts.nonces) == 0 {
				continue
			}
			n := len(m.scripts(p.scripts, false)) - len(m.scripts(p.scripts, true))
			for _, nonce := range p.scripts.nonces {
				spared[nonce] += n
			}
		}
	}
	for _, l := range lines {
		for _, p := range l.policies {
			for _, nonce := range p.scripts.nonces {
				if spared[nonce] > spared[best] {
					best = nonce
				}
			}
		}
	}
	return best
}

// scripts returns what l lacks for the scripts of the markup. nonced says that
// their nonce is in l.
//
// An element that a script created is not parser-inserted: 'strict-dynamic'
// trusts it for its creator's sake. An element of the markup is, and there
// 'strict-dynamic' lets no URL count, only a nonce or integrity.
func (m *cspMarkup) scripts(l cspSources, nonced bool) (add []cspAddition) {
	if !nonced && !l.allowInline() && !l.containHash(m.hashes[:]...) {
		add = append(add, cspAddition{"'" + m.hashes[0] + "'", "the inline script"})
	}
	switch {
	case nonced && (m.async || m.nonceKept):
	case l.strictDynamic && !m.async:
	case l.strictDynamic && !l.containHash(m.integrity):
		add = append(add, cspAddition{"'" + m.integrity + "'", "the listener"})
	case !l.strictDynamic && !l.allowURL(m.listener):
		add = append(add, cspAddition{m.listener.source, "the listener"})
	}
	switch {
	case m.sdk == nil || nonced:
	case l.strictDynamic:
		add = append(add, cspAddition{"", "the SDK"}) // its bytes change, so no hash stands for them
	case !l.allowURL(*m.sdk):
		add = append(add, cspAddition{m.sdk.source, "the SDK"})
	}
	return add
}

// widenings returns what p needs for the markup to run under it and report.
func (m *cspMarkup) widenings(p cspPolicy, nonce string) (all []cspWidening) {
	nonced := nonce != "" && slices.Contains(p.scripts.nonces, nonce)
	if add := m.scripts(p.scripts, nonced); p.script.name != "" && len(add) > 0 {
		all = append(all, cspWidening{p.script, "script-src-elem", add})
	}
	if p.connect.name != "" && !parseSources(p.connect.value).allowURL(m.events) {
		add := []cspAddition{{m.events.source, "the events"}}
		all = append(all, cspWidening{p.connect, "connect-src", add})
	}
	return all
}

// admit returns the line with the markup let in, and what that changed.
func (m *cspMarkup) admit(l cspLine, nonce string) (text string, changes []string) {
	var edits []cspEdit
	for _, p := range l.policies {
		for _, w := range m.widenings(p, nonce) {
			if sources := w.sources(); sources != "" {
				edits = append(edits, w.edit(sources))
			}
			for _, a := range w.add {
				changes = append(changes, p.name(l)+": "+w.describe(a))
			}
		}
	}
	return applyEdits(l.text, edits), changes
}
