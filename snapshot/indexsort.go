package snapshot

import (
	"bytes"
	"slices"
)

// sortPart sorts numbers by ID, equal ones by number.
func sortPart(part []uint32, id func(i int) []byte) {
	if len(part) < 2 {
		return
	}
	slices.SortStableFunc(part, func(a, b uint32) int { return bytes.Compare(id(int(a)), id(int(b))) })
}

// The index is cut where an ID says so, so that a file more or less moves no
// other cut.
const (
	minPiece = 192 * recordSize // 7.5 KiB
	maxPiece = 768 * recordSize // 30 KiB
)

// cutIndex cuts records into pieces and calls fn for each.
func cutIndex(records []byte, fn func(piece []byte) error) error {
	for len(records) > 0 {
		n := 0
		for n < len(records) && n < maxPiece {
			last := records[n : n+recordSize]
			n += recordSize
			if n >= minPiece && last[0] == 0 {
				break
			}
		}
		if err := fn(records[:n:n]); err != nil {
			return err
		}
		records = records[n:]
	}
	return nil
}
