package index

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"sync"
	"unsafe"

	"github.com/keepsake-backup/keepsake/repository/format"
)

// Index knows every blob of a repository and the pack it lies in. Any number of
// goroutines may use it at once; AddPack is the only method that writes. What is
// added stays: entries and packs are never changed or removed, and their numbers
// never change.
type Index struct {
	mu      sync.RWMutex // guards all of it; what chunks hold is never changed
	records chunks[record]
	packs   chunks[packRecord]
	byBlob  table
	byPack  table
	limit   uint64 // of entries

	scratch []format.Blob // for AddPack
}

// maxEntries leaves two numbers free for the use of others as marks.
const maxEntries = math.MaxUint32 - 1

// maxPacks is bounded by the bits that a record has for the number of its pack.
const maxPacks = 1 << 31

// New gives an empty index.
func New() *Index {
	return &Index{byBlob: newTable(), byPack: newTable(), limit: maxEntries}
}

// Entry is a blob in a pack. A blob that lies in several packs has several.
type Entry struct {
	Number uint32 // of the entry: 0 for the first one added
	Pack   uint32 // number of the pack, for PackID and PackBlobs
	format.Blob
}

// AddPack adds a pack and all its blobs. The entries get the next numbers, in the
// order of their offsets. The same pack once more is nothing new if it has the same
// blobs, in any order, and an error that names the pack if not. blobs is neither
// changed nor kept. Either all of the pack is added or, with an error, nothing.
func (x *Index) AddPack(pack format.ID, blobs []format.Blob) error {
	if err := checkBlobs(blobs); err != nil {
		return fmt.Errorf("add pack %v: %w", pack, err)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	blobs = x.sorted(blobs)
	if n, ok := x.findPack(&pack); ok {
		if !x.samePack(n, blobs) {
			return fmt.Errorf("add pack %v: %w", pack, ErrConflict)
		}
		return nil
	}
	first, number := x.records.len, x.packs.len
	switch {
	case uint64(first)+uint64(len(blobs)) > x.limit:
		return fmt.Errorf("add pack %v: the index is full: %d blobs", pack, first)
	case uint64(number) >= maxPacks:
		return fmt.Errorf("add pack %v: the index is full: %d packs", pack, number)
	}
	x.reserve(first + len(blobs))
	if !x.byPack.fits(number + 1) {
		x.growPacks(number + 1)
	}
	*x.packs.add() = packRecord{id: pack, first: uint32(first)}
	x.byPack.insert(x.byPack.hash(&pack), uint32(number))
	for i := range blobs {
		*x.records.add() = newRecord(&blobs[i], uint32(number))
	}
	x.insert(first)
	return nil
}

// ErrConflict is what AddPack returns for a pack that is there with other blobs.
var ErrConflict = errors.New("two indexes disagree about its blobs")

// checkBlobs refuses what no pack can hold.
func checkBlobs(blobs []format.Blob) error {
	for i := range blobs {
		b := &blobs[i]
		switch {
		case b.Type != format.DataBlob && b.Type != format.TreeBlob:
			return fmt.Errorf("blob %v: unknown %v", b.ID, b.Type)
		case b.Length < format.SealOverhead:
			return fmt.Errorf("%v: %d bytes are fewer than the %d of an empty one", b.BlobHandle, b.Length, format.SealOverhead)
		case b.Length > math.MaxUint32-b.Offset:
			return fmt.Errorf("%v: %d bytes at %d end beyond 4 GiB", b.BlobHandle, b.Length, b.Offset)
		}
	}
	return nil
}

// sorted gives blobs in the order of their offsets: restic writes them into its
// indexes in any order. The result is only good while the lock is held.
func (x *Index) sorted(blobs []format.Blob) []format.Blob {
	byOffset := func(a, b format.Blob) int { return cmp.Compare(a.Offset, b.Offset) }
	if slices.IsSortedFunc(blobs, byOffset) {
		return blobs
	}
	x.scratch = append(x.scratch[:0], blobs...)
	slices.SortStableFunc(x.scratch, byOffset)
	return x.scratch
}

func (x *Index) samePack(n uint32, blobs []format.Blob) bool {
	first, end := x.packRange(n)
	if end-first != len(blobs) {
		return false
	}
	for i := range blobs {
		if x.records.at(first+i).blob() != blobs[i] {
			return false
		}
	}
	return true
}

// Reserve makes room for blobs more entries in the hash table, so that it need not
// grow while they are added. It is only about speed.
func (x *Index) Reserve(blobs int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.reserve(x.records.len + max(blobs, 0))
}

func (x *Index) reserve(n int) {
	if x.byBlob.fits(n) {
		return
	}
	x.byBlob.grow(n)
	x.insert(0)
}

// insert puts the records from first on into the table.
func (x *Index) insert(first int) {
	var hashes [batch]uint64
	for at := first; at < x.records.len; at += batch {
		part := hashes[:min(batch, x.records.len-at)]
		for i := range part {
			part[i] = x.byBlob.hash(&x.records.at(at + i).id)
		}
		x.byBlob.insertAll(part, uint32(at))
	}
}

func (x *Index) growPacks(n int) {
	x.byPack.grow(n)
	for i := range x.packs.len {
		x.byPack.insert(x.byPack.hash(&x.packs.at(i).id), uint32(i))
	}
}

// Lookup gives the entry of a blob, the first one added if there are several.
func (x *Index) Lookup(h format.BlobHandle) (Entry, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for p := x.byBlob.find(x.byBlob.hash(&h.ID)); ; {
		n, ok := p.next()
		if !ok {
			return Entry{}, false
		}
		if r := x.records.at(int(n)); r.id == h.ID && r.blobType() == h.Type {
			return r.entry(n), true
		}
	}
}

// LookupAll calls fn for every entry of a blob in the order they were added, until
// fn returns false. fn may use the index.
func (x *Index) LookupAll(h format.BlobHandle, fn func(Entry) bool) {
	var few [4]Entry
	for _, e := range x.appendEntries(few[:0], h) {
		if !fn(e) {
			return
		}
	}
}

func (x *Index) appendEntries(dst []Entry, h format.BlobHandle) []Entry {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for p := x.byBlob.find(x.byBlob.hash(&h.ID)); ; {
		n, ok := p.next()
		if !ok {
			return dst
		}
		if r := x.records.at(int(n)); r.id == h.ID && r.blobType() == h.Type {
			dst = append(dst, r.entry(n))
		}
	}
}

// Len is the number of entries, with duplicates: their numbers are below it.
func (x *Index) Len() int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.records.len
}

