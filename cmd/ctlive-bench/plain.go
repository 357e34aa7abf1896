package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
)

// plain is a browser over HTTP/1.1. It takes what the servers of a comparison send, and costs little.
type plain struct {
	net.Conn
	in     *bufio.Reader
	fields string // of the request
	out    []byte
}

func newPlain(conn net.Conn, coding string) *plain {
	var b strings.Builder
	b.WriteString(" HTTP/1.1\r\nhost: " + benchHost + "\r\n")
	for _, f := range navigationFields(coding) {
		b.WriteString(f.name + ": " + f.value + "\r\n")
	}
	b.WriteString("\r\n")
	return &plain{Conn: conn, in: newBuffered(conn), fields: b.String()}
}

func (p *plain) get(path string, body io.Writer) (answerHead, error) {
	p.out = append(append(append(p.out[:0], "GET "...), path...), p.fields...)
	if _, err := p.Write(p.out); err != nil {
		return answerHead{}, err
	}
	head, length, err := p.readHead()
	if err != nil {
		return head, err
	}
	if length >= 0 {
		_, err = io.CopyN(body, p.in, length)
		return head, err
	}
	return head, p.readChunks(body)
}

// readHead reads a head. The length is -1 for a chunked body.
func (p *plain) readHead() (head answerHead, length int64, err error) {
	line, err := p.in.ReadSlice('\n')
	if err != nil {
		return head, 0, err
	}
	if !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) || len(line) < len("HTTP/1.1 200") {
		return head, 0, fmt.Errorf("not a response of HTTP/1.1: %.80q", line)
	}
	head.coding, length = "identity", -2
	if head.status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return head, 0, err
	}
	for {
		if line, err = p.in.ReadSlice('\n'); err != nil {
			return head, 0, err
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case len(bytes.TrimSpace(line)) == 0:
			if length == -2 {
				err = errors.New("an answer without a length")
			}
			return head, length, err
		case bytes.EqualFold(name, []byte("Content-Encoding")):
			head.coding = string(value)
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			length = -1
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.ParseInt(string(value), 10, 63); err != nil {
				return head, 0, err
			}
		}
	}
}

// readChunks reads a chunked body without trailers.
func (p *plain) readChunks(body io.Writer) error {
	for {
		line, err := p.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		size, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 16, 63)
		if err != nil {
			return fmt.Errorf("size of a chunk: %w", err)
		}
		if _, err := io.CopyN(body, p.in, size); err != nil {
			return err
		}
		if _, err := p.in.Discard(len("\r\n")); err != nil {
			return err
		}
		if size == 0 {
			return nil
		}
	}
}
