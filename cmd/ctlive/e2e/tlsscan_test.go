package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	wire "encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"regexp"
	"slices"
	"testing"
	"time"
)

const (
	ssl30 = 0x0300 + iota
	tls10
	tls11
	tls12
	tls13
)

// Alerts of RFC 8446, section 6.
const unrecognizedName = 112

// hello is a ClientHello made by hand: what no client library would send. Its
// zero value is a TLS 1.2 one with today's cipher suites.
type hello struct {
	version     uint16   // the highest
	suites      []uint16 //
	compression []byte   // methods
	name        string   // SNI as it stands, "": none
}

// greeting is what a server says to a hello.
type greeting struct {
	alert          byte // 0: none
	version, suite uint16
	compression    byte
	certificate    *x509.Certificate // the leaf; nil with TLS 1.3, which encrypts it
	closed         error             // what came instead of an answer
}

func (g greeting) String() string {
	if g.certificate != nil {
		return fmt.Sprintf("certificate of %s", g.certificate.DNSNames)
	}
	return fmt.Sprintf("alert %d, version %04x, suite %04x, %v", g.alert, g.version, g.suite, g.closed)
}

// modern are the suites that may be chosen: forward secret, authenticated
// encryption (RFC 9325, section 4.2).
var modern = map[uint16][]uint16{
	tls12: {0xc02b, 0xc02c, 0xc02f, 0xc030, 0xcca8, 0xcca9},
	tls13: {0x1301, 0x1302, 0x1303},
}

// greet sends h and reads the answer as far as it is not encrypted.
func greet(t *testing.T, addr string, h hello) greeting {
	t.Helper()
	if h.version == 0 {
		h.version = tls12
	}
	if h.suites == nil {
		h.suites = modern[tls12]
	}
	if h.compression == nil {
		h.compression = []byte{0}
	}
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Write(h.record()); err != nil {
		t.Fatal(err)
	}
	return readGreeting(c)
}

// record returns the hello as the one TLS record it is sent in.
func (h hello) record() []byte {
	random := make([]byte, 64)
	rand.Read(random)
	legacy := min(h.version, tls12)
	body := slices.Concat(
		u16(legacy), random[:32], vector(1, random[32:]), vector(2, u16(h.suites...)), vector(1, h.compression),
	)
	if h.version >= tls10 {
		body = append(body, vector(2, h.extensions())...)
	}
	message := append([]byte{1}, vector(3, body)...)
	return slices.Concat([]byte{22}, u16(min(legacy, tls10)), vector(2, message))
}

func (h hello) extensions() []byte {
	key := make([]byte, 32)
	rand.Read(key) // any 32 bytes are a public key of X25519
	e := slices.Concat(
		extension(10, vector(2, u16(0x1d, 0x17, 0x18, 0x19))), // supported_groups
		extension(11, vector(1, []byte{0})),                   // ec_point_formats
		extension(13, vector(2, u16(0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0201, 0x0203))), // signature_algorithms
	)
	if h.name != "" {
		e = append(e, extension(0, vector(2, append([]byte{0}, vector(2, []byte(h.name))...)))...)
	}
	if h.version >= tls13 {
		e = append(e, extension(43, vector(1, u16(h.version)))...)                       // supported_versions
		e = append(e, extension(51, vector(2, append(u16(0x1d), vector(2, key)...)))...) // key_share
	}
	return e
}

func extension(kind uint16, data []byte) []byte { return append(u16(kind), vector(2, data)...) }

func u16(values ...uint16) (b []byte) {
	for _, v := range values {
		b = wire.BigEndian.AppendUint16(b, v)
	}
	return b
}

// vector puts the length of b, in size bytes, in front of it.
func vector(size int, b []byte) []byte {
	length := wire.BigEndian.AppendUint32(nil, uint32(len(b)))
	return append(length[4-size:], b...)
}

// readGreeting reads records until the certificate is there, or whatever comes in
// its place.
func readGreeting(r io.Reader) (g greeting) {
	var messages []byte
	for {
		var head [5]byte
		if _, g.closed = io.ReadFull(r, head[:]); g.closed != nil {
			return g
		}
		record := make([]byte, wire.BigEndian.Uint16(head[3:]))
		if _, g.closed = io.ReadFull(r, record); g.closed != nil {
			return g
		}
		switch {
		case head[0] == 21 && len(record) == 2:
			g.alert = record[1]
			return g
		case head[0] != 22:
			return g // encrypted from here on
		}
		messages = append(messages, record...)
		for len(messages) >= 4 {
			length := int(wire.BigEndian.Uint32(messages) & 0xffffff)
			if len(messages) < 4+length {
				break
			}
			if done := g.take(messages[0], messages[4:4+length]); done {
				return g
			}
			messages = messages[4+length:]
		}
	}
}

// take notes what a handshake message says and reports whether it was the last of
// interest.
func (g *greeting) take(kind byte, body []byte) (done bool) {
	switch kind {
	case 2: // ServerHello
		session := int(body[34])
		rest := body[35+session:]
		g.version, g.suite, g.compression = wire.BigEndian.Uint16(body), wire.BigEndian.Uint16(rest), rest[2]
		if at := bytes.Index(rest, []byte{0, 43, 0, 2}); at >= 0 { // supported_versions
			g.version = wire.BigEndian.Uint16(rest[at+4:])
		}
		return g.version >= tls13
	case 11: // Certificate: the length of all, that of the first
		g.certificate, g.closed = x509.ParseCertificate(body[6 : 6+int(wire.BigEndian.Uint32(body[2:])&0xffffff)])
		return true
	}
	return false
}

