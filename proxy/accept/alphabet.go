package accept

// alphabet is a set of bytes.
type alphabet [256]bool

var (
	token   = letters("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") // RFC 9110 5.6.2
	visible = above(' ')                                                                               // and what is not ASCII: browsers send it in targets
	content = with(visible, " \t")                                                                     // of a field, RFC 9110 5.5
)

func letters(s string) (a alphabet) { return with(a, s) }

func with(a alphabet, s string) alphabet {
	for _, c := range []byte(s) {
		a[c] = true
	}
	return a
}

// above holds every byte greater than low but DEL.
func above(low byte) (a alphabet) {
	for c := int(low) + 1; c < len(a); c++ {
		a[c] = c != 0x7f
	}
	return a
}

func all(b []byte, of *alphabet) bool {
	for _, c := range b {
		if !of[c] {
			return false
		}
	}
	return true
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

// isName reports whether b is name, which is in lower case, in any case.
func isName(b []byte, name string) bool {
	if len(b) != len(name) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != name[i] {
			return false
		}
	}
	return true
}
