package format

import "encoding/binary"

// decodeID reads 64 lower-case hexadecimal digits at the beginning of src, eight
// at a time: an index has one ID for each blob, and they are half of its bytes.
// It reports false if src is too short or holds anything else.
func decodeID(dst *ID, src []byte) bool {
	if len(src) < 2*len(dst) {
		return false
	}
	src = src[:2*len(dst)]
	var wrong uint64
	for i := 0; i < len(dst); i += 4 {
		v, bad := decodeHex8(binary.LittleEndian.Uint64(src[2*i:]))
		wrong |= bad
		binary.LittleEndian.PutUint32(dst[i:], v)
	}
	return wrong == 0
}

const everyByte = 0x0101010101010101

// decodeHex8 turns the eight digits in x, the first in the lowest byte, into
// four bytes. The second result is not zero if one of them is no digit.
func decodeHex8(x uint64) (uint32, uint64) {
	letters := x >> 6 & everyByte // bit 6 tells a…f (0x61…) from 0…9 (0x30…)
	n := x&(0x0f*everyByte) + 9*letters
	// Writing the digits again must give the same text; this finds everything
	// that is not a digit, except a value of 16 and more.
	above9 := (n + 6*everyByte) >> 4 & everyByte
	bad := (n + 0x30*everyByte + 0x27*above9) ^ x | n&(0xf0*everyByte)
	n = n<<4 | n>>8 // now the bytes 0, 2, 4 and 6 hold both halves
	n &= 0x00ff00ff00ff00ff
	n = (n | n>>8) & 0x0000ffff0000ffff
	return uint32(n | n>>16), bad
}
