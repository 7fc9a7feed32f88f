package index

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/keepsake-backup/keepsake/repository/format"
)

// model is what an index should know.
type model struct {
	packs   []format.ID
	entries []Entry
}

// add puts a pack into both and checks that the index took it.
func (m *model) add(t *testing.T, x *Index, pack format.ID, blobs []format.Blob) {
	t.Helper()
	given := slices.Clone(blobs)
	if err := x.AddPack(pack, blobs); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(given, blobs) {
		t.Fatal("AddPack changed the blobs it was given")
	}
	slices.SortFunc(given, func(a, b format.Blob) int { return cmp.Compare(a.Offset, b.Offset) })
	for _, b := range given {
		m.entries = append(m.entries, Entry{Number: uint32(len(m.entries)), Pack: uint32(len(m.packs)), Blob: b})
	}
	m.packs = append(m.packs, pack)
}

// check compares everything that can be asked.
func (m *model) check(t *testing.T, x *Index) {
	t.Helper()
	if x.Len() != len(m.entries) || x.PackCount() != len(m.packs) {
		t.Fatalf("%d entries in %d packs, want %d in %d", x.Len(), x.PackCount(), len(m.entries), len(m.packs))
	}
	byBlob := map[format.BlobHandle][]Entry{}
	byPack := make([][]Entry, len(m.packs))
	for _, e := range m.entries {
		byBlob[e.BlobHandle] = append(byBlob[e.BlobHandle], e)
		byPack[e.Pack] = append(byPack[e.Pack], e)
		if got := x.Entry(e.Number); got != e {
			t.Fatalf("entry %d is %v, want %v", e.Number, got, e)
		}
	}
	for h, want := range byBlob {
		if got, ok := x.Lookup(h); !ok || got != want[0] {
			t.Fatalf("look up %v: %v %v, want %v", h, got, ok, want[0])
		}
		var all []Entry
		x.LookupAll(h, func(e Entry) bool { all = append(all, e); return true })
		if !slices.Equal(all, want) {
			t.Fatalf("look up all %v: %v, want %v", h, all, want)
		}
		// An ID says nothing about the type.
		other := format.BlobHandle{ID: h.ID, Type: 1 - h.Type}
		if _, ok := x.Lookup(other); ok != (byBlob[other] != nil) {
			t.Fatalf("look up %v: %v", other, ok)
		}
	}
	for i, id := range m.packs {
		n := uint32(i)
		if got, ok := x.FindPack(id); !ok || got != n || x.PackID(n) != id {
			t.Fatalf("find pack %v: %d %v, want %d; its ID is %v", id, got, ok, n, x.PackID(n))
		}
		if got := slices.Collect(x.PackBlobs(n)); !slices.Equal(got, byPack[i]) {
			t.Fatalf("blobs of pack %d: %v, want %v", n, got, byPack[i])
		}
	}
	var packs []format.ID
	for n, id := range x.Packs() {
		if int(n) != len(packs) {
			t.Fatalf("pack %d came as number %d", len(packs), n)
		}
		packs = append(packs, id)
	}
	if !slices.Equal(packs, m.packs) {
		t.Fatal("Packs gives other packs")
	}
}

// randomPack makes a pack of up to most blobs. Some are taken from known, so that
// there are duplicates and IDs of both types, and some packs are out of order.
func randomPack(r *rand.Rand, id func() format.ID, known []Entry, most int) []format.Blob {
	var blobs []format.Blob
	var offset uint32
	for range r.IntN(most + 1) {
		b := format.Blob{BlobHandle: format.BlobHandle{ID: id(), Type: format.BlobType(r.IntN(2))}}
		if len(known) > 0 && r.IntN(8) == 0 {
			b.ID = known[r.IntN(len(known))].ID
		}
		b.Offset, b.Length = offset, format.SealOverhead+r.Uint32N(1<<10)
		if r.IntN(2) == 0 {
			b.UncompressedLength = r.Uint32()
		}
		offset += b.Length
		blobs = append(blobs, b)
	}
	if r.IntN(4) == 0 {
		r.Shuffle(len(blobs), func(i, j int) { blobs[i], blobs[j] = blobs[j], blobs[i] })
	}
	return blobs
}

