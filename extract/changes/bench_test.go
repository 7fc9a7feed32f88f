package changes

import (
	"context"
	"flag"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
)

// The aim is two million messages; go test -bench alone takes a tenth of that.
var benchRecords = flag.Int("records", 200_000, "records in a benchmark")

// stream is a kind with many records that are made while they are read.
type stream struct {
	fake
	n int
}

func (s *stream) Read(_ context.Context, src *extract.Source, q extract.Query, out extract.Emitter) error {
	for i := range s.n {
		if q.Newest {
			i = s.n - 1 - i
		}
		if q.Key != "" || src.Device.Name == "old" && i%100 == 1 || src.Device.Name == "new" && i%100 == 2 {
			continue
		}
		text := "Shall we have the plum cake at the market on Sunday?"
		if src.Device.Name == "new" && i%100 == 3 {
			text += " (edited)"
		}
		r := &record{extract.Entry{Table: "things", Key: fmt.Sprintf("5B7C1D3E-0000-4000-8000-%012d", i), Title: "Anna", Text: text, Group: "g", Time: at(0).Add(time.Duration(i) * time.Second)}, []string{"Anna", text}}
		if err := out.Emit(asRecord{r}); err != nil {
			return extract.Done(err)
		}
	}
	return nil
}

func BenchmarkCompare(b *testing.B) {
	s := &stream{fake{kind: "messages", title: "Messages"}, *benchRecords}
	for b.Loop() {
		done, most := make(chan struct{}), make(chan uint64)
		go func() {
			var high uint64
			for {
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				high = max(high, m.HeapInuse+m.StackInuse)
				select {
				case <-done:
					most <- high
					return
				case <-time.After(20 * time.Millisecond):
				}
			}
		}()
		began := time.Now()
		c, err := Compare(b.Context(), &extract.Source{Device: extract.Device{Name: "old"}}, &extract.Source{Device: extract.Device{Name: "new"}}, []extract.Extractor{s}, nil)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(2*float64(*benchRecords)/time.Since(began).Seconds(), "rows/s")
		close(done)
		b.ReportMetric(float64(<-most)/(1<<20), "peak-MiB")
		if k := c.Kinds[0]; k.Added.Count != s.n/100 || k.Removed.Count != s.n/100 || k.Changed.Count != s.n/100 {
			b.Fatalf("%d added, %d removed, %d changed", k.Added.Count, k.Removed.Count, k.Changed.Count)
		}
	}
}
