package proxy

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"ctlive/inject"
	"ctlive/proxy/admit"
)

// navigation is what a browser sends when somebody follows a link.
var navigation = http.Header{
	"Accept":                    {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"},
	"Accept-Encoding":           {"gzip, deflate, br, zstd"},
	"Accept-Language":           {"en"},
	"Sec-Fetch-Dest":            {"document"},
	"Sec-Fetch-Mode":            {"navigate"},
	"Sec-Fetch-Site":            {"none"},
	"Sec-Fetch-User":            {"?1"},
	"Upgrade-Insecure-Requests": {"1"},
	"User-Agent":                {"Mozilla/5.0 (compatible; ctlive explain)"},
}

// Explain fetches a page of one of the sites as a visitor's browser would, on
// the same way to the origin and back, and says what was decided about it. The
// error says why there is no page to speak of.
func (p *Proxy) Explain(ctx context.Context, page *url.URL) ([]inject.Finding, error) {
	host, ok := admit.Host(page.Host)
	s := p.site(host)
	if s == nil || !ok {
		return nil, fmt.Errorf("no site has the host %q", page.Host)
	}
	if strings.HasPrefix(page.Path, s.Prefix) {
		return nil, fmt.Errorf("%s is under the reserved path %s, which never reaches the origin", page.Path, s.Prefix)
	}
	if page.Path == "" {
		page = page.JoinPath("/") // what a browser asks for
	}
	in, err := http.NewRequestWithContext(ctx, http.MethodGet, page.String(), nil)
	if err != nil {
		return nil, err
	}
	in.Header, in.RequestURI = navigation.Clone(), in.URL.RequestURI()
	out := in.Clone(ctx)
	out.RequestURI = ""
	out.Header.Set("X-Forwarded-Host", page.Host)
	out.Header.Set("X-Forwarded-Proto", page.Scheme)
	return s.upstream.explain(in, out)
}

func (u *upstream) explain(in, out *http.Request) ([]inject.Finding, error) {
	return u.site.Injector.Explain(out, func(r *http.Request) (*http.Response, error) {
		address(r.URL, in)
		res, err := u.pool.RoundTrip(r)
		if err != nil {
			return nil, fmt.Errorf("ask %w", err)
		}
		return res, nil
	})
}