// scanned runs a proxy with an RSA and an ECDSA certificate, which have suites of
// their own.
func scanned(t *testing.T) (addr string) {
	t.Helper()
	_, addr = runOwn(t, map[string]*ownCertificate{
		"rsa.test":   newOwnCertificate(t, "rsa.test", newRSA(t)),
		"ecdsa.test": newOwnCertificate(t, "ecdsa.test", newECDSA(t)),
	})
	return addr
}

// TestTLSScan offers every version and every cipher suite: what is chosen is
// TLS 1.2 with forward secrecy and authenticated encryption, or TLS 1.3.
func TestTLSScan(t *testing.T) {
	t.Parallel()
	addr := scanned(t)
	for _, name := range []string{"rsa.test", "ecdsa.test"} {
		for version := uint16(ssl30); version <= tls13; version++ {
			t.Run(fmt.Sprintf("%s %04x", name, version), func(t *testing.T) {
				chosen := choices(t, addr, hello{name: name, version: version})
				if allowed := modern[version]; len(allowed) == 0 && len(chosen) > 0 || len(allowed) > 0 && len(chosen) == 0 {
					t.Fatalf("%d suites", len(chosen))
				}
				for _, g := range chosen {
					if g.version != version || !slices.Contains(modern[version], g.suite) || g.compression != 0 {
						t.Errorf("%v, compression %d", g, g.compression)
					}
				}
			})
		}
		if g := greet(t, addr, hello{name: name, compression: []byte{1}}); g.alert == 0 { // DEFLATE only
			t.Errorf("%s with compression: %v", name, g)
		}
	}
}

// choices offers all suites that there are numbers for, then all but the one that
// was chosen, until none is.
func choices(t *testing.T, addr string, h hello) (chosen []greeting) {
	t.Helper()
	h.compression = []byte{1, 0}
	if h.version >= tls13 {
		h.compression = []byte{0} // RFC 8446, section 4.1.2
	}
	for _, high := range []uint16{0x00, 0x13, 0xc0, 0xcc, 0xd0} { // those IANA has given out
		for low := range uint16(0x100) {
			if suite := high<<8 | low; suite != 0x00ff && suite != 0x5600 { // signals, not suites
				h.suites = append(h.suites, suite)
			}
		}
	}
	for {
		g := greet(t, addr, h)
		if g.alert != 0 {
			return chosen
		}
		if g.suite == 0 {
			t.Fatalf("neither a suite nor an alert: %v", g)
		}
		chosen = append(chosen, g)
		h.suites = slices.DeleteFunc(h.suites, func(s uint16) bool { return s == g.suite })
	}
}

// scanners are programs that others wrote, with what their reports must and must
// not say, as regular expressions for a line.
var scanners = []struct {
	command   string
	args      func(name, host, port string) []string
	must, not []string
}{
	{
		"sslscan",
		func(name, host, port string) []string {
			return []string{"--no-colour", "--no-check-certificate", "--sni-name=" + name, host + ":" + port}
		},
		[]string{
			`SSLv3 +disabled`, `TLSv1\.0 +disabled`, `TLSv1\.1 +disabled`, `TLSv1\.2 +enabled`, `TLSv1\.3 +enabled`,
			`renegotiation not supported`, `[Cc]ompression (disabled|not supported)|does not support compression`,
			`(Preferred|Accepted) +TLSv1\.2 .*GCM`,
		},
		[]string{`(Preferred|Accepted) +(SSL|TLSv1\.[01])`, `(Preferred|Accepted) .*((AES|CAMELLIA|ARIA)(128|256)-SHA|DES-|RC4|SEED|IDEA|bits +AES)`, `TLSv1\.\d vulnerable`},
	},
	{
		"testssl", // of Debian's package testssl.sh
		func(name, host, port string) []string {
			return []string{"--quiet", "--color", "0", "--warnings", "off", "--ip", host, "-p", "-s", "-R", "-C", "-A", "-L", "-4", name + ":" + port}
		},
		[]string{
			`SSLv2 +not offered`, `SSLv3 +not offered`, `TLS 1 +not offered`, `TLS 1\.1 +not offered`, `TLS 1\.2 +offered`, `TLS 1\.3 +offered`,
			`CBC ciphers .* +not offered`, `Strong encryption .* +offered`, `Client-Initiated Renegotiation +not vulnerable`, `CRIME.* +not vulnerable`,
		},
		[]string{`NOT ok`, ` VULNERABLE`},
	},
}

// TestTLSScanners: they find the same.
func TestTLSScanners(t *testing.T) {
	t.Parallel()
	for _, s := range scanners {
		t.Run(s.command, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(s.command); err != nil {
				t.Skipf("SKIP: %s is not installed", s.command)
			}
			host, port, _ := net.SplitHostPort(scanned(t))
			report := scan(t, s.command, s.args("rsa.test", host, port)...)
			for _, line := range s.must {
				if !regexp.MustCompile(line).MatchString(report) {
					t.Errorf("no %s", line)
				}
			}
			for _, line := range s.not {
				if found := regexp.MustCompile(line).FindString(report); found != "" {
					t.Errorf("%s", found)
				}
			}
			if t.Failed() {
				t.Log(report)
			}
		})
	}
}

// scan runs a scanner to its end, which is a minute at most.
func scan(t *testing.T, command string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, command, args...).CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return string(out)
}
