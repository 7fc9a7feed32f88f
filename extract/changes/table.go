package changes

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/keepsake-backup/keepsake/extract"
)

// digest is of 16 bytes: of two million records no two have the same by chance, and
// nobody finds two on purpose.
type digest [16]byte

// hasher makes digests.
type hasher struct{ buf []byte }

func (h *hasher) key(key string) digest {
	h.buf = append(h.buf[:0], key...)
	return h.sum()
}

// content is of what a person sees of a record.
func (h *hasher) content(table string, row []string) digest {
	h.buf = h.buf[:0]
	for _, s := range append([]string{table}, row...) {
		h.buf = append(binary.AppendUvarint(h.buf, uint64(len(s))), s...)
	}
	return h.sum()
}

func (h *hasher) sum() digest {
	sum := sha256.Sum256(h.buf)
	if cap(h.buf) > 1<<20 {
		h.buf = nil
	}
	return digest(sum[:16])
}

// entry is what is kept of a record of the newer version.
type entry struct {
	key, content digest
	time         int64 // microseconds since 1970; noTime for none
	flags        uint8
}

const (
	isDeleted = 1 << iota
	isVolatile
	hasFiles
	isSeen // it is in the older version too
)

const noTime = -1 << 63

func timeOf(e *extract.Entry) int64 {
	if e.Time.IsZero() {
		return noTime
	}
	return e.Time.UnixMicro()
}

func flagsOf(e *extract.Entry) uint8 {
	var f uint8
	if e.Deleted {
		f |= isDeleted
	}
	if e.Volatile {
		f |= isVolatile
	}
	if len(e.Files) > 0 {
		f |= hasFiles
	}
	return f
}

// table finds entries by their keys: pages of entries that are never moved, and slots
// with their numbers, from 1. It takes 48 bytes for each entry and 8 to 16 for slots.
type table struct {
	pages [][]entry
	n     int
	slots []uint32
}

const pageSize = 16 << 10 // entries

func (t *table) at(i int) *entry { return &t.pages[i/pageSize][i%pageSize] }

// slot is where an entry with a key is, or would be.
func (t *table) slot(key *digest) int {
	mask := len(t.slots) - 1
	i := int(binary.LittleEndian.Uint64(key[:])) & mask
	for t.slots[i] != 0 && t.at(int(t.slots[i])-1).key != *key {
		i = (i + 1) & mask
	}
	return i
}

// add adds an entry, unless there is one with its key.
func (t *table) add(e entry) {
	if 2*(t.n+1) > len(t.slots) {
		t.grow()
	}
	i := t.slot(&e.key)
	if t.slots[i] != 0 {
		return
	}
	if t.n%pageSize == 0 {
		t.pages = append(t.pages, make([]entry, pageSize))
	}
	*t.at(t.n) = e
	t.n++
	t.slots[i] = uint32(t.n)
}

func (t *table) grow() {
	t.slots = make([]uint32, max(1024, 2*len(t.slots)))
	for i := range t.n {
		t.slots[t.slot(&t.at(i).key)] = uint32(i + 1)
	}
}

// find gives the entry with a key; nil when there is none.
func (t *table) find(key digest) *entry {
	if t.n == 0 {
		return nil
	}
	if i := t.slots[t.slot(&key)]; i != 0 {
		return t.at(int(i) - 1)
	}
	return nil
}
