package assets

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"unicode/utf8"
)

// maxHandlers bounds the operator's code, in bytes: visitors load it on every page.
const maxHandlers = 256 << 10

// validate reports every bad option at once, each with its fix.
func (o ListenerOptions) validate() error {
	errs := []error{
		checkPrefix(o.Prefix),
		oneOf("consent", o.Consent, "implied", "required"),
		oneOf("gpc", o.GPC, "respect", "ignore"),
		oneOf("query", o.Query, "strip", "keep"),
		checkHandlers(o.Handlers),
	}
	for _, origin := range o.Origins {
		errs = append(errs, checkOrigin(origin))
	}
	return errors.Join(errs...)
}

func oneOf(option, value, a, b string) error {
	if value == a || value == b {
		return nil
	}
	return fmt.Errorf("listener %s %q: set it to %q or %q", option, value, a, b)
}

// Only what needs no escaping in a URL, a JavaScript string and an HTML attribute.
var prefixForm = regexp.MustCompile(`^/([A-Za-z0-9._~-]+/)+$`)

func checkPrefix(prefix string) error {
	switch {
	case !prefixForm.MatchString(prefix):
		return fmt.Errorf(`listener prefix %q: begin and end it with "/", with letters, digits and "._~-" between, as in "/.ctlive/"`, prefix)
	case strings.Contains(prefix, "/./"), strings.Contains(prefix, "/../"):
		return fmt.Errorf(`listener prefix %q: take out the "." or "..", which browsers resolve before they ask`, prefix)
	case strings.Contains(prefix, "livechatsdk.js"):
		return fmt.Errorf(`listener prefix %q: take out "livechatsdk.js", by which the CTLive SDK finds its own script`, prefix)
	}
	return nil
}

const originChars = "abcdefghijklmnopqrstuvwxyz0123456789.-+:/[]"

// checkOrigin holds origin against the form in which browsers report one, since the listener compares bytes.
func checkOrigin(origin string) error {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || origin != u.Scheme+"://"+u.Host || strings.Trim(origin, originChars) != "" {
		return fmt.Errorf(`listener origin %q: write it as browsers do, lower case, international names as xn--, no path: "https://chat.example.com"`, origin)
	}
	if port := u.Port(); u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" {
		return fmt.Errorf("listener origin %q: leave out :%s, as browsers do", origin, port)
	}
	return nil
}

func checkHandlers(code []byte) error {
	switch {
	case len(code) > maxHandlers:
		return fmt.Errorf("listener handlers: %d bytes, on every page: stay below %d", len(code), maxHandlers)
	case !utf8.Valid(code):
		return errors.New("listener handlers: not UTF-8: save the file as UTF-8")
	case bytes.IndexByte(code, 0) >= 0:
		return errors.New("listener handlers: holds a NUL byte: this is no script")
	}
	return nil
}
