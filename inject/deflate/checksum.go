package deflate

import (
	"hash/adler32"
	"hash/crc32"
)

// crcShifts holds x^(8·v·256^i) modulo the CRC polynomial, for shifts by v·256^i bytes.
var crcShifts = newCRCShifts()

func newCRCShifts() (list [4][256]uint32) {
	step := uint32(1 << 23) // x^8: the highest bit is x^0
	for i := range list {
		list[i][0] = 1 << 31
		for v := 1; v < 256; v++ {
			list[i][v] = crcMultiply(list[i][v-1], step)
		}
		step = crcMultiply(list[i][255], step)
	}
	return list
}

// crcMultiply returns the product of two polynomials over GF(2) modulo the CRC polynomial of RFC 1952 8.
func crcMultiply(a, b uint32) (product uint32) {
	for ; a != 0; a <<= 1 {
		if a>>31 != 0 {
			product ^= b
		}
		b = b>>1 ^ crc32.IEEE&-(b&1)
	}
	return product
}

// crcShift returns what crc becomes by n zero bytes after it, the inversions of RFC 1952 8 left aside.
func crcShift(crc, n uint32) uint32 {
	for i := 0; n != 0; i, n = i+1, n>>8 {
		crc = crcMultiply(crcShifts[i][n&0xff], crc)
	}
	return crc
}

// insertCRC turns the CRC-32 of prefix and rest into that of prefix, markup and rest. The CRC is linear: the rest adds
// the same to both, and what stands before it is shifted by its length.
func insertCRC(crc uint32, prefix, markup []byte, rest uint32) uint32 {
	before := crc32.ChecksumIEEE(prefix)
	return crc ^ crcShift(before^crc32.Update(before, crc32.IEEETable, markup), rest)
}

// insertAdler does the same for the Adler-32 (RFC 1950 9). Its low half sums up the bytes, its high half each byte times
// the number of bytes from it to the end: the prefix moves len(markup) away from the end, the markup lies rest before it.
func insertAdler(sum uint32, prefix, markup []byte, rest int64) uint32 {
	const mod = 65521
	size := uint64(len(markup)) % mod
	p, m := uint64(adler32.Checksum(prefix)), uint64(adler32.Checksum(markup))
	bytes := m&0xffff + mod - 1 // the checksum starts with 1
	a := uint64(sum)&0xffff + bytes
	b := uint64(sum)>>16 + size*(p&0xffff) + m>>16 + mod - size + uint64(rest)%mod*(bytes%mod)
	return uint32(b%mod<<16 | a%mod)
}
