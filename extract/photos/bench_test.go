package photos

import (
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
)

type counter struct {
	ignore
	n int
}

func (c *counter) Emit(r extract.Record) error {
	_ = r.Entry()
	c.n++
	return nil
}

// memory watches how much the heap grows.
func memory(b *testing.B) (stop func()) {
	done, most := make(chan struct{}), make(chan uint64)
	runtime.GC()
	go func() {
		var m runtime.MemStats
		var top uint64
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			runtime.ReadMemStats(&m)
			top = max(top, m.HeapInuse+m.StackInuse)
			select {
			case <-done:
				most <- top
				return
			case <-tick.C:
			}
		}
	}()
	return func() {
		close(done)
		b.ReportMetric(float64(<-most)/(1<<20), "heap-MiB")
	}
}

// Aims: the newest 200 of 100,000 under a second, all under eight, from a source that
// nothing was read from before.
func BenchmarkRead(b *testing.B) {
	dir := manyPhotos(b)
	for _, x := range []struct {
		name string
		q    extract.Query
		want int
	}{
		{"newest200", extract.Query{Table: tablePhotos, Newest: true, Limit: 200}, 200},
		{"newest200 of any table", extract.Query{Newest: true, Limit: 200}, 200},
		{"page500", extract.Query{Newest: true, Limit: 200, Skip: 100_000 - 200}, 200},
		{"album", extract.Query{Group: "ALBUM-4"}, 500},
		{"all", extract.Query{}, many},
	} {
		b.Run(x.name, func(b *testing.B) {
			stop := memory(b)
			for b.Loop() {
				src := &extract.Source{FS: os.DirFS(dir)}
				c := &counter{}
				if err := New().Read(b.Context(), src, x.q, c); err != nil || c.n != x.want {
					b.Fatalf("%d photos, %v", c.n, err)
				}
				if err := src.Close(); err != nil {
					b.Fatal(err)
				}
			}
			stop()
		})
	}
	b.Run("groups", func(b *testing.B) {
		for b.Loop() {
			src := &extract.Source{FS: os.DirFS(dir)}
			if list, err := New().Groups(b.Context(), src); err != nil || len(list) < 202 {
				b.Fatalf("%d groups, %v", len(list), err)
			}
			if err := src.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// Files of 100,000 photos for a mounted version: seconds, as extract.Filer asks.
func BenchmarkFiles(b *testing.B) {
	dir := manyPhotos(b)
	stop := memory(b)
	for b.Loop() {
		src, n := &extract.Source{FS: os.DirFS(dir)}, 0
		if err := New().Files(b.Context(), src, func(extract.File) error { n++; return nil }); err != nil || n < many*8/10 {
			b.Fatalf("%d files, %v", n, err)
		}
		if err := src.Close(); err != nil {
			b.Fatal(err)
		}
	}
	stop()
}