// PackCount is the number of packs: their numbers are below it.
func (x *Index) PackCount() int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.packs.len
}

// Entry gives the entry of a number below Len. Other numbers panic.
func (x *Index) Entry(n uint32) Entry {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if uint64(n) >= uint64(x.records.len) {
		panic(fmt.Sprintf("index: no entry %d among %d", n, x.records.len))
	}
	return x.records.at(int(n)).entry(n)
}

// PackID gives the name of the pack of a number below PackCount. Other numbers
// panic.
func (x *Index) PackID(n uint32) format.ID {
	x.mu.RLock()
	defer x.mu.RUnlock()
	x.mustPack(n)
	return x.packs.at(int(n)).id
}

// FindPack gives the number of a pack.
func (x *Index) FindPack(id format.ID) (uint32, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.findPack(&id)
}

func (x *Index) findPack(id *format.ID) (uint32, bool) {
	for p := x.byPack.find(x.byPack.hash(id)); ; {
		n, ok := p.next()
		if !ok || x.packs.at(int(n)).id == *id {
			return n, ok
		}
	}
}

// PackBlobs gives the entries of the pack of a number below PackCount, in the
// order of their offsets. Other numbers panic. The index may be used, also added
// to, between the steps.
func (x *Index) PackBlobs(n uint32) iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		records, first, end := x.packRecords(n)
		for i := first; i < end; i++ {
			if !yield(records.at(i).entry(uint32(i))) {
				return
			}
		}
	}
}

// packRecords gives all records and where those of a pack begin and end.
func (x *Index) packRecords(n uint32) (records chunks[record], first, end int) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	x.mustPack(n)
	first, end = x.packRange(n)
	return x.records, first, end
}

// Packs gives the packs in the order they were added, as they were when it
// began. The index may be used, also added to, between the steps.
func (x *Index) Packs() iter.Seq2[uint32, format.ID] {
	return func(yield func(uint32, format.ID) bool) {
		x.mu.RLock()
		packs := x.packs
		x.mu.RUnlock()
		for i := range packs.len {
			if !yield(uint32(i), packs.at(i).id) {
				return
			}
		}
	}
}

func (x *Index) mustPack(n uint32) {
	if uint64(n) >= uint64(x.packs.len) {
		panic(fmt.Sprintf("index: no pack %d among %d", n, x.packs.len))
	}
}

// packRange is where the entries of a pack begin and end.
func (x *Index) packRange(n uint32) (first, end int) {
	first, end = int(x.packs.at(int(n)).first), x.records.len
	if int(n)+1 < x.packs.len {
		end = int(x.packs.at(int(n) + 1).first)
	}
	return first, end
}

// Memory is what the index holds, in bytes.
func (x *Index) Memory() int64 {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.records.memory() + x.packs.memory() + x.byBlob.memory() + x.byPack.memory() +
		int64(cap(x.scratch))*int64(unsafe.Sizeof(format.Blob{})) + int64(unsafe.Sizeof(*x))
}