func TestAgainstModel(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			id := generator(seed + 100)
			if seed == 5 { // IDs that differ in one place only
				var n byte
				id = func() (id format.ID) {
					id[r.IntN(len(id))] = n
					n++
					return id
				}
			}
			x, m := New(), &model{}
			m.check(t, x)
			most := []int{3, 30, 600}[seed%3]
			if seed%2 == 1 {
				x.Reserve(r.IntN(50_000))
			}
			for len(m.packs) < 120 {
				pack := generator(seed + uint64(len(m.packs))<<32)()
				blobs := randomPack(r, id, m.entries, most)
				m.add(t, x, pack, blobs)
				if len(m.packs)%40 == 0 {
					m.check(t, x)
				}
				// Once more changes nothing, in whatever order.
				again := m.packs[r.IntN(len(m.packs))]
				n, _ := x.FindPack(again)
				var same []format.Blob
				for e := range x.PackBlobs(n) {
					same = append(same, e.Blob)
				}
				r.Shuffle(len(same), func(i, j int) { same[i], same[j] = same[j], same[i] })
				if err := x.AddPack(again, same); err != nil {
					t.Fatal(err)
				}
			}
			m.check(t, x)
			absent := generator(1 << 60)
			for range 10_000 {
				h := format.BlobHandle{ID: absent()}
				if e, ok := x.Lookup(h); ok {
					t.Fatalf("found %v, which was never added", e)
				}
				if n, ok := x.FindPack(h.ID); ok {
					t.Fatalf("found pack %d, which was never added", n)
				}
				x.LookupAll(h, func(e Entry) bool { t.Fatalf("found %v", e); return false })
			}
		})
	}
}

func blob(id byte, offset, length uint32) format.Blob {
	return format.Blob{BlobHandle: format.BlobHandle{ID: format.ID{id}}, Offset: offset, Length: length}
}

func TestAddPackRefuses(t *testing.T) {
	pack := format.ID{0xab, 0xcd}
	good := []format.Blob{blob(1, 0, 100), blob(2, 100, 50)}
	changed := func(change func([]format.Blob)) []format.Blob {
		blobs := slices.Clone(good)
		change(blobs)
		return blobs
	}
	tests := []struct {
		name     string
		blobs    []format.Blob
		conflict bool
		message  string
	}{
		{"other ID", changed(func(b []format.Blob) { b[1].ID[31] = 1 }), true, "disagree"},
		{"other type", changed(func(b []format.Blob) { b[0].Type = format.TreeBlob }), true, "disagree"},
		{"other length", changed(func(b []format.Blob) { b[1].Length++ }), true, "disagree"},
		{"other offset", changed(func(b []format.Blob) { b[1].Offset++ }), true, "disagree"},
		{"compressed", changed(func(b []format.Blob) { b[0].UncompressedLength = 7 }), true, "disagree"},
		{"one missing", good[:1], true, "disagree"},
		{"one more", append(slices.Clone(good), blob(3, 150, 50)), true, "disagree"},
		{"none", nil, true, "disagree"},
		{"unknown type", changed(func(b []format.Blob) { b[0].Type = 2 }), false, "unknown blob type 2"},
		{"too short", changed(func(b []format.Blob) { b[0].Length = 31 }), false, "31 bytes are fewer than the 32"},
		{"beyond 4 GiB", changed(func(b []format.Blob) { b[1].Offset = math.MaxUint32 - 49 }), false, "end beyond 4 GiB"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			x, m := New(), &model{}
			m.add(t, x, pack, good)
			err := x.AddPack(pack, test.blobs)
			if err == nil || errors.Is(err, ErrConflict) != test.conflict || !strings.Contains(err.Error(), test.message) || !strings.Contains(err.Error(), pack.String()) {
				t.Errorf("got %v, want %q and the name of the pack", err, test.message)
			}
			m.check(t, x)
		})
	}
	// What is just possible.
	x, m := New(), &model{}
	m.add(t, x, pack, []format.Blob{blob(1, math.MaxUint32-100, 100), blob(2, 0, 32)})
	m.check(t, x)
}

func TestFull(t *testing.T) {
	x, m := New(), &model{}
	if x.limit != math.MaxUint32-1 {
		t.Errorf("an index takes %d entries, want 2^32-2", x.limit)
	}
	x.limit = 5
	m.add(t, x, format.ID{1}, []format.Blob{blob(1, 0, 50), blob(2, 50, 50), blob(3, 100, 50)})
	err := x.AddPack(format.ID{2}, []format.Blob{blob(4, 0, 50), blob(5, 50, 50), blob(6, 100, 50)})
	if err == nil || !strings.Contains(err.Error(), "full: 3 blobs") {
		t.Errorf("got %v", err)
	}
	m.check(t, x)
	m.add(t, x, format.ID{3}, []format.Blob{blob(4, 0, 50), blob(5, 50, 50)})
	m.add(t, x, format.ID{4}, nil)
	m.check(t, x)
}

