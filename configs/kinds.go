package configs

import (
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/idna"
)

// A kind is what the text of a value may be. Parse checks it and returns it in
// canonical form, with the type of the field; dir is the folder that relative
// paths start from. Fix tells a person what to write.
type kind struct {
	parse func(text, dir string) (any, error)
	fix   string
}

var kinds = map[string]kind{
	"address":  {plain(parseAddress), `write host:port, such as 127.0.0.1:9180, or :80 for every address`},
	"age":      {plain(parseAge), `write a duration of whole seconds, such as 180d, or 0s for none`},
	"duration": {plain(ParseDuration), `write a number and its unit, such as 5s, 1h30m or 395d`},
	"email":    {plain(parseEmail), `write a bare address, such as ops@example.com`},
	"file":     {parseFile, `name a readable file; a relative path starts at the folder of the configuration file`},
	"host":     {plain(parseHost), `write the bare name, such as www.example.com, or "*" for every host`},
	"key":      {plain(parseKey), `write it as "${CTLIVE_TOKEN_KEY}" and set that in the environment, to what "openssl rand -hex 32" prints`},
	"name":     {plain(parseName), `write one word`},
	"nats":     {plain(parseNATS), `write nats://host:4222, several separated by commas`},
	"network":  {plain(parseNetwork), `write a network such as 10.0.0.0/8, or a single address`},
	"origin":   {plain(parseOrigin), `write the origin as the browser shows it, such as https://chat.example.com`},
	"path":     {parsePath, `write the path of a folder`},
	"pattern":  {plain(parsePattern), `write a path pattern such as /shop/**`},
	"prefix":   {plain(parsePrefix), `write a path of its own that begins and ends with "/", such as /.ctlive/`},
	"rate":     {plain(ParseRate), `write a number per s, m or h, such as 50/s or 100/m`},
	"route":    {plain(parseRoute), `write a path such as /healthz`},
	"sdk":      {plain(parseSDK), `write https://HOST/livechat/{tenant}/lib/livechatsdk.js: the SDK finds its own tag by that path`},
	"secret":   {plain(parseSecret), `write it as "${NAME}" and set NAME in the environment`},
	"size":     {plain(ParseSize), `write a number with KiB or MiB, such as 64KiB, or plain bytes`},
	"tenant":   {plain(parseTenant), `write the tenant's name as it stands in its CTLive address: letters, digits and - . _ ~`},
	"token":    {plain(parseToken), `write it as "${CTLIVE_ADMIN_TOKEN}" and set that in the environment, to what "openssl rand -hex 16" prints`},
	"upstream": {plain(parseUpstream), `write scheme, host and port only, such as http://10.0.0.5:8080`},
	"url":      {plain(parseURL), `write a full address, such as https://example.com/path`},
}

// kindOf returns the kind that an is tag names, without its "?".
func kindOf(is string) kind {
	words := strings.Split(is, "|")
	if len(words) == 1 {
		return kinds[is]
	}
	return kind{fix: "write " + or(words), parse: plain(func(s string) (string, error) {
		if !slices.Contains(words, s) {
			return "", fmt.Errorf("%s is not one of %s", quote(s), strings.Join(words, ", "))
		}
		return s, nil
	})}
}

// plain makes the parse function of a kind that is no path.
func plain[T any](parse func(string) (T, error)) func(string, string) (any, error) {
	return func(s, _ string) (any, error) { return parse(s) }
}

