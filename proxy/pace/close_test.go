package pace

import "testing"

func TestCloseTwice(t *testing.T) {
	w := New(Limits{})
	w.Close()
	w.Close()
}
