package index

import (
	"unsafe"

	"github.com/keepsake-backup/keepsake/repository/format"
)

// record is an entry as it is kept, 48 bytes without a pointer.
type record struct {
	id           format.ID
	offset       uint32
	length       uint32
	uncompressed uint32
	packAndType  uint32 // bit 31: a tree; below: the number of the pack
}

const treeBit = 1 << 31

func newRecord(b *format.Blob, pack uint32) record {
	r := record{id: b.ID, offset: b.Offset, length: b.Length, uncompressed: b.UncompressedLength, packAndType: pack}
	if b.Type == format.TreeBlob {
		r.packAndType |= treeBit
	}
	return r
}

func (r *record) blobType() format.BlobType {
	if r.packAndType&treeBit != 0 {
		return format.TreeBlob
	}
	return format.DataBlob
}

func (r *record) blob() format.Blob {
	return format.Blob{
		BlobHandle:         format.BlobHandle{ID: r.id, Type: r.blobType()},
		Offset:             r.offset,
		Length:             r.length,
		UncompressedLength: r.uncompressed,
	}
}

func (r *record) entry(number uint32) Entry {
	return Entry{Number: number, Pack: r.packAndType &^ treeBit, Blob: r.blob()}
}

// packRecord is a pack. Its entries end where those of the next pack begin.
type packRecord struct {
	id    format.ID
	first uint32 // number of its first entry
}

// chunkSize makes chunks of both kinds of record fill whole pages of 8 KiB.
const chunkSize = 2048

// chunks is a list that only grows, and by pieces: it is never copied, so that
// growing needs no more memory than what is added. A copy of the struct is the
// list as it was: what it holds may be read without a lock.
type chunks[T any] struct {
	list []*[chunkSize]T
	len  int
}

func (c *chunks[T]) at(i int) *T { return &c.list[i/chunkSize][i%chunkSize] }

// add gives the next element to be written.
func (c *chunks[T]) add() *T {
	if c.len == len(c.list)*chunkSize {
		c.list = append(c.list, new([chunkSize]T))
	}
	c.len++
	return c.at(c.len - 1)
}

// memory is in bytes.
func (c *chunks[T]) memory() int64 {
	var chunk [chunkSize]T
	return int64(len(c.list))*int64(unsafe.Sizeof(chunk)) + int64(cap(c.list))*int64(unsafe.Sizeof(&chunk))
}
