package balance

import (
	"context"
	"crypto/tls"
	"net"

	"ctlive/proxy/socket"
)

// dial makes a connection, with TLS for https, for whoever needs one now: the
// request that asked may be gone. Its errors are *connectError.
func (o *origin) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	return o.dialWanted(ctx, ctx, network, addr)
}

// dialPlain makes a connection for package exchange, if it is wanted when its
// turn comes: later, the next request gets it.
func (o *origin) dialPlain(wanted context.Context, network, addr string) (net.Conn, error) {
	c, err := o.dialWanted(context.Background(), wanted, network, addr)
	if err == nil {
		c.(*conn).own = true
	}
	return c, err
}

func (o *origin) dialWanted(ctx, wanted context.Context, network, addr string) (net.Conn, error) {
	turn, over := context.WithTimeout(wanted, connectTimeout)
	defer over()
	if err := o.gate.enter(turn); err != nil {
		return nil, &connectError{err}
	}
	// Its time begins here: the origin is not at fault for how long the gate took.
	limited, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	c, err := o.connect(limited, network, addr)
	o.gate.dialled()
	if err != nil {
		o.gate.leave()
	}
	switch {
	case err == nil:
		o.connected()
		return c, nil
	case ctx.Err() == nil:
		o.refused(addr, err)
	}
	return nil, &connectError{err}
}

// connect closes what it has opened when it fails, but does not tell the gate.
func (o *origin) connect(ctx context.Context, network, addr string) (net.Conn, error) {
	raw, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	c := newConn(socket.New(raw), &o.gate)
	if o.tls == nil {
		return c, nil
	}
	c.secure = true
	secured := tls.Client(c, o.tlsFor(ctx))
	if err := secured.HandshakeContext(ctx); err != nil {
		raw.Close() // not c: the caller leaves the gate
		return nil, err
	}
	c.shared = secured.ConnectionState().NegotiatedProtocol == "h2"
	return secured, nil
}

// tlsFor returns the settings for a connection that the request in ctx needs:
// a WebSocket cannot begin on HTTP/2 (RFC 9113 8.6), so it is not offered there.
func (o *origin) tlsFor(ctx context.Context) *tls.Config {
	config := o.tls.Clone()
	config.NextProtos = []string{"h2", "http/1.1"}
	if a, ok := ctx.Value(attemptKey{}).(*attempt); ok && a.socket {
		config.NextProtos = config.NextProtos[1:]
	}
	return config
}
