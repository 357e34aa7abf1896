package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// target is what the generator asks for: a page in one coding.
type target struct {
	Addr   string `json:"addr"`
	TLS    bool   `json:"tls"` // with HTTP/2, otherwise HTTP/1.1
	Path   string `json:"path"`
	Coding string `json:"coding"`
}

// field is a header field, its name in lower case.
type field struct{ name, value string }

// navigationFields are what a browser sends when a visitor opens a page, but for one coding only.
func navigationFields(coding string) []field {
	return []field{
		{"user-agent", userAgent},
		{"accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"},
		{"accept-encoding", coding},
		{"accept-language", "en-IE,en;q=0.9"},
		{"upgrade-insecure-requests", "1"},
		{"sec-fetch-dest", "document"},
		{"sec-fetch-mode", "navigate"},
		{"sec-fetch-site", "none"},
		{"sec-fetch-user", "?1"},
	}
}

// answerHead is what the generator looks at in the head of an answer.
type answerHead struct {
	status int
	coding string // "identity" if the field is missing
}

// check returns an error unless the answer is a page in the coding that was asked for.
func (a answerHead) check(coding string) error {
	if a.status != 200 || a.coding != coding {
		return fmt.Errorf("status %d in %s, want 200 in %s", a.status, a.coding, coding)
	}
	return nil
}

// browser is a visitor's connection, which has one request under way.
type browser interface {
	// get asks for path and writes the body, as it came, to body; it goes on until its end.
	get(path string, body io.Writer) (answerHead, error)
	Close() error
}

// dial connects as visitor number i: each has an address of its own, as how many connections an
// address may have can be limited. The connection ends with ctx at the latest. A receive buffer that
// is not 0 bounds what the kernel takes in ahead of the reader.
func (t target) dial(ctx context.Context, i, receiveBuffer int) (browser, error) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 1, byte(i>>8), byte(i))}, Timeout: answerTime, Control: smallBuffer(receiveBuffer)}
	conn, err := dialer.DialContext(ctx, "tcp", t.Addr)
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(jobTime)); err != nil {
		return nil, err
	}
	if !t.TLS {
		return newPlain(conn, t.Coding), nil
	}
	secure := tls.Client(conn, &tls.Config{ServerName: benchHost, NextProtos: []string{"h2"}, InsecureSkipVerify: true}) // self-signed, on loopback
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, fmt.Errorf("TLS: %w", err)
	}
	if got := secure.ConnectionState().NegotiatedProtocol; got != "h2" {
		conn.Close()
		return nil, fmt.Errorf("protocol %q in place of h2", got)
	}
	return newMultiplexed(secure, t.Coding)
}

const readBuffer = 64 << 10

func newBuffered(conn net.Conn) *bufio.Reader { return bufio.NewReaderSize(conn, readBuffer) }

// smallBuffer limits the receive buffer of a connection before it is made, unless bytes is 0.
func smallBuffer(bytes int) func(network, address string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) (err error) {
		if bytes == 0 {
			return nil
		}
		control := c.Control(func(fd uintptr) {
			err = os.NewSyscallError("setsockopt", syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, bytes))
		})
		return errors.Join(control, err)
	}
}
