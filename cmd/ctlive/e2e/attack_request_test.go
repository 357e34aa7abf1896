package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// requestAttack is one request as a list of fields, which every protocol can
// carry. Pseudo-header fields replace those of
//
//	:method GET, :scheme https, :authority a.test, :path /@
//
// where "@" becomes the mark of the attack; the others follow in order.
type requestAttack struct {
	row    int // of edge.md
	name   string
	fields []string // name, value, name, value …
	body   string
	want   want
}

// absent as the value of a pseudo-header field leaves it out.
const absent = "\x00absent"

// list returns the complete fields, pseudo-header fields first. Without a mark
// "@" stays what it is. The length of a body is announced for HTTP/1 only.
func (a requestAttack) list(mark string) (fields [][2]string) {
	method := "GET"
	if a.body != "" {
		method = "POST"
	}
	pseudo := [][2]string{{":method", method}, {":scheme", "https"}, {":authority", "a.test"}, {":path", "/@"}}
	for i := 0; i < len(a.fields); i += 2 {
		replaced := false
		for j := range pseudo {
			if pseudo[j][0] == a.fields[i] {
				pseudo[j][1], replaced = a.fields[i+1], true
			}
		}
		if !replaced {
			fields = append(fields, [2]string{a.fields[i], a.fields[i+1]})
		}
	}
	whole := make([][2]string, 0, len(pseudo)+len(fields))
	for _, f := range append(pseudo, fields...) {
		if f[1] == absent {
			continue
		}
		if f[0] == ":path" && mark != "" {
			f[1] = strings.Replace(f[1], "/@", "/"+mark, 1)
		}
		whole = append(whole, f)
	}
	return whole
}

// http1 renders the request for HTTP/1.
func (a requestAttack) http1(mark string) string {
	pseudo := make(map[string]string)
	var lines strings.Builder
	for _, f := range a.list(mark) {
		if strings.HasPrefix(f[0], ":") {
			pseudo[f[0]] = f[1]
			continue
		}
		fmt.Fprintf(&lines, "%s: %s\r\n", f[0], f[1])
	}
	if a.body != "" {
		fmt.Fprintf(&lines, "Content-Length: %d\r\n", len(a.body))
	}
	return pseudo[":method"] + " " + pseudo[":path"] + " HTTP/1.1\r\nHost: " + pseudo[":authority"] + "\r\n" + lines.String() + "\r\n" + a.body
}

// numbered are n fields whose names differ.
func numbered(n int, name, value string) (fields []string) {
	for i := range n {
		fields = append(fields, fmt.Sprint(name, i), value)
	}
	return fields
}

