package e2e

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// attack is one HTTP/1 connection, byte by byte. "/@" in it becomes a target with
// the mark of the attack. An innocent request follows it.
type attack struct {
	row  int // of edge.md
	name string
	send string
	want want
}

const (
	host    = "Host: a.test\r\n"
	chunked = "Transfer-Encoding: chunked\r\n"
	sneaked = "GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n"
	upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)

// fetch is a GET with these header lines, submit a POST, and chunks a POST with
// this chunked body.
func fetch(lines string) string        { return "GET /@ HTTP/1.1\r\n" + host + lines + "\r\n" }
func submit(lines, body string) string { return "POST /@ HTTP/1.1\r\n" + host + lines + "\r\n" + body }
func chunks(body string) string        { return submit(chunked, body) }

var (
	unupgraded = all([]func(*recorded) string{without("Upgrade"), without("Connection"), without("HTTP2-Settings")})
	plainChunk = []func(*recorded) string{field("Transfer-Encoding", "chunked"), without("Content-Length")}
)

var framingAttacks = []attack{
	{1, "length and chunked", submit("Content-Length: 6\r\n"+chunked, "0\r\n\r\nG"), broken(400)},
	{1, "chunked and length", submit(chunked+"Content-Length: 6\r\n", "0\r\n\r\nG"), broken(400)},
	{1, "length short of a smuggled request", submit("Content-Length: 4\r\n"+chunked, "28\r\n"+sneaked+"\r\n0\r\n\r\n"), broken(400)},
	{1, "chunked short of a smuggled request", submit("Content-Length: 45\r\n"+chunked, "0\r\n\r\n"+sneaked), broken(400)},
	{1, "length zero and chunked", submit("Content-Length: 0\r\n"+chunked, "28\r\n"+sneaked+"\r\n0\r\n\r\n"), broken(400)},
	{1, "both in lower case", submit("content-length: 6\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\nG"), broken(400)},
	{1, "both on a GET", fetch("Content-Length: 5\r\n"+chunked) + "0\r\n\r\n", broken(400)},
	{1, "length and an unknown coding", submit("Content-Length: 5\r\nTransfer-Encoding: x\r\n", "hello"), broken(400, 501)},

	{2, "HTTP/1.0 chunked", "POST /@ HTTP/1.0\r\n" + host + chunked + "\r\n0\r\n\r\n", broken(400)},
	{2, "HTTP/1.0 chunked and length", "POST /@ HTTP/1.0\r\n" + host + chunked + "Content-Length: 5\r\n\r\n0\r\n\r\n", broken(400)},
	{2, "HTTP/1.0 chunked, kept alive", "POST /@ HTTP/1.0\r\n" + host + "Connection: keep-alive\r\n" + chunked + "\r\n0\r\n\r\n" + sneaked, broken(400)},
	{2, "HTTP/1.0 identity", "POST /@ HTTP/1.0\r\n" + host + "Transfer-Encoding: identity\r\n\r\n", broken(400, 501)},

	{3, "xchunked", submit("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"), broken(501)},
	{3, "chunked, identity", submit("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"), broken(501)},
	{3, "gzip, chunked", submit("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), broken(501)},
	{3, "two fields", submit(chunked+chunked, "0\r\n\r\n"), broken(501)},
	{3, "two fields, the second unknown", submit(chunked+"Transfer-Encoding: x\r\n", "0\r\n\r\n"), broken(501)},
	{3, "two fields, the first unknown", submit("Transfer-Encoding: x\r\n"+chunked, "0\r\n\r\n"), broken(501)},
	{3, "chunked, chunked", submit("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n"), broken(501)},
	{3, "quoted", submit("Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n"), broken(400, 501)},
	{3, "with a parameter", submit("Transfer-Encoding: chunked;q=1\r\n", "0\r\n\r\n"), broken(400, 501)},
	{3, "empty", submit("Transfer-Encoding:\r\n", "0\r\n\r\n"), broken(400, 501)},
	{3, "trailing comma", submit("Transfer-Encoding: chunked,\r\n", "0\r\n\r\n"), broken(400, 501)},
	{3, "identity alone", submit("Transfer-Encoding: identity\r\n", ""), broken(400, 501)},
	{3, "in upper case", submit("TRANSFER-ENCODING: CHUNKED\r\n", "5\r\nhello\r\n0\r\n\r\n"), passed(append(plainChunk, content("hello"))...).or(broken(501))},

	{4, "space before the colon", submit("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"), broken(400)},
	{4, "tab before the colon", submit("Transfer-Encoding\t: chunked\r\n", "0\r\n\r\n"), broken(400)},
	{4, "space before the colon of a length", submit("Content-Length : 5\r\n", "hello"), broken(400)},
	{4, "vertical tab before chunked", submit("Transfer-Encoding: \vchunked\r\n", "0\r\n\r\n"), broken(400)},
	{4, "vertical tab after chunked", submit("Transfer-Encoding: chunked\v\r\n", "0\r\n\r\n"), broken(400)},
	{4, "form feed before chunked", submit("Transfer-Encoding: \fchunked\r\n", "0\r\n\r\n"), broken(400)},
	{4, "no-break space before chunked", submit("Transfer-Encoding: \u00a0chunked\r\n", "0\r\n\r\n"), broken(400, 501)},
	{4, "NUL after chunked", submit("Transfer-Encoding: chunked\x00\r\n", "0\r\n\r\n"), broken(400)},
	{4, "tab before chunked, which is allowed", submit("Transfer-Encoding:\tchunked\r\n", "5\r\nhello\r\n0\r\n\r\n"), passed(append(plainChunk, content("hello"))...).or(broken(400))},

	{5, "folded coding", submit("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n"), broken(400)},
	{5, "folded by a tab", submit("Transfer-Encoding:\r\n\tchunked\r\n", "0\r\n\r\n"), broken(400)},
	{5, "folded length", submit("Content-Length:\r\n 5\r\n", "hello"), broken(400)},
	{5, "folded other field", fetch("X-A: 1\r\n X-Forwarded-For: 6.6.6.6\r\n"), broken(400)},
	{5, "folded Host", "GET /@ HTTP/1.1\r\nHost:\r\n a.test\r\n\r\n", broken(400)},
	{5, "fold before the first field", "GET /@ HTTP/1.1\r\n X-A: 1\r\n" + host + "\r\n", broken(400)},

	{6, "underscore in the coding", submit("Transfer_Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"), passed(without("Transfer_Encoding"), without("Transfer-Encoding"), content("0\r\n\r\n")).or(broken(400))},
	{6, "underscore in the length", submit("Content_Length: 3\r\nContent-Length: 5\r\n", "hello"), passed(without("Content_Length"), content("hello")).or(broken(400))},
	{6, "dot in the coding", submit("Transfer.Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"), passed(without("Transfer.Encoding"), content("0\r\n\r\n")).or(broken(400))},

	{7, "plus", submit("Content-Length: +2\r\n", "ab"), broken(400)},
	{7, "minus", submit("Content-Length: -2\r\n", "ab"), broken(400)},
	{7, "empty", submit("Content-Length:\r\n", ""), broken(400)},
	{7, "list", submit("Content-Length: 2, 2\r\n", "ab"), broken(400)},
	{7, "digit separator", submit("Content-Length: 1_0\r\n", "0123456789"), broken(400)},
	{7, "two different", submit("Content-Length: 2\r\nContent-Length: 3\r\n", "abc"), broken(400)},
	{7, "two different, a zero first", submit("Content-Length: 0\r\nContent-Length: 40\r\n", sneaked), broken(400)},
	{7, "hexadecimal", submit("Content-Length: 0x2\r\n", "ab"), broken(400)},
	{7, "exponent", submit("Content-Length: 1e1\r\n", "0123456789"), broken(400)},
	{7, "fraction", submit("Content-Length: 2.0\r\n", "ab"), broken(400)},
	{7, "space within", submit("Content-Length: 1 0\r\n", "0123456789"), broken(400)},
	{7, "vertical tab", submit("Content-Length: \v2\r\n", "ab"), broken(400)},
	{7, "trailing comma", submit("Content-Length: 2,\r\n", "ab"), broken(400)},
	{7, "digits of another script", submit("Content-Length: ٢\r\n", "ab"), broken(400)},
	{7, "beyond 64 bits", submit("Content-Length: 18446744073709551618\r\n", "ab"), broken(400)},
	{7, "beyond 63 bits", submit("Content-Length: 9223372036854775808\r\n", "ab"), broken(400)},
	{7, "bad on a GET", fetch("Content-Length: +0\r\n"), broken(400)},
	{7, "leading zeros", submit("Content-Length: 0005\r\n", "hello"), passed(content("hello")).or(broken(400))},

	{8, "twice the same", submit("Content-Length: 2\r\nContent-Length: 2\r\n", "ab"), passed(content("ab")).or(broken(400))},
	{8, "three times the same", submit("Content-Length: 2\r\ncontent-length: 2\r\nContent-Length: 2\r\n", "ab"), passed(content("ab")).or(broken(400))},

	{10, "size with a prefix", chunks("0x2\r\nab\r\n0\r\n\r\n"), brokenBody(400)},
	{10, "negative size", chunks("-1\r\nab\r\n0\r\n\r\n"), brokenBody(400)},
	{10, "positive sign", chunks("+2\r\nab\r\n0\r\n\r\n"), brokenBody(400)},
	{10, "digit separator", chunks("1_0\r\n0123456789abcdef\r\n0\r\n\r\n"), brokenBody(400)},
	{10, "size beyond 64 bits", chunks("10000000000000002\r\nab\r\n0\r\n\r\n"), brokenBody(400)},
	{10, "size beyond 63 bits", chunks("ffffffffffffffff\r\nab\r\n0\r\n\r\n"), brokenBody(400)},
	{10, "no size", chunks("\r\nab\r\n0\r\n\r\n"), brokenBody(400)},
	{10, "no size but an extension", chunks(";a=b\r\nab\r\n0\r\n\r\n"), brokenBody(400)},
	{10, "not hexadecimal", chunks("g\r\nab\r\n0\r\n\r\n"), brokenBody(400)},
	{10, "bare LF after the size", chunks("2\nab\r\n0\r\n\r\n"), brokenBody(400)},
	{10, "bare LF in an extension", chunks("2;a\nab\r\n0\r\n\r\n"), brokenBody(400)},
	{10, "bare CR in an extension", chunks("2;a\rb\r\nab\r\n0\r\n\r\n"), brokenBody(400)},
	{10, "bare CR after the size", chunks("2\rab\r\n0\r\n\r\n"), brokenBody(400)},
	{10, "space before the size", chunks(" 2\r\nab\r\n0\r\n\r\n"), brokenBody(400)},
	{10, "NUL after the size", chunks("2\x00\r\nab\r\n0\r\n\r\n"), brokenBody(400)},
	{10, "nothing after the data", chunks("2\r\nab0\r\n\r\n"), brokenBody(400)},
	{10, "bare LF after the data", chunks("2\r\nab\n0\r\n\r\n"), brokenBody(400)},
	{10, "bare CR after the data", chunks("2\r\nab\r0\r\n\r\n"), brokenBody(400)},
	{10, "other bytes after the data", chunks("2\r\nabXX0\r\n\r\n"), brokenBody(400)},
	{10, "second size bad", chunks("2\r\nab\r\nzz\r\ncd\r\n0\r\n\r\n"), brokenBody(400)},
	{10, "smuggled behind a bad size", chunks("0x0\r\n\r\n" + sneaked), brokenBody(400)},
	{10, "endless extension", chunks("2;a=" + strings.Repeat("x", 64<<10) + "\r\nab\r\n0\r\n\r\n"), brokenBody(400, 413, 431)},
	{10, "endless zeros", chunks(strings.Repeat("0", 64<<10) + "2\r\nab\r\n0\r\n\r\n"), brokenBody(400, 413, 431)},
	{10, "an extension, which is allowed", chunks("5;a=b\r\nhello\r\n0\r\n\r\n"), passed(append(plainChunk, content("hello"))...).or(brokenBody(400))},
	{10, "size in upper case, which is allowed", chunks("A\r\n0123456789\r\n0\r\n\r\n"), passed(append(plainChunk, content("0123456789"))...)},

	{11, "trailer with a name of ours", submit(chunked+"Trailer: X-Forwarded-For\r\n", "2\r\nab\r\n0\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n"), passed(content("ab"), without("Trailer")).or(brokenBody(400))},
	{11, "trailer with a secret", submit(chunked+"Trailer: X-Edge-Auth\r\n", "2\r\nab\r\n0\r\nX-Edge-Auth: evil\r\n\r\n"), passed(content("ab"), without("X-Edge-Auth")).or(brokenBody(400))},
	{11, "trailer with a length", submit(chunked+"Trailer: Content-Length\r\n", "2\r\nab\r\n0\r\nContent-Length: 9\r\n\r\n"), passed(content("ab"), without("Trailer")).or(brokenBody(400))},
	{11, "trailer with a host", submit(chunked+"Trailer: Host\r\n", "2\r\nab\r\n0\r\nHost: b.test\r\n\r\n"), passed(content("ab"), without("Trailer")).or(brokenBody(400))},
	{11, "trailer with a coding", submit(chunked+"Trailer: Transfer-Encoding\r\n", "2\r\nab\r\n0\r\nTransfer-Encoding: x\r\n\r\n"), passed(content("ab"), without("Trailer")).or(brokenBody(400))},
	{11, "trailer not announced", chunks("2\r\nab\r\n0\r\nX-A: evil\r\n\r\n"), passed(content("ab")).or(brokenBody(400))},
	{11, "trailer that is no field", chunks("2\r\nab\r\n0\r\nGET /smuggled HTTP/1.1\r\n\r\n"), brokenBody(400)},
	{11, "trailer folded", chunks("2\r\nab\r\n0\r\nX-A: 1\r\n X-B: 2\r\n\r\n"), brokenBody(400)},
	{11, "trailer with a bare LF", chunks("2\r\nab\r\n0\r\nX-A: 1\n\r\n"), brokenBody(400)},
	{11, "trailer with a space before the colon", chunks("2\r\nab\r\n0\r\nX-A : 1\r\n\r\n"), brokenBody(400)},
	{11, "endless trailer", chunks("2\r\nab\r\n0\r\n" + strings.Repeat("X-A: 1\r\n", 20_000) + "\r\n"), brokenBody(400, 413, 431)},
	{11, "bare LF ends the trailer", chunks("2\r\nab\r\n0\r\n\n"), brokenBody(400)},

	{12, "everywhere", "GET /@ HTTP/1.1\nHost: a.test\n\n", broken(400)},
	{12, "after the request line", "GET /@ HTTP/1.1\nHost: a.test\r\n\r\n", broken(400)},
	{12, "after a field", fetch("X-A: 1\nX-B: 2\r\n"), broken(400)},
	{12, "at the end of the head", "GET /@ HTTP/1.1\r\nHost: a.test\r\n\n", broken(400)},
	{12, "at the end of the last field", "GET /@ HTTP/1.1\r\nHost: a.test\n\r\n", broken(400)},
	{12, "LF CR", "GET /@ HTTP/1.1\n\rHost: a.test\n\r\n\r", broken(400)},
	{12, "before a coding", submit("X-A: 1\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"), broken(400)},

	{13, "CR in a value", fetch("X-A: 1\rX-B: 2\r\n"), broken(400)},
	{13, "CR at the end of a value", fetch("X-A: 1\r\r\n"), broken(400)},
	{13, "CR for every line end", "GET /@ HTTP/1.1\rHost: a.test\r\r\n\r\n", broken(400)},
	{13, "NUL in a value", fetch("X-A: 1\x002\r\n"), broken(400)},
	{13, "control character in a value", fetch("X-A: 1\x012\r\n"), broken(400)},
	{13, "DEL in a value", fetch("X-A: 1\x7f2\r\n"), broken(400)},
	{13, "no colon", fetch("X-A\r\n"), broken(400)},
	{13, "empty name", fetch(": 1\r\n"), broken(400)},
	{13, "space before the first field", "GET /@ HTTP/1.1\r\n Host: a.test\r\nHost: a.test\r\n\r\n", broken(400)},
	{13, "space in a name", fetch("X A: 1\r\n"), broken(400)},
	{13, "space before a colon", fetch("X-A : 1\r\n"), broken(400)},
	{13, "NUL in a name", fetch("X-A\x00: 1\r\n"), broken(400)},
	{13, "CR in a name", fetch("X-A\rX-B: 1\r\n"), broken(400)},
	{13, "parenthesis in a name", fetch("X(A): 1\r\n"), broken(400)},
	{13, "name that is not ASCII", fetch("Xä: 1\r\n"), broken(400)},
	{13, "NUL in the target", "GET /@\x00 HTTP/1.1\r\n" + host + "\r\n", broken(400)},
	{13, "CR in the target", "GET /@\rX HTTP/1.1\r\n" + host + "\r\n", broken(400)},
	{13, "space in the target", "GET /@ x HTTP/1.1\r\n" + host + "\r\n", broken(400)},
	{13, "two spaces before the version", "GET /@  HTTP/1.1\r\n" + host + "\r\n", broken(400)},
	{13, "two spaces before the target", "GET  /@ HTTP/1.1\r\n" + host + "\r\n", broken(400)},
	{13, "tabs in the request line", "GET\t/@\tHTTP/1.1\r\n" + host + "\r\n", broken(400)},
	{13, "space before the method", " GET /@ HTTP/1.1\r\n" + host + "\r\n", broken(400)},
	{13, "no version", "GET /@\r\n" + host + "\r\n", broken(400, 505)},
	{13, "version in lower case", "GET /@ http/1.1\r\n" + host + "\r\n", broken(400, 505)},
	{13, "version 1.01", "GET /@ HTTP/1.01\r\n" + host + "\r\n", broken(400, 505)},
	{13, "version 1.9, which may be read as 1.1", "GET /@ HTTP/1.9\r\n" + host + "\r\n", passed().or(broken(400, 505))},
	{13, "version 2.0", "GET /@ HTTP/2.0\r\n" + host + "\r\n", broken(400, 505)},
	{13, "version 0.9", "GET /@ HTTP/0.9\r\n" + host + "\r\n", broken(400, 505)},
	{13, "no method", "/@ HTTP/1.1\r\n" + host + "\r\n", broken(400)},
	{13, "no target", "GET HTTP/1.1\r\n" + host + "\r\n", broken(400)},
	{13, "TLS where HTTP is spoken", "\x16\x03\x01\x00\xc4\x01\x00\x00\xc0\x03\x03" + strings.Repeat("x", 185), broken(400, 0)},
	{13, "empty lines before the request, which are allowed", "\r\n\r\nGET /@ HTTP/1.1\r\n" + host + "\r\n", passed().or(broken(400))},
	{13, "endless empty lines", strings.Repeat("\r\n", 32<<10), broken(400, 431, 0)},

	{14, "CONNECT", "CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n" + sneaked, broken(405, 501)},
	{14, "CONNECT to our host", "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n" + sneaked, broken(405, 501)},
	{14, "CONNECT with a path", "CONNECT /@ HTTP/1.1\r\n" + host + "\r\n" + sneaked, broken(400, 405, 501)},
	{14, "CONNECT with a body", "CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\nContent-Length: 5\r\n\r\nhello", broken(400, 405, 501)},
	{15, "preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", broken(400, 505)},
	{15, "preface and frames", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", broken(400, 505)},
	{15, "PRI as HTTP/1.1", "PRI * HTTP/1.1\r\n" + host + "\r\n", broken(400, 405, 501, 505)},

	{17, "h2c", fetch("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"), passed(unupgraded).or(broken(400))},
	{17, "h2c without its settings", fetch("Connection: Upgrade\r\nUpgrade: h2c\r\n"), passed(unupgraded).or(broken(400))},
	{17, "an unknown protocol", fetch("Connection: Upgrade\r\nUpgrade: foo\r\n"), passed(unupgraded).or(broken(400))},
	{17, "TLS", fetch("Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n"), passed(unupgraded).or(broken(400))},
	{17, "websocket and h2c", fetch(strings.Replace(upgrade, "websocket", "websocket, h2c", 1)), passed(unupgraded).or(broken(400))},
	{17, "two protocols in two fields", fetch(upgrade + "Upgrade: h2c\r\n"), passed(unupgraded).or(broken(400))},
	{17, "websocket without a key", fetch("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"), passed(unupgraded).or(broken(400))},
	{17, "websocket with a short key", fetch(strings.Replace(upgrade, "dGhlIHNhbXBsZSBub25jZQ==", "eA==", 1)), passed(unupgraded).or(broken(400))},
	{17, "websocket with a key that is not base64", fetch(strings.Replace(upgrade, "dGhlIHNhbXBsZSBub25jZQ==", "!!!!IHNhbXBsZSBub25jZQ==", 1)), passed(unupgraded).or(broken(400))},
	{17, "websocket with two keys", fetch(upgrade + "Sec-WebSocket-Key: AAAAIHNhbXBsZSBub25jZQ==\r\n"), passed(unupgraded).or(broken(400))},
	{17, "websocket, Connection does not say so", fetch(strings.Replace(upgrade, "Connection: Upgrade", "Connection: keep-alive", 1)), passed(unupgraded).or(broken(400))},
	{17, "websocket by HTTP/1.0", "GET /@ HTTP/1.0\r\n" + host + upgrade + "\r\n", passed(unupgraded).or(broken(400))},
	{17, "websocket by HEAD", "HEAD /@ HTTP/1.1\r\n" + host + upgrade + "\r\n", passed(unupgraded).or(broken(400))},
	{18, "websocket by POST with a body", submit(upgrade+"Content-Length: 40\r\n", sneaked), broken(400)},
	{18, "websocket by POST in chunks", submit(upgrade+chunked, "28\r\n"+sneaked+"\r\n0\r\n\r\n"), broken(400)},
	{18, "h2c by POST with a body", submit("Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 40\r\n", sneaked), broken(400)},
	{18, "websocket by GET with a body", fetch(upgrade+"Content-Length: 40\r\n") + sneaked, passed(unupgraded, content(sneaked)).or(broken(400))},

	{19, "other expectation", submit("Expect: 200-ok\r\nContent-Length: 5\r\n", "hello"), refused(417)},
	{19, "two expectations", submit("Expect: 100-continue, 200-ok\r\nContent-Length: 5\r\n", "hello"), passed(without("Expect")).or(refused(417))},
	{20, "expectation, body sent at once", submit("Expect: 100-continue\r\nContent-Length: 5\r\n", "hello"), passed(without("Expect"), content("hello"))},
	{20, "expectation, chunks sent at once", submit("Expect: 100-continue\r\n"+chunked, "5\r\nhello\r\n0\r\n\r\n"), passed(without("Expect"), content("hello"))},
	{20, "expectation without a body", fetch("Expect: 100-continue\r\n"), passed(without("Expect"), content(""))},
	{20, "expectation by HTTP/1.0", "POST /@ HTTP/1.0\r\n" + host + "Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello", passed(without("Expect"), content("hello")).or(refused(417))},

	{23, "empty Host", "GET /@ HTTP/1.1\r\nHost:\r\n\r\n", broken(400)},
	{23, "blank Host", "GET /@ HTTP/1.1\r\nHost:   \r\n\r\n", broken(400)},
	{23, "no Host", "GET /@ HTTP/1.1\r\nX-A: 1\r\n\r\n", broken(400)},
	{23, "HTTP/1.0 without Host", "GET /@ HTTP/1.0\r\n\r\n", broken(400)},
	{23, "HTTP/1.0 with an empty Host", "GET /@ HTTP/1.0\r\nHost:\r\n\r\n", broken(400)},
	{23, "no Host but a URL", "GET http://a.test/@ HTTP/1.1\r\n\r\n", broken(400)},
	{23, "HTTP/1.0 with a Host, which is fine", "GET /@ HTTP/1.0\r\n" + host + "Connection: keep-alive\r\n\r\n", passed(field("Host", "a.test"))},
	{25, "two Hosts", "GET /@ HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n", broken(400)},
	{25, "the same Host twice", "GET /@ HTTP/1.1\r\nHost: a.test\r\nHost: a.test\r\n\r\n", broken(400)},
	{25, "Host and host", "GET /@ HTTP/1.1\r\nHost: a.test\r\nhost: b.test\r\n\r\n", broken(400)},
	{25, "user in Host", "GET /@ HTTP/1.1\r\nHost: x@a.test\r\n\r\n", refused(400)},
	{25, "path in Host", "GET /@ HTTP/1.1\r\nHost: a.test/x\r\n\r\n", refused(400)},
	{25, "space in Host", "GET /@ HTTP/1.1\r\nHost: a b\r\n\r\n", refused(400)},
}

var targetAttacks = []attack{
	{29, "URL of our other site", "GET http://b.test/@ HTTP/1.1\r\n" + host + "\r\n", passed(field("Host", "b.test"), asked("/@")).or(refused(400, 421))},
	{29, "URL of a stranger", "GET http://evil.test/@ HTTP/1.1\r\n" + host + "\r\n", refused(400, 404, 421)},
	{29, "URL of ours, Host of a stranger", "GET http://a.test/@ HTTP/1.1\r\nHost: evil.test\r\n\r\n", passed(field("Host", "a.test"), asked("/@")).or(refused(400))},
	{29, "gopher", "GET gopher://a.test/@ HTTP/1.1\r\n" + host + "\r\n", refused(400)},
	{29, "file", "GET file:///etc/passwd HTTP/1.1\r\n" + host + "\r\n", refused(400)},
	{29, "no host", "GET http:///@ HTTP/1.1\r\n" + host + "\r\n", refused(400)},
	{29, "user", "GET http://a.test@evil.test/@ HTTP/1.1\r\n" + host + "\r\n", refused(400, 404, 421)},
	{29, "opaque", "GET http:a.test HTTP/1.1\r\n" + host + "\r\n", refused(400)},
	{29, "host without a slash", "GET a.test HTTP/1.1\r\n" + host + "\r\n", refused(400)},
	{29, "asterisk", "GET * HTTP/1.1\r\n" + host + "\r\n", refused(400)},
	{29, "URL without a path", "GET http://a.test HTTP/1.1\r\n" + host + "\r\n", passed(asked("/")).or(refused(400))},
	{29, "URL with a query only", "GET http://a.test?x=@ HTTP/1.1\r\n" + host + "\r\n", passed().or(refused(400))},
	{29, "fragment", "GET /@#x HTTP/1.1\r\n" + host + "\r\n", passed().or(refused(400))},
}

// TestAttackHTTP1 sends each attack whole and cut into single bytes, in the
// clear and over TLS.
func TestAttackHTTP1(t *testing.T) {
	t.Parallel()
	attacks := append(append([]attack{}, framingAttacks...), targetAttacks...)
	t.Logf("%d attacks", len(attacks))
	for name, secure := range map[string]bool{"plain": false, "tls": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := besiege(t, secure, newRecorder(t, nil))
			s := &siege{origin: b.origin, who: identity{"127.0.0.1", scheme(secure)}}
			for _, a := range attacks {
				t.Run(fmt.Sprintf("%d %s", a.row, a.name), func(t *testing.T) { s.attackHTTP1(t, b, a, secure, false) })
				if len(a.send) < 1<<10 {
					t.Run(fmt.Sprintf("%d %s, byte by byte", a.row, a.name), func(t *testing.T) { s.attackHTTP1(t, b, a, secure, true) })
				}
			}
			s.end(t)
		})
	}
}

func scheme(secure bool) string {
	if secure {
		return "https"
	}
	return "http"
}

func (s *siege) attackHTTP1(t *testing.T, b besieged, a attack, secure, cut bool) {
	t.Helper()
	mark, since := s.mark(), s.origin.count()
	send := strings.Replace(a.send, "/@", "/"+mark, 1) + innocent(mark)
	s.judge(t, a.want, mark, since, exchangeHTTP1(b.connect(t, secure), send, cut))
}

// connect opens a connection that speaks HTTP/1.
func (b besieged) connect(t *testing.T, secure bool) net.Conn {
	t.Helper()
	address := strings.TrimPrefix(b.url, "http://")
	if secure {
		address = strings.TrimPrefix(b.https, "https://")
	}
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.(*net.TCPConn).SetNoDelay(true)
	c.SetDeadline(time.Now().Add(3 * time.Second))
	if !secure {
		return c
	}
	return tls.Client(c, &tls.Config{ServerName: "a.test", InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
}

// exchangeHTTP1 sends bytes, at once or one by one, and reads until the
// connection ends.
func exchangeHTTP1(c net.Conn, send string, cut bool) (e exchange) {
	go func() {
		step := len(send)
		if cut {
			step = 1
		}
		for at := 0; at < len(send); at += step {
			if _, err := io.WriteString(c, send[at:at+step]); err != nil {
				return // it was refused before its end
			}
		}
	}()
	got, err := io.ReadAll(c)
	e.closed = !errors.Is(err, os.ErrDeadlineExceeded)
	c.Close()
	e.read(bufio.NewReader(bytes.NewReader(got)), send)
	if len(got) == 0 && e.closed {
		e.reset = true
	}
	return e
}

// read takes the answers to what was sent.
func (e *exchange) read(in *bufio.Reader, sent string) {
	method, _, _ := strings.Cut(sent, " ")
	for {
		if _, err := in.Peek(1); err != nil {
			return
		}
		res, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			e.fault = fmt.Sprintf("answer %d: %v", e.ends+1, err)
			return
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			e.fault = fmt.Sprintf("answer %d is cut: %v", e.ends+1, err)
		}
		if res.StatusCode < 200 && res.StatusCode != http.StatusSwitchingProtocols {
			continue
		}
		method = "GET"
		if e.ends++; e.ends == 1 {
			e.status, e.header, e.last = res.StatusCode, res.Header, res.Close
		}
		if res.StatusCode == http.StatusSwitchingProtocols {
			return // what follows is not HTTP
		}
	}
}
