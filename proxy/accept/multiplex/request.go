package multiplex

import (
	"context"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
	"golang.org/x/net/http2/hpack"
)

// newStream returns the stream that a section opens, nil if the request is malformed,
// RFC 9113 8.1.1. Its fields have been checked one by one. Ended is set if there is no body.
func (c *conn) newStream(id uint32, ended bool) *stream {
	st := &stream{conn: c, id: id, ended: ended, inbound: inbound{left: streamReceive, size: streamReceive}}
	st.life.stream = st
	st.life.Context, st.cancel = context.WithCancel(context.Background())
	r := &st.request
	*r = *r.WithContext(&st.life)
	if !c.section.fill(r, c.peer) {
		st.cancel()
		return nil
	}
	st.refused = refusal(r.Header, c.section.truncated)
	st.response.stream, st.response.left, st.response.head = st, -1, r.Method == http.MethodHead
	if !st.ended {
		r.ContentLength = declared(r.Header)
		st.body = newBody(st, r.ContentLength)
		st.body.announced = r.Trailer != nil
		r.Body = st.body
	}
	if takeExpect(r.Header) && st.body != nil {
		st.body.expects = true
	}
	return st
}

// refusal returns the status for fields that no request may have, RFC 9113 8.2.2, or
// that are not all there; otherwise 0.
func refusal(h http.Header, truncated bool) (status int) {
	if truncated {
		return http.StatusRequestHeaderFieldsTooLarge
	}
	for _, name := range ofConnection {
		if _, ok := h[name]; ok {
			return http.StatusBadRequest
		}
	}
	if te := h["Te"]; len(te) > 1 || len(te) == 1 && te[0] != "trailers" && te[0] != "" {
		return http.StatusBadRequest
	}
	return 0
}

// fill makes r what net/http would make of the fields, and reports whether they are a
// request.
func (s *section) fill(r *http.Request, p Peer) bool {
	r.Proto, r.ProtoMajor, r.Header = "HTTP/2.0", 2, make(http.Header, len(s.all))
	r.RemoteAddr, r.Body = p.RemoteAddr, http.NoBody
	var scheme, path string
	for _, f := range s.all[:s.pseudo] {
		switch f.Name {
		case ":method":
			r.Method = f.Value
		case ":scheme":
			scheme = f.Value
		case ":path":
			path = f.Value
		case ":authority":
			r.Host = f.Value
		default: // also :protocol, which we do not offer, RFC 8441 3
			return false
		}
	}
	if scheme == "https" {
		r.TLS = p.TLS
	}
	addFields(r.Header, s.regular())
	if !setHost(r, scheme) || !setTarget(r, scheme, path) {
		return false
	}
	r.Trailer = announced(r.Header)
	return true
}

func addFields(h http.Header, all []hpack.HeaderField) {
	values := make([]string, len(all))
	for i, f := range all {
		name := canonical(f)
		if before, ok := h[name]; ok {
			h[name] = append(before, f.Value)
			continue
		}
		values[i] = f.Value
		h[name] = values[i : i+1 : i+1]
	}
	if crumbs := h["Cookie"]; len(crumbs) > 1 { // RFC 9113 8.2.3
		h["Cookie"] = []string{strings.Join(crumbs, "; ")}
	}
}

// setHost reports whether there is one valid authority at most, RFC 9113 8.3.1.
func setHost(r *http.Request, scheme string) bool {
	switch host := r.Header["Host"]; {
	case len(host) > 1:
		return false
	case len(host) == 1 && r.Host != "" && host[0] != r.Host:
		return false
	case len(host) == 1:
		r.Host = host[0]
		delete(r.Header, "Host")
	}
	if strings.Contains(r.Host, "@") && (scheme == "http" || scheme == "https") {
		return false
	}
	return r.Host == "" || httpguts.ValidHostHeader(r.Host)
}

// setTarget reports whether there is a valid target.
func setTarget(r *http.Request, scheme, path string) bool {
	if r.Method == http.MethodConnect {
		r.URL, r.RequestURI = &url.URL{Host: r.Host}, r.Host
		return path == "" && scheme == "" && r.Host != ""
	}
	if r.Method == "" || path == "" || path[0] != '/' && path != "*" || scheme != "http" && scheme != "https" {
		return false
	}
	var err error
	r.URL, err = url.ParseRequestURI(path)
	r.RequestURI = path
	return err == nil
}

// announced takes from h the names of the fields that are to follow the body.
func announced(h http.Header) (t http.Header) {
	for _, list := range h["Trailer"] {
		for name := range strings.SplitSeq(list, ",") {
			switch name = textproto.CanonicalMIMEHeaderKey(textproto.TrimString(name)); name {
			case "Transfer-Encoding", "Trailer", "Content-Length":
			default:
				if t == nil {
					t = make(http.Header)
				}
				t[name] = nil
			}
		}
	}
	delete(h, "Trailer")
	return t
}

// takeExpect reports whether the client waits for our word before it sends the body.
func takeExpect(h http.Header) bool {
	if !httpguts.HeaderValuesContainsToken(h["Expect"], "100-continue") {
		return false
	}
	delete(h, "Expect")
	return true
}

// declared returns what Content-Length says; -1: nothing, 0: nonsense.
func declared(h http.Header) int64 {
	values := h["Content-Length"]
	if len(values) == 0 {
		return -1
	}
	n, err := strconv.ParseUint(values[0], 10, 63)
	if err != nil {
		return 0
	}
	return int64(n)
}