func TestNumbersThatAreNone(t *testing.T) {
	x, m := New(), &model{}
	m.add(t, x, format.ID{1}, []format.Blob{blob(1, 0, 50)})
	tests := map[string]func(){
		"PackID":    func() { x.PackID(1) },
		"PackBlobs": func() { _ = slices.Collect(x.PackBlobs(1)) },
		"Entry":     func() { x.Entry(1) },
		"Entry max": func() { x.Entry(math.MaxUint32) },
	}
	for name, f := range tests {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if got := recover(); got == nil || !strings.HasPrefix(fmt.Sprint(got), "index: no ") {
					t.Errorf("recovered %v", got)
				}
			}()
			f()
		})
	}
	m.check(t, x)
	m.add(t, x, format.ID{2}, nil) // hangs if a panic left the lock behind
}

// The functions of callers may use the index and stop early.
func TestReentry(t *testing.T) {
	x, m := New(), &model{}
	for i := range byte(6) { // more than fit into the array of LookupAll
		m.add(t, x, format.ID{i}, []format.Blob{blob(1, 0, 50), blob(2, 50, 50)})
	}
	add := byte(100)
	grow := func() {
		if err := x.AddPack(format.ID{add}, []format.Blob{blob(add, 0, 50)}); err != nil {
			t.Fatal(err)
		}
		add++
	}
	count := 0
	x.LookupAll(blob(1, 0, 0).BlobHandle, func(Entry) bool { grow(); count++; return count < 5 })
	for range x.Packs() {
		grow()
		if count++; count == 10 {
			break
		}
	}
	for range x.PackBlobs(0) {
		grow()
		count++
		break
	}
	if count != 11 || x.PackCount() != 6+11 {
		t.Errorf("%d steps, %d packs", count, x.PackCount())
	}
}

// Readers see whole packs while a writer adds.
func TestConcurrent(t *testing.T) {
	const packs, size, writers = 600, 40, 2
	x := New()
	ids := generator(7)
	names := make([]format.ID, packs)
	content := make([][]format.Blob, packs)
	for i := range content {
		names[i] = ids()
		for j := range uint32(size) {
			content[i] = append(content[i], format.Blob{BlobHandle: format.BlobHandle{ID: ids()}, Offset: j * 100, Length: 100})
		}
	}
	var wg sync.WaitGroup
	for range writers { // both add the same: each pack is added once
		wg.Go(func() {
			for i := range names {
				if err := x.AddPack(names[i], content[i]); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for g := range uint64(3) {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(g, 9))
			for x.PackCount() < packs {
				i := r.IntN(packs)
				n, ok := x.FindPack(names[i])
				if !ok {
					continue
				}
				got := 0
				for e := range x.PackBlobs(n) {
					if e.Blob != content[i][got] {
						t.Errorf("pack %d, blob %d: %v", i, got, e)
					}
					got++
				}
				if e, ok := x.Lookup(content[i][got-1].BlobHandle); got != size || !ok || e.Pack != n || x.Entry(e.Number) != e {
					t.Errorf("pack %d has %d blobs; %v %v", i, got, e, ok)
				}
				for range x.Packs() {
				}
				x.Memory()
			}
		})
	}
	wg.Wait()
	if x.Len() != packs*size || x.PackCount() != packs {
		t.Errorf("%d blobs in %d packs", x.Len(), x.PackCount())
	}
}

// Memory is what the runtime says, growing leaves no garbage, and a blob takes at
// most 60 bytes.
func TestMemory(t *testing.T) {
	const blobs = 400_000
	var before, after runtime.MemStats
	held := heap()
	runtime.ReadMemStats(&before)
	x := New()
	fill(t, x, blobs, blobsAPack)
	runtime.ReadMemStats(&after)
	held = heap() - held
	said := x.Memory()
	if ratio := float64(held) / float64(said); ratio < 0.97 || ratio > 1.03 {
		t.Errorf("the heap holds %d bytes, Memory says %d", held, said)
	}
	if allocated := after.TotalAlloc - before.TotalAlloc; float64(allocated) > 1.05*float64(said) {
		t.Errorf("%d bytes were allocated for an index of %d", allocated, said)
	}
	if perBlob := float64(said) / blobs; perBlob > 60 {
		t.Errorf("%.1f bytes a blob", perBlob)
	}
	runtime.KeepAlive(x)
}

// However full the table gets, it does not take more than its share: the worst case
// is right after it grew.
func TestMemoryAtEverySize(t *testing.T) {
	x := New()
	worst := 0.0
	next := generator(3)
	pack := make([]format.Blob, 100)
	for x.Len() < 300_000 {
		for i := range pack {
			pack[i] = format.Blob{BlobHandle: format.BlobHandle{ID: next()}, Offset: uint32(i) * 100, Length: 100}
		}
		if err := x.AddPack(next(), pack); err != nil {
			t.Fatal(err)
		}
		if x.Len() > 100_000 {
			worst = max(worst, float64(x.Memory())/float64(x.Len()))
		}
	}
	if worst > 60 {
		t.Errorf("up to %.1f bytes a blob", worst)
	}
}