// parseHost returns a host name in lower case, without its trailing dot and in
// its ASCII form; an IP address without brackets, in its shortest form.
func parseHost(s string) (string, error) {
	if s == "*" {
		return s, nil
	}
	if addr, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil && addr.Zone() == "" {
		return addr.String(), nil
	}
	switch {
	case strings.Contains(s, "*"):
		return "", fmt.Errorf(`%s is a wildcard: only "*" alone is one`, quote(s))
	case strings.Contains(s, "/"):
		return "", fmt.Errorf("%s is not a bare host name", quote(s))
	case strings.Contains(s, ":"):
		return "", fmt.Errorf("%s has a port: a site answers on every port of listen", quote(s))
	}
	name, err := hostNames.ToASCII(strings.TrimSuffix(s, "."))
	if err == nil {
		name, err = hostNames.ToASCII(name) // refuses what came of characters that no name may have
	}
	if err != nil || !hostName.MatchString(name) {
		return "", fmt.Errorf("%s is not a host name", quote(s))
	}
	return name, nil
}

var (
	// Browsers look names up by these rules (UTS #46, non-transitional). They
	// also allow the underscore, which names inside networks do contain.
	hostNames = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(false), idna.VerifyDNSLength(true))
	hostName  = regexp.MustCompile(`^[a-z0-9_-]+(\.[a-z0-9_-]+)*$`)
)

// parseAge takes what can stand in max-age (RFC 6797, 6.1.1), which may be zero.
func parseAge(s string) (Duration, error) {
	if s == "0" || s == "0s" {
		return 0, nil
	}
	age, err := ParseDuration(s)
	if err == nil && age%Duration(time.Second) != 0 {
		err = fmt.Errorf("%s is not a number of whole seconds", quote(s))
	}
	return age, err
}

func parseAddress(s string) (string, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return "", fmt.Errorf("%s is not host:port", quote(s))
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", fmt.Errorf("%s has no port from 0 to 65535", quote(s))
	}
	if host == "" {
		return s, nil
	}
	if _, err := parseHost(host); err != nil || host == "*" {
		return "", fmt.Errorf("%s has no valid host", quote(s))
	}
	return s, nil
}

// parseURL takes an absolute http or https URL. It returns it as it was written.
func parseURL(s string) (string, error) {
	_, err := webURL(s)
	return s, err
}

func webURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, fmt.Errorf("%s is not an http:// or https:// address", quote(s))
	}
	if _, err := strconv.ParseUint(u.Port(), 10, 16); u.Port() != "" && err != nil {
		return nil, fmt.Errorf("%s has no port from 0 to 65535", quote(s))
	}
	return u, nil
}

// parseUpstream refuses all that would be lost or would change the visitor's
// path: paths and queries are forwarded as they came.
func parseUpstream(s string) (*url.URL, error) {
	u, err := webURL(s)
	switch {
	case err != nil:
		return nil, err
	case u.User != nil:
		return nil, errors.New("the address has a user name in it")
	case u.Path != "" && u.Path != "/":
		return nil, fmt.Errorf("%s has a path", quote(s))
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, fmt.Errorf("%s has a query or fragment", quote(s))
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}, nil
}

// parseOrigin returns an origin as event.origin shows it: lower case, ASCII,
// without the default port (HTML Standard 7.1.1).
func parseOrigin(s string) (string, error) {
	u, err := parseUpstream(s)
	if err != nil {
		return "", err
	}
	host, err := parseHost(u.Hostname())
	if err != nil {
		return "", err
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	port := u.Port()
	if port == "" || u.Scheme == "http" && port == "80" || u.Scheme == "https" && port == "443" {
		return u.Scheme + "://" + host, nil
	}
	return u.Scheme + "://" + host + ":" + port, nil
}

func parseSDK(s string) (string, error) {
	u, err := webURL(strings.ReplaceAll(s, "{tenant}", "tenant"))
	if err != nil {
		return "", fmt.Errorf("%s is not an http:// or https:// address", quote(s))
	}
	if !strings.HasSuffix(u.Path, "/livechat/tenant/lib/livechatsdk.js") || !strings.Contains(s, "/{tenant}/lib/") {
		return "", fmt.Errorf("%s does not end with /livechat/{tenant}/lib/livechatsdk.js", quote(s))
	}
	return s, nil
}

func parseNATS(s string) (string, error) {
	for server := range strings.SplitSeq(s, ",") {
		u, err := url.Parse(strings.TrimSpace(server))
		if err != nil || u.Scheme != "nats" && u.Scheme != "tls" || u.Hostname() == "" {
			return "", errors.New("the value is not a list of nats:// addresses") // may hold a password
		}
	}
	return s, nil
}

func parseNetwork(s string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" {
		return addr.Prefix(addr.BitLen())
	}
	network, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%s is not a network", quote(s))
	}
	return network.Masked(), nil
}

