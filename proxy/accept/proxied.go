package accept

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/pires/go-proxyproto"
)

const (
	maxProxyV1 = 107     // bytes, by the specification
	maxProxyV2 = 4 << 10 // bytes: addresses take 36, the rest is room for a client certificate's names
)

// signatureV2 is what a PROXY header of version 2 starts with.
var signatureV2 = []byte("\r\n\r\n\x00\r\nQUIT\n")

// readProxyHeader takes the PROXY header from the connection, and with it the
// client's address. A proxy that speaks for itself, in a health check, stays
// the client: named is false then.
func (l *link) readProxyHeader() (named bool, err error) {
	l.Conn.SetReadDeadline(time.Now().Add(l.server.limits.ProxyHeader))
	defer l.Conn.SetReadDeadline(time.Time{})
	raw, err := proxyHeader(l.Conn)
	if err != nil {
		return false, fmt.Errorf("read PROXY header: %w", err)
	}
	h, err := proxyproto.Read(bufio.NewReader(bytes.NewReader(raw)))
	if err != nil {
		return false, fmt.Errorf("parse PROXY header: %w", err)
	}
	if source, ok := h.SourceAddr.(*net.TCPAddr); ok && !h.Command.IsLocal() {
		l.remote = source
		return true, nil
	}
	return false, nil
}

// proxyHeader reads a PROXY header and not a byte behind it.
func proxyHeader(r io.Reader) ([]byte, error) {
	b := make([]byte, len(signatureV2), maxProxyV1)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, err
	}
	switch {
	case bytes.Equal(b, signatureV2):
		return proxyV2(r, b)
	case bytes.HasPrefix(b, []byte("PROXY ")):
		return proxyV1(r, b)
	}
	return nil, errors.New("there is none")
}

func proxyV1(r io.Reader, b []byte) ([]byte, error) {
	for !bytes.HasSuffix(b, []byte("\r\n")) {
		if len(b) == maxProxyV1 {
			return nil, errors.New("longer than version 1 allows")
		}
		b = b[:len(b)+1]
		if _, err := io.ReadFull(r, b[len(b)-1:]); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func proxyV2(r io.Reader, b []byte) ([]byte, error) {
	b = append(b, 0, 0, 0, 0)
	if _, err := io.ReadFull(r, b[len(signatureV2):]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(b[len(b)-2:]))
	if n > maxProxyV2 {
		return nil, fmt.Errorf("%d bytes long", n)
	}
	b = append(b, make([]byte, n)...)
	_, err := io.ReadFull(r, b[len(b)-n:])
	return b, err
}
