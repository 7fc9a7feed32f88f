package index

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"unsafe"

	"github.com/keepsake-backup/keepsake/repository/format"
)

const (
	bucketSlots = 12
	slabBuckets = 256 // 16 KiB: what an empty table costs and by how much it can grow
)

// bucket is one cache line: numbers of entries and a byte of each one's hash,
// so that an entry is only looked at if it is very likely the right one.
type bucket struct {
	numbers  [bucketSlots]uint32
	tags     [bucketSlots]uint8
	used     uint8
	overflow bool // an entry that belongs here lies further on
	_        [2]uint8
}

// table finds the numbers of entries by the hash of their ID. It is a list of
// slabs, so that growing keeps what there is and leaves no garbage.
type table struct {
	slabs []*[slabBuckets]bucket
	used  int
	seed  [2]uint64
	warm  uint8 // what insertAll reads ahead, so that the reading is not optimised away
}

// newTable draws the seed: blobs whose IDs somebody chose to be alike must not
// meet in one bucket.
func newTable() table { return table{seed: [2]uint64{rand.Uint64(), rand.Uint64()}} }

// hash mixes all of an ID.
func (t *table) hash(id *format.ID) uint64 {
	a := binary.LittleEndian.Uint64(id[0:]) ^ binary.LittleEndian.Uint64(id[16:])
	b := binary.LittleEndian.Uint64(id[8:]) ^ binary.LittleEndian.Uint64(id[24:])
	hi, lo := bits.Mul64(a^t.seed[0], b^t.seed[1])
	return hi ^ lo
}

// buckets is how many there are.
func (t *table) buckets() int { return len(t.slabs) * slabBuckets }

// fits tells whether n entries keep the buckets at most 7/8 full: beyond that many
// entries lie far from their bucket.
func (t *table) fits(n int) bool { return n <= t.buckets()/8*bucketSlots*7 }

// home is the bucket that a hash belongs to: its upper half, scaled.
func (t *table) home(hash uint64) int {
	return int((hash >> 32) * uint64(t.buckets()) >> 32)
}

func (t *table) bucket(i int) *bucket { return &t.slabs[i/slabBuckets][i%slabBuckets] }

// insert adds a number. There must be room. Numbers with one hash are found in
// the order in which they were inserted.
func (t *table) insert(hash uint64, number uint32) {
	for i := t.home(hash); ; i++ {
		if i >= t.buckets() {
			i = 0
		}
		b := t.bucket(i)
		if b.used < bucketSlots {
			b.numbers[b.used], b.tags[b.used] = number, uint8(hash)
			b.used++
			t.used++
			return
		}
		b.overflow = true
	}
}

// batch is how many hashes to hand to insertAll at once.
const batch = 64

// insertAll inserts the numbers from first on. It reads all buckets before it
// writes: a processor waits for many of them at once, but not while the outcome of
// one decides what it does next. That makes it twice as fast.
func (t *table) insertAll(hashes []uint64, first uint32) {
	for _, hash := range hashes {
		t.warm |= t.bucket(t.home(hash)).used
	}
	for i, hash := range hashes {
		t.insert(hash, first+uint32(i))
	}
}

// probe walks over the numbers that may have a hash.
type probe struct {
	t    *table
	at   int // bucket
	b    *bucket
	slot uint8
	tag  uint8
}

func (t *table) find(hash uint64) probe {
	if len(t.slabs) == 0 {
		return probe{b: &bucket{}}
	}
	at := t.home(hash)
	return probe{t: t, at: at, b: t.bucket(at), tag: uint8(hash)}
}

// next gives the next number, or false at the end.
func (p *probe) next() (uint32, bool) {
	for {
		for p.slot < p.b.used {
			slot := p.slot
			p.slot++
			if p.b.tags[slot] == p.tag {
				return p.b.numbers[slot], true
			}
		}
		if !p.b.overflow {
			return 0, false
		}
		p.at++
		if p.at >= p.t.buckets() {
			p.at = 0
		}
		p.b, p.slot = p.t.bucket(p.at), 0
	}
}

// grow makes room for n entries at the least, and empties the table: the caller
// inserts everything again. By a third, so that a table is never less than about
// 2/3 full, and each entry is inserted about four times while an index fills.
func (t *table) grow(n int) {
	slabs := len(t.slabs) + len(t.slabs)/3
	for len(t.slabs) < slabs || !t.fits(n) {
		t.slabs = append(t.slabs, new([slabBuckets]bucket))
	}
	for _, slab := range t.slabs {
		clear(slab[:])
	}
	t.used = 0
}

// memory is in bytes.
func (t *table) memory() int64 {
	return int64(t.buckets())*int64(unsafe.Sizeof(bucket{})) + int64(cap(t.slabs))*int64(unsafe.Sizeof(t.slabs[0]))
}