var prefixPath = regexp.MustCompile(`^/([A-Za-z0-9._~-]+/)+$`)

func parsePrefix(s string) (string, error) {
	switch {
	case len(s) < 2 || s[0] != '/' || s[len(s)-1] != '/':
		return "", fmt.Errorf(`%s does not begin and end with "/" around a name`, quote(s))
	case !prefixPath.MatchString(s):
		return "", fmt.Errorf("%s has characters other than letters, digits and - . _ ~", quote(s))
	case path.Clean(s)+"/" != s:
		return "", fmt.Errorf("%s has a . or .. segment, which browsers resolve", quote(s))
	}
	return s, nil
}

func parsePattern(s string) (string, error) {
	if !strings.HasPrefix(s, "/") {
		return "", fmt.Errorf(`%s does not begin with "/"`, quote(s))
	}
	return s, nil
}

func parseRoute(s string) (string, error) {
	if !strings.HasPrefix(s, "/") || strings.HasPrefix(s, "//") || !oneWord.MatchString(s) {
		return "", fmt.Errorf("%s is not a path", quote(s))
	}
	return s, nil
}

var (
	tenant  = regexp.MustCompile(`^[A-Za-z0-9_~-][A-Za-z0-9._~-]*$`)
	oneWord = regexp.MustCompile(`^[!-~]+$`)
)

func parseTenant(s string) (string, error) {
	if !tenant.MatchString(s) {
		return "", fmt.Errorf("%s cannot stand in a URL as it is", quote(s))
	}
	return s, nil
}

func parseName(s string) (string, error) {
	if !oneWord.MatchString(s) {
		return "", fmt.Errorf("%s is not one word", quote(s))
	}
	return s, nil
}

// minToken is too long to be guessed over the network, in bytes.
const minToken = 16

// parseToken takes what can stand in an Authorization header. Its errors do not
// show the value.
func parseToken(s string) (string, error) {
	switch {
	case !oneWord.MatchString(s):
		return "", errors.New("the token has spaces or characters that are not ASCII")
	case len(s) < minToken:
		return "", fmt.Errorf("the token is shorter than %d characters", minToken)
	}
	return s, nil
}

// minKey is too long to be guessed by whoever has something that it signs, in bytes.
const minKey = 32

func parseKey(s string) (string, error) {
	if len(s) < minKey {
		return "", fmt.Errorf("the key is shorter than %d characters", minKey)
	}
	return s, nil
}

func parseSecret(s string) (string, error) {
	if s == "" {
		return "", errors.New("the value is empty")
	}
	return s, nil
}

func parseEmail(s string) (string, error) {
	if addr, err := mail.ParseAddress(s); err != nil || addr.Address != s {
		return "", fmt.Errorf("%s is not an e-mail address", quote(s))
	}
	return s, nil
}

func parsePath(s, dir string) (any, error) {
	if s == "" || strings.ContainsRune(s, 0) {
		return "", fmt.Errorf("%s is not a path", quote(s))
	}
	if filepath.IsAbs(s) {
		return filepath.Clean(s), nil
	}
	return filepath.Join(dir, s), nil
}

func parseFile(s, dir string) (any, error) {
	name, err := parsePath(s, dir)
	if err != nil {
		return "", err
	}
	return name, readable(name.(string))
}

// readable reports why the file cannot be read. Only regular files are opened:
// opening a pipe would wait for its writer.
func readable(name string) error {
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a file", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	return f.Close()
}
