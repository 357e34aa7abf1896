package deflate

import "math/bits"

const (
	endBlock  = 256
	firstLen  = 257 // symbol of match length 3
	maxLits   = 286 // symbols a dynamic block may define
	maxDists  = 30
	minMatch  = 3
	maxMatch  = 258
	maxWindow = 32 << 10
)

// The symbols (RFC 1951 3.2.5), in the form of entries without a code.
var (
	litEntries   = newLitEntries()
	distEntries  = newDistEntries()
	lengthSymbol = newLengthSymbols() // less firstLen, by length
	codeEntries  = newCodeEntries()   // of the code for code lengths
)

// fixed are the codes of RFC 1951 3.2.6.
var fixed = newFixed()

func newLitEntries() (list [288]entry) {
	for b := range list[:endBlock] {
		list[b] = literal | entry(b)<<16
	}
	list[endBlock] = special | endOfBlock
	base := minMatch
	for i := range 28 {
		extra := max(0, i/4-1)
		list[firstLen+i] = entry(base)<<16 | entry(extra)
		base += 1 << extra
	}
	list[285] = maxMatch << 16
	list[286], list[287] = special, special // have codes in a fixed block, but no meaning
	return list
}

func newDistEntries() (list [32]entry) {
	base := 1
	for i := range maxDists {
		extra := max(0, i/2-1)
		list[i] = entry(base)<<16 | entry(extra)
		base += 1 << extra
	}
	list[30], list[31] = special, special
	return list
}

func newLengthSymbols() (list [maxMatch + 1]uint8) {
	for sym := firstLen; sym < maxLits; sym++ {
		for length := int(litEntries[sym] >> 16 & 0x1ff); length <= maxMatch; length++ {
			list[length] = uint8(sym - firstLen)
		}
	}
	return list
}

func newCodeEntries() (list [19]entry) {
	for i := range list {
		list[i] = entry(i) << 16
	}
	return list
}

// distSymbol returns the symbol of a distance from 1 to 32,768.
func distSymbol(dist int) int {
	if dist <= 4 {
		return dist - 1
	}
	extra := bits.Len(uint(dist-1)) - 2
	return 2*extra + 2 + (dist-1)>>extra&1
}

func newFixed() *codes {
	var lits, dists census
	lits.reset()
	lits.add(0, 144, 8)
	lits.add(144, 112, 9)
	lits.add(256, 24, 7)
	lits.add(280, 8, 8)
	dists.reset()
	dists.add(0, 32, 5)
	c := new(codes)
	if err := c.set(&lits, &dists); err != nil {
		panic(err)
	}
	return c
}
