package admit

import (
	"encoding/base64"
	"net/http"
	"strings"
)

// checkUpgrade refuses to guess where the body of an upgrading request ends.
func checkUpgrade(r *http.Request) Fault {
	if len(r.Header["Upgrade"]) > 0 && r.ContentLength != 0 {
		return Fault{http.StatusBadRequest, "upgrade_body"}
	}
	return Fault{}
}

// keepWebSocket removes every other wish for an upgrade. An origin that agreed to
// one would have a connection of which we understand nothing (h2c smuggling).
func keepWebSocket(r *http.Request) {
	if len(r.Header["Upgrade"]) == 0 || isWebSocket(r) {
		return
	}
	delete(r.Header, "Upgrade")
	delete(r.Header, "Http2-Settings")
}

// isWebSocket reports whether r is a handshake by RFC 6455 4.1.
func isWebSocket(r *http.Request) bool {
	return r.Method == http.MethodGet && r.ProtoMajor == 1 && r.ProtoMinor == 1 && r.ContentLength == 0 &&
		is(r.Header["Upgrade"], "websocket") && is(r.Header["Sec-Websocket-Version"], "13") &&
		hasToken(r.Header["Connection"], "upgrade") && hasNonce(r.Header["Sec-Websocket-Key"])
}

// is reports whether a field has one value only, in any case.
func is(field []string, value string) bool {
	return len(field) == 1 && strings.EqualFold(field[0], value)
}

// hasNonce reports whether key is one value of 16 bytes.
func hasNonce(key []string) bool {
	var nonce [18]byte
	if len(key) != 1 || len(key[0]) != 24 {
		return false
	}
	n, err := base64.StdEncoding.Decode(nonce[:], []byte(key[0]))
	return err == nil && n == 16
}
