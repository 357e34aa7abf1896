package balance

import (
	"io"
	"net"
	"testing"
	"testing/synctest"
)

// What an origin says before it is asked must not become an answer.
func TestUnasked(t *testing.T) { // edge 22
	for _, c := range []struct {
		name string
		ask  bool
		want error
	}{
		{"before the request", false, errUnasked},
		{"after its first byte", true, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours, origins := net.Pipe()
				g := newGate()
				k := newConn(ours, &g)
				defer k.Close()
				got := make(chan error)
				go func() {
					_, err := k.Read(make([]byte, 64))
					got <- err
				}()
				k.lend() // waits for Read
				if c.ask {
					go io.ReadFull(origins, make([]byte, 1))
					k.Write([]byte("G"))
				}
				io.WriteString(origins, "HTTP/1.1 200 OK\r\n\r\n")
				if err := <-got; err != c.want {
					t.Errorf("got %v, want %v", err, c.want)
				}
			})
		})
	}
}

func TestLendDoesNotWaitForAClosedConnection(t *testing.T) {
	ours, _ := net.Pipe()
	g := newGate()
	c := newConn(ours, &g)
	c.Close()
	c.Close()
	c.lend()
	if n := g.open.Load(); n != -1 { // it was not counted when it was opened
		t.Errorf("closing it twice counted %d times", -n)
	}
}
