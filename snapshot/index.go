package snapshot

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"

	"github.com/keepsake-backup/keepsake/itunesbackup"
)

// Entry is what the index knows of a stored file.
type Entry struct {
	ID      itunesbackup.FileID
	Stored  int64 // bytes in the iTunes folder
	ModTime int64 // Unix seconds

	// seal is the beginning of a hash of the file's wrapped key and digest: if it
	// is another one, so is the stored content.
	seal seal
}

type seal [8]byte

// sealOf hashes what decides about a file's stored bytes, as far as the phone's
// list tells.
func sealOf(wrappedKey, digest []byte) (s seal) {
	if wrappedKey == nil && digest == nil {
		return s
	}
	var buf [128]byte
	b := append(buf[:0], byte(len(wrappedKey)))
	b = append(append(b, wrappedKey...), digest...)
	sum := sha256.Sum256(b)
	copy(s[:], sum[:])
	return s
}

const (
	recordSize = 40

	// maxStored and the bounds of times are what 48 and 48 bits hold.
	maxStored  = 1<<48 - 1
	maxModTime = 1<<47 - 1
	minModTime = -1 << 47
)

// appendRecord encodes an entry:
//
//	 0  20  file ID
//	20   6  bytes in the iTunes folder, big-endian
//	26   6  time, Unix seconds, big-endian two's complement
//	32   8  seal
func appendRecord(dst []byte, e Entry) []byte {
	dst = append(dst, e.ID[:]...)
	dst = append48(dst, uint64(e.Stored))
	dst = append48(dst, uint64(e.ModTime))
	return append(dst, e.seal[:]...)
}

func append48(dst []byte, v uint64) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(v>>32))
	return binary.BigEndian.AppendUint32(dst, uint32(v))
}

func read48(b []byte) uint64 {
	return uint64(binary.BigEndian.Uint16(b))<<32 | uint64(binary.BigEndian.Uint32(b[2:]))
}

func decodeRecord(b []byte) (e Entry) {
	copy(e.ID[:], b)
	e.Stored = int64(read48(b[20:]))
	e.ModTime = int64(read48(b[26:])<<16) >> 16 // the sign
	copy(e.seal[:], b[32:])
	return e
}

// Index knows every file of the iTunes folder: what a phone is shown, without a
// look at the phone's own list. It keeps 44 bytes a file and can be used
// concurrently.
type Index struct {
	records []byte   // in the order of the tree
	byID    []uint32 // places in records
}

// newIndex takes over records.
func newIndex(records []byte) (*Index, error) {
	if len(records)%recordSize != 0 {
		return nil, fmt.Errorf("%d bytes are no whole number of records", len(records))
	}
	if int64(len(records)) > maxIndex {
		return nil, fmt.Errorf("%d bytes, more than %d", len(records), int64(maxIndex))
	}
	x := &Index{records: records}
	n := len(records) / recordSize
	x.byID = sortByID(n, func(i int) []byte { return records[i*recordSize:][:20] })
	for i := 1; i < n; i++ {
		if bytes.Equal(x.id(i-1), x.id(i)) {
			return nil, errors.New("a file is there twice")
		}
	}
	return x, nil
}

// maxIndex bounds the index: 50 million files, a hundred times a large phone's.
const maxIndex = 50_000_000 * recordSize

// id is the ID of the i-th record by ID.
func (x *Index) id(i int) []byte { return x.records[int(x.byID[i])*recordSize:][:20] }

// Len is the number of files.
func (x *Index) Len() int { return len(x.byID) }

// Get finds a file.
func (x *Index) Get(id itunesbackup.FileID) (Entry, bool) {
	at, ok := x.find(id)
	if !ok {
		return Entry{}, false
	}
	return x.at(at), true
}

// find gives the place of a file in the order of the tree.
func (x *Index) find(id itunesbackup.FileID) (int, bool) {
	lo := x.firstOf(id[:])
	if lo == len(x.byID) || !bytes.Equal(x.id(lo), id[:]) {
		return 0, false
	}
	return int(x.byID[lo]), true
}

// firstOf gives the first place by ID of an ID that is not below prefix.
func (x *Index) firstOf(prefix []byte) int {
	lo, hi := 0, len(x.byID)
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		if bytes.Compare(x.id(mid), prefix) < 0 {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// at decodes the record at a place in the order of the tree.
func (x *Index) at(i int) Entry { return decodeRecord(x.records[i*recordSize:]) }

// All gives every file, in the order of their IDs.
func (x *Index) All() iter.Seq[Entry] { return x.between(0, x.Len()) }

func (x *Index) between(from, to int) iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for i := from; i < to; i++ {
			if !yield(x.at(int(x.byID[i]))) {
				return
			}
		}
	}
}

// Shard gives the files of a folder of the iTunes folder, those whose IDs begin
// with that byte, in the order of their IDs.
func (x *Index) Shard(first byte) iter.Seq[Entry] { return x.between(x.shard(first)) }

func (x *Index) shard(first byte) (from, to int) {
	to = x.Len()
	if first < 0xFF {
		to = x.firstOf([]byte{first + 1})
	}
	return x.firstOf([]byte{first}), to
}

// sortByID sorts the numbers up to n by the 20 bytes that id gives for them.
// IDs are hashes, so their first two bytes spread them evenly.
func sortByID(n int, id func(i int) []byte) []uint32 {
	var starts [1<<16 + 1]uint32
	bucket := func(i int) int { return int(binary.BigEndian.Uint16(id(i))) }
	for i := range n {
		starts[bucket(i)+1]++
	}
	for i := 1; i < len(starts); i++ {
		starts[i] += starts[i-1]
	}
	sorted, next := make([]uint32, n), starts
	for i := range n {
		b := bucket(i)
		sorted[next[b]] = uint32(i)
		next[b]++
	}
	for b := range len(starts) - 1 {
		part := sorted[starts[b]:starts[b+1]]
		sortPart(part, id)
	}
	return sorted
}

// Records gives the bytes of the index, in the order of the tree; see the package
// comment. They must not be changed.
func (x *Index) Records() []byte { return x.records }
