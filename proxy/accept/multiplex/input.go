package multiplex

// input buffers what comes from a connection: as much as is there, so that most
// requests take one read.
type input struct {
	conn Conn
	b    [2 << 10]byte
	r, w int // what has come is b[r:w]
	err  error
}

// Read implements io.Reader.
func (in *input) Read(p []byte) (int, error) {
	if in.r == in.w {
		if in.err != nil {
			return 0, in.err
		}
		if len(p) >= len(in.b) {
			return in.conn.Read(p)
		}
		in.r = 0
		in.w, in.err = in.conn.Read(in.b[:])
		if in.w == 0 {
			return 0, in.err
		}
	}
	n := copy(p, in.b[in.r:in.w])
	in.r += n
	return n, nil
}

// more reports whether anything has come that the socket does not know of any more.
func (in *input) more() bool {
	if in.r < in.w || in.err != nil {
		return true
	}
	in.r = 0
	in.w, in.err = in.conn.Pending(in.b[:])
	return in.w > 0 || in.err != nil
}
