package format

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// MaxHeader is the largest header of a pack, in bytes (restic-format.md 4).
const MaxHeader = 16 << 20

// The parts of a pack around its blobs, in bytes.
const (
	plainEntry      = 1 + 4 + len(ID{})     // type, sealed length, ID
	compressedEntry = 1 + 4 + 4 + len(ID{}) // type, sealed length, plaintext length, ID
	packTail        = 4                     // the length of the sealed header
)

const compressedBit = 2 // in the type byte; bit 0 is the BlobType

// AppendHeader appends the plaintext of a pack's header to dst. The blobs stand
// in the order in which they lie in the pack, without gaps: offsets are not
// stored. All must be of one type; the caller keeps the result below MaxHeader.
func AppendHeader(dst []byte, blobs []Blob) []byte {
	for i := range blobs {
		b := &blobs[i]
		mustKnow(b.Type)
		if b.Compressed() {
			dst = append(dst, byte(b.Type)|compressedBit)
			dst = binary.LittleEndian.AppendUint32(dst, b.Length)
			dst = binary.LittleEndian.AppendUint32(dst, b.UncompressedLength)
		} else {
			dst = append(dst, byte(b.Type))
			dst = binary.LittleEndian.AppendUint32(dst, b.Length)
		}
		dst = append(dst, b.ID[:]...)
	}
	return dst
}

// mustKnow stops a blob of a type that no reader would know from being stored.
func mustKnow(t BlobType) {
	if t > TreeBlob {
		panic("format: " + t.String())
	}
}

// ErrMixed is the error of ParseHeader for a pack of both data and trees. restic
// made them before version 0.8 and reads them still.
var ErrMixed = errors.New("data and trees in one pack")

// ParseHeader reads the plaintext of a pack's header and computes the offsets.
// It refuses headers that are empty or longer than MaxHeader, types that are
// unknown, sealed blobs shorter than SealOverhead, compressed blobs of no bytes,
// and packs of 4 GiB and more. With ErrMixed it gives the blobs all the same.
func ParseHeader(header []byte) ([]Blob, error) {
	if len(header) == 0 || len(header) > MaxHeader {
		return nil, fmt.Errorf("parse pack header: %d bytes, want 1 to %d", len(header), MaxHeader)
	}
	blobs := make([]Blob, 0, len(header)/plainEntry)
	var offset uint64
	var mixed error
	for rest := header; len(rest) > 0; {
		b, n, err := parseEntry(rest)
		if err == nil && len(blobs) > 0 && b.Type != blobs[0].Type {
			mixed = fmt.Errorf("parse pack header: entry %d: %v blob in a pack of %v blobs: %w", len(blobs), b.Type, blobs[0].Type, ErrMixed)
		}
		if err == nil && offset+uint64(b.Length) > math.MaxUint32 {
			err = fmt.Errorf("blob ends behind 4 GiB")
		}
		if err != nil {
			return nil, fmt.Errorf("parse pack header: entry %d: %w", len(blobs), err)
		}
		b.Offset = uint32(offset)
		offset += uint64(b.Length)
		blobs = append(blobs, b)
		rest = rest[n:]
	}
	return blobs, mixed
}

// parseEntry reads the entry at the beginning of data and gives its size.
func parseEntry(data []byte) (Blob, int, error) {
	kind, size := data[0], plainEntry
	if kind > compressedBit|byte(TreeBlob) {
		return Blob{}, 0, fmt.Errorf("unknown type %d", kind)
	}
	if kind&compressedBit != 0 {
		size = compressedEntry
	}
	if len(data) < size {
		return Blob{}, 0, fmt.Errorf("%d bytes, want %d", len(data), size)
	}
	var b Blob
	b.Type = BlobType(kind &^ compressedBit)
	b.Length = binary.LittleEndian.Uint32(data[1:])
	b.ID = ID(data[size-len(b.ID) : size])
	if kind&compressedBit != 0 {
		b.UncompressedLength = binary.LittleEndian.Uint32(data[5:])
		if b.UncompressedLength == 0 {
			return Blob{}, 0, fmt.Errorf("compressed blob of 0 bytes")
		}
	}
	if b.Length < SealOverhead {
		return Blob{}, 0, fmt.Errorf("sealed blob of %d bytes, want %d or more", b.Length, SealOverhead)
	}
	return b, size, nil
}

// HeaderLength is the size of the header's plaintext, in bytes.
func HeaderLength(blobs []Blob) int {
	n := 0
	for i := range blobs {
		if blobs[i].Compressed() {
			n += compressedEntry
		} else {
			n += plainEntry
		}
	}
	return n
}

// PackSize is the size of the whole pack file in bytes: the sealed blobs, the
// sealed header and the four bytes of its length. Checkers compute it from the
// index and compare (restic-format.md 13).
func PackSize(blobs []Blob) int64 {
	n := int64(HeaderLength(blobs)) + SealOverhead + packTail
	for i := range blobs {
		n += int64(blobs[i].Length)
	}
	return n
}
