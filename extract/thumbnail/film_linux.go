package thumbnail

import (
	"encoding/binary"
	"io"
	"os"
)

// How much of a film is copied: boxes other than its data, and the beginning of that.
const (
	maxBoxes    = 1000
	maxBoxBytes = 64 << 20
	dataBytes   = 24 << 20
)

// copyFilm copies what is needed for the first picture to the same places, and leaves
// holes for the rest.
//
//	box: u32 length, 4 letters; length 1: u64 length follows; length 0: to the end
func copyFilm(to *os.File, f *input) error {
	if err := to.Truncate(f.size); err != nil {
		return none("it has %d bytes: %w", f.size, err)
	}
	at, boxes := int64(0), int64(maxBoxBytes)
	for range maxBoxes {
		if f.size-at < 8 {
			return nil
		}
		head := make([]byte, 16)
		if n, err := f.ReadAt(head, at); n < 8 && err != nil {
			return err
		}
		length := int64(binary.BigEndian.Uint32(head))
		least := int64(8)
		switch length {
		case 0:
			length = f.size - at
		case 1:
			length, least = int64(min(binary.BigEndian.Uint64(head[8:]), 1<<62)), 16
		}
		if length < least {
			return none("one of its boxes has a length of %d", length)
		}
		length = min(length, f.size-at)
		n := length
		switch string(head[4:8]) {
		case "mdat":
			n = min(n, dataBytes)
		case "free", "skip", "wide":
			n = min(n, 16)
		default:
			if boxes -= n; boxes < 0 {
				return none("what is around its data is too large")
			}
		}
		if _, err := io.Copy(io.NewOffsetWriter(to, at), io.NewSectionReader(f, at, n)); err != nil {
			return err
		}
		at += length
	}
	return nil
}
