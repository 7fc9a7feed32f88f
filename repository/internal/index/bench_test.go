package index

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/repository/format"
)

// generator gives IDs that look like those of a repository, again and again the
// same ones, so that a benchmark need not keep them.
func generator(seed uint64) func() format.ID {
	r := rand.NewPCG(seed, 0)
	return func() (id format.ID) {
		for i := 0; i < len(id); i += 8 {
			binary.LittleEndian.PutUint64(id[i:], r.Uint64())
		}
		return id
	}
}

// blobsAPack is what a pack of 16 MiB holds at 1 MiB a blob.
const blobsAPack = 16

// fill adds n blobs in packs of size blobs.
func fill(tb testing.TB, x *Index, n, size int) {
	tb.Helper()
	blobs, packs := generator(1), generator(2)
	pack := make([]format.Blob, size)
	for at := 0; at < n; at += len(pack) {
		pack = pack[:min(size, n-at)]
		for i := range pack {
			pack[i] = format.Blob{
				BlobHandle: format.BlobHandle{ID: blobs()},
				Offset:     uint32(i) << 20,
				Length:     1 << 20,
			}
		}
		if err := x.AddPack(packs(), pack); err != nil {
			tb.Fatal(err)
		}
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkIndex builds an index and measures it: memory as the runtime sees it,
// the time to add a blob, and the time to find one that is there and one that is
// not, in random order.
//
//	go test -bench Index -benchtime 1x ./repository/internal/index
func BenchmarkIndex(b *testing.B) {
	for _, millions := range []int{1, 5, 10} {
		b.Run(fmt.Sprintf("%dM", millions), func(b *testing.B) {
			for range b.N {
				measureIndex(b, millions*1_000_000)
			}
		})
	}
}

func measureIndex(b *testing.B, n int) {
	before := heap()
	x := New()
	start := time.Now()
	fill(b, x, n, blobsAPack)
	build := time.Since(start)
	held := heap() - before

	const lookups = 1_000_000
	ids := make([]format.ID, 0, lookups)
	// Every so manyth, so that neither cache nor order helps.
	next := generator(1)
	for i := range n {
		if id := next(); i%(n/lookups) == 0 {
			ids = append(ids, id)
		}
	}
	rand.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	find := func(want bool) time.Duration {
		start := time.Now()
		for _, id := range ids {
			if _, ok := x.Lookup(format.BlobHandle{ID: id}); ok != want {
				b.Fatalf("blob %v: found %v, want %v", id, ok, want)
			}
		}
		return time.Since(start)
	}
	hit := find(true)
	next = generator(3)
	for i := range ids {
		ids[i] = next()
	}
	miss := find(false)

	perBlob := func(v float64) float64 { return v / float64(n) }
	b.ReportMetric(perBlob(float64(held)), "heapB/blob")
	b.ReportMetric(perBlob(float64(x.Memory())), "saidB/blob")
	b.ReportMetric(float64(held)/(1<<20), "heap-MiB")
	b.ReportMetric(perBlob(float64(build)), "add-ns/blob")
	b.ReportMetric(build.Seconds(), "build-s")
	b.ReportMetric(float64(hit)/float64(len(ids)), "hit-ns")
	b.ReportMetric(float64(miss)/float64(len(ids)), "miss-ns")
	b.ReportMetric(0, "ns/op")
	runtime.KeepAlive(x)
}

// BenchmarkLookupParallel finds blobs from all processors at once.
func BenchmarkLookupParallel(b *testing.B) {
	const n = 1_000_000
	x := New()
	fill(b, x, n, blobsAPack)
	ids := make([]format.ID, n)
	next := generator(1)
	for i := range ids {
		ids[i] = next()
	}
	b.RunParallel(func(pb *testing.PB) {
		for i := rand.IntN(n); pb.Next(); i = (i + 7919) % n {
			if _, ok := x.Lookup(format.BlobHandle{ID: ids[i]}); !ok {
				b.Fatal("a blob is missing")
			}
		}
	})
}
