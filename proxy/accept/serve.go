package accept

import (
	"context"
	"net/http"
	"runtime/debug"
	"time"

	"ctlive/proxy/accept/answer"
	"ctlive/proxy/socket"
)

// A turn is what a connection does without net/http.
//
// net/http reads from a connection between two requests. Inside of that read we
// answer the requests for which it is not needed, and what it gets to see is the
// next one for which it is. What it does for every request (a goroutine that
// watches the connection, buffers of its own, deadlines) costs more than all the
// rest of a short one.
type turn struct {
	base   context.Context // of the connection's requests; nil: net/http does not have it yet
	from   string          // the client's address
	closes bool            // the client wants the connection to end with this request
	over   bool            // it ends

	// Guarded by conn.mu:
	taken    bool // a request is being answered
	answered bool // one has been, and net/http knows of none
	leaving  bool // the connection was to be closed meanwhile
}

// serve answers a plain request.
func (c *conn) serve(r *http.Request) {
	r.TLS, r.RemoteAddr = c.tls, c.turn.from
	c.turn.closes = r.Close
	var body *upload
	if r.ContentLength > 0 {
		body = &upload{conn: c}
		r.Body = body
	}
	c.takeTurn()
	w := answer.New(c, r.Method)
	reusable := c.handle(w, r)
	if body != nil && !body.end() {
		c.turn.closes = true // what is left of it must not be taken for the next request
	}
	if reusable {
		reusable = w.Finish()
	} else {
		w.Abort()
	}
	c.SetWriteDeadline(time.Time{})
	if c.turn.over = c.endTurn() || !reusable || c.turn.closes; !c.turn.over {
		c.next()
	}
}

// handle calls the handler, and reports whether it came to its end. One that ends its
// goroutine (runtime.Goexit) ends the turn with it.
func (c *conn) handle(w http.ResponseWriter, r *http.Request) (done bool) {
	defer func() {
		if cause := recover(); cause != nil && cause != http.ErrAbortHandler {
			c.link.server.log.Error("panic in a handler", "client", c.turn.from, "panic", cause, "stack", string(debug.Stack()))
		}
		c.finish()
		if !done {
			c.breakTurn()
		}
	}()
	c.link.server.handler.ServeHTTP(w, r)
	return true
}

// takeTurn begins a turn, in which no deadline of net/http's is in force.
func (c *conn) takeTurn() {
	c.mu.Lock()
	c.turn.taken, c.turn.answered, c.resting = true, true, c.guard.phase == complete
	c.asked = time.Time{}
	c.setReadLocked()
	c.mu.Unlock()
	c.begin()
}

// breakTurn lets the connection be closed.
func (c *conn) breakTurn() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turn.taken = false
}

// endTurn begins the wait for the next request, and reports whether there will be
// none.
func (c *conn) endTurn() (over bool) {
	s, now := c.link.server, time.Now()
	s.sweeper.pass(now)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turn.taken = false
	c.asked = now.Add(s.patience())
	c.setReadLocked()
	return c.turn.leaving
}

// patience is how long a client may take until its next request. Shutdown dismisses
// nobody a second time.
func (s *Server) patience() time.Duration {
	if s.stopping.Load() {
		return min(idleGrace, s.limits.Idle)
	}
	return s.limits.Idle
}

// yield lets net/http have a request.
func (c *conn) yield() {
	if c.turn.answered {
		c.mu.Lock()
		c.turn.answered = false
		c.mu.Unlock()
	}
}

// leave reports whether a turn is under way, at whose end the connection is
// closed. net/http, which sees an idle one, would close it at once.
func (c *conn) leave() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turn.leaving = c.turn.taken && !c.link.server.killed.Load()
	return c.turn.leaving
}

// abandon ends the request's context in a turn that was to end by itself. net/http,
// which believes the connection closed, no longer can.
func (c *conn) abandon() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.turn.leaving {
		c.cancel()
	}
}

// dismiss ends the wait for the next request, where net/http does not know that
// there was one before it: a new connection is given more time.
func (c *conn) dismiss() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.turn.answered && !c.turn.taken && c.header.IsZero() {
		c.setRealLocked(longAgo)
	}
}

// Last is for answers.
func (c *conn) Last() bool { return c.turn.closes || c.link.server.stopping.Load() }

// Write2 writes an answer, or a part of it. Where that fails the client has gone.
func (c *conn) Write2(p, q []byte) (n int, err error) {
	if tcp, ok := c.Conn.(*socket.Conn); ok {
		n, err = tcp.Write2(p, q)
	} else if n, err = c.Conn.Write(p); err == nil && len(q) > 0 {
		var more int
		more, err = c.Conn.Write(q)
		n += more
	}
	if err != nil {
		c.cancel()
	}
	return n, err
}