// requestAttacks concern what a request says, in every protocol.
var requestAttacks = []requestAttack{
	{16, "TRACE with credentials", []string{":method", "TRACE", "cookie", "sid=secret"}, "", refused(405)},
	{16, "TRACK", []string{":method", "TRACK", "cookie", "sid=secret"}, "", refused(405, 501).orPass(method("TRACK"))},

	{27, "port too long", []string{":authority", "a.test:99999x"}, "", refused(400)},
	{27, "list of hosts", []string{":authority", "a.test,b.test"}, "", refused(400)},
	{27, "port out of range", []string{":authority", "a.test:99999"}, "", refused(400, 404, 421)},
	{27, "negative port", []string{":authority", "a.test:-1"}, "", refused(400)},
	{27, "two ports", []string{":authority", "a.test:80:80"}, "", refused(400)},
	{27, "user", []string{":authority", "x@a.test"}, "", refused(400)},
	{27, "password", []string{":authority", "x:y@a.test"}, "", refused(400)},
	{27, "path", []string{":authority", "a.test/x"}, "", refused(400)},
	{27, "query", []string{":authority", "a.test?x"}, "", refused(400)},
	{27, "fragment", []string{":authority", "a.test#x"}, "", refused(400)},
	{27, "backslash", []string{":authority", `a.test\x`}, "", refused(400)},
	{27, "escaped letter", []string{":authority", "%61.test"}, "", refused(400, 404, 421)},
	{27, "escaped NUL", []string{":authority", "a.test%00.evil"}, "", refused(400, 404, 421)},
	{27, "two dots", []string{":authority", "a..test"}, "", refused(400, 404, 421)},
	{27, "two final dots", []string{":authority", "a.test.."}, "", refused(400, 404, 421)},
	{27, "only a dot", []string{":authority", "."}, "", refused(400, 404, 421)},
	{27, "only a port", []string{":authority", ":80"}, "", refused(400, 404, 421)},
	{27, "open bracket", []string{":authority", "[::1"}, "", refused(400)},
	{27, "brackets around a name", []string{":authority", "[a.test]"}, "", refused(400, 404, 421)},
	{27, "zone", []string{":authority", "[fe80::1%25eth0]"}, "", refused(400, 404, 421)},
	{27, "address without brackets", []string{":authority", "::1"}, "", refused(400, 404, 421)},
	{27, "longer than a name can be", []string{":authority", strings.Repeat("a.", 200) + "test"}, "", refused(400, 404, 421)},
	{28, "upper case", []string{":authority", "A.TEST"}, "", passed(field("Host", "A.TEST"))},
	{28, "final dot", []string{":authority", "a.test."}, "", passed(field("Host", "a.test."))},
	{28, "port", []string{":authority", "a.test:443"}, "", passed(field("Host", "a.test:443"))},
	{28, "final dot and port", []string{":authority", "a.test.:443"}, "", passed(field("Host", "a.test.:443"))},
	{28, "name of another script", []string{":authority", "xn--bcher-kva.test"}, "", passed(field("Host", "xn--bcher-kva.test")).or(refused(421))},
	{28, "the same in upper case", []string{":authority", "XN--BCHER-KVA.test"}, "", passed(field("Host", "XN--BCHER-KVA.test")).or(refused(421))},
	{28, "the same in its own script", []string{":authority", "bücher.test"}, "", passed().or(refused(400, 421))},
	{32, "host of a stranger", []string{":authority", "evil.test"}, "", refused(404, 421)},
	{32, "address of a stranger", []string{":authority", "10.0.0.1"}, "", refused(404, 421)},
	{32, "our host as the label of another", []string{":authority", "a.test.evil"}, "", refused(404, 421)},
	{32, "label below our host", []string{":authority", "x.a.test"}, "", refused(404, 421)},

	{42, "semicolon in the query", []string{":path", "/@?a=1;b=2"}, "", passed(asked("/@?a=1;b=2"))},
	{42, "bad escape in the query", []string{":path", "/@?a=%zz&b=%"}, "", passed(asked("/@?a=%zz&b=%"))},
	{42, "empty query", []string{":path", "/@?"}, "", passed(asked("/@?"))},
	{42, "question marks", []string{":path", "/@??a?b"}, "", passed(asked("/@??a?b"))},
	{42, "thousands of parameters", []string{":path", "/@?" + strings.Repeat("a&", 4000)}, "", passed(asked("/@?" + strings.Repeat("a&", 4000)))},
	{42, "URL in the query", []string{":path", "/@?u=http://b.test/#"}, "", passed()},

	{43, "dot segments", []string{":path", "/a/../../etc/@"}, "", passed(asked("/a/../../etc/@"))},
	{43, "escaped dot segments", []string{":path", "/%2e%2e%2f@"}, "", passed(asked("/%2e%2e%2f@")).or(refused(400))},
	{43, "escaped NUL", []string{":path", "/@%00"}, "", passed(asked("/@%00"))},
	{43, "two slashes", []string{":path", "//evil/@"}, "", passed(asked("//evil/@"))},
	{43, "backslash", []string{":path", `/@\x`}, "", passed(asked(`/@\x`))},
	{43, "backslash for a slash", []string{":path", `/\evil/@`}, "", passed(asked(`/\evil/@`))},
	{43, "escaped slash", []string{":path", "/@%2Fb%2fc"}, "", passed(asked("/@%2Fb%2fc"))},
	{43, "bad escape", []string{":path", "/@%zz"}, "", passed(asked("/@%zz")).or(refused(400))},
	{43, "bytes that are not ASCII", []string{":path", "/@ü"}, "", passed(asked("/@ü")).or(refused(400))},
	{43, "quotes and braces", []string{":path", "/@\"{}|^`<>"}, "", passed(asked("/@\"{}|^`<>")).or(refused(400))},
	{43, "reserved path by its escapes", []string{":path", "/%2Ectlive/events?@"}, "", refused(404)},
	{43, "reserved path by dot segments", []string{":path", "/x/../.ctlive/events?/@"}, "", passed(asked("/x/../.ctlive/events?/@"))},

	{44, "lower-case method", []string{":method", "get"}, "", refused(400, 405, 501)},
	{44, "5,000-byte method", []string{":method", strings.Repeat("A", 5000)}, "", refused(400, 405, 414, 431, 501)},
	{44, "33-byte method", []string{":method", strings.Repeat("A", 33)}, "", refused(400, 405, 501)},
	{44, "method with an at sign", []string{":method", "G@T"}, "", refused(400, 405, 501)},
	{44, "method of WebDAV", []string{":method", "PROPFIND"}, "", passed(method("PROPFIND")).or(refused(405, 501))},
	{44, "PATCH with a body", []string{":method", "PATCH"}, "hello", passed(method("PATCH"), content("hello"))},
	{44, "DELETE", []string{":method", "DELETE"}, "", passed(method("DELETE"))},
	{44, "GET with a body", []string{":method", "GET"}, "hello", passed(method("GET"), content("hello"))},
	{44, "HEAD", []string{":method", "HEAD"}, "", passed(method("HEAD"))},

	{49, "field of 900 KB", []string{"x-a", strings.Repeat("x", 900<<10)}, "", refused(431, 0)},
	{49, "30,000 fields", numbered(30_000, "x-", "1"), "", refused(431, 0)},
	{49, "101 fields", numbered(101, "x-", "1"), "", refused(431)},
	{49, "17 KiB in one field", []string{"x-a", strings.Repeat("x", 17<<10)}, "", refused(431)},
	{49, "17 KiB in ten fields", numbered(10, "x-", strings.Repeat("x", 1740)), "", refused(431)},
	{49, "17 KiB of target", []string{":path", "/@?" + strings.Repeat("x", 17<<10)}, "", refused(414, 431)},
	{49, "4,000 crumbs of a cookie", slices.Repeat([]string{"cookie", "a=1"}, 4000), "", refused(431)},
	{49, "90 fields, which are allowed", numbered(90, "x-", "1"), "", passed(field("X-89", "1"))},
	{49, "12 KiB, which are allowed", []string{"x-a", strings.Repeat("x", 12<<10)}, "", passed(field("X-A", strings.Repeat("x", 12<<10)))},
}

// TestAttackRequestHTTP1 sends the attacks of every protocol by HTTP/1.
func TestAttackRequestHTTP1(t *testing.T) {
	t.Parallel()
	attacks := append(append([]requestAttack{}, requestAttacks...), identityAttacks...)
	t.Logf("%d attacks", len(attacks))
	for name, secure := range map[string]bool{"plain": false, "tls": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := besiege(t, secure, newRecorder(t, nil))
			s := &siege{origin: b.origin, who: identity{"127.0.0.1", scheme(secure)}}
			for _, a := range attacks {
				t.Run(fmt.Sprintf("%d %s", a.row, a.name), func(t *testing.T) {
					mark, since := s.mark(), s.origin.count()
					send := a.http1(mark) + innocent(mark)
					s.judge(t, a.want, mark, since, exchangeHTTP1(b.connect(t, secure), send, false))
				})
			}
			s.end(t)
		})
	}
}

// innocent is the request behind an attack of HTTP/1, the last of its connection.
func innocent(mark string) string {
	return "GET " + behind(mark) + " HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n"
}
