package search

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/keepsake-backup/keepsake/extract"
)

// The aim is two million messages; go test -bench alone takes a tenth of that.
var benchRecords = flag.Int("records", 200_000, "records in a benchmark")

// vocabulary makes words as languages have them: some are said all the time, most
// hardly ever.
func vocabulary() []string {
	r := rand.New(rand.NewPCG(1, 2))
	list := make([]string, 60_000)
	for i := range list {
		b := make([]byte, 2+r.IntN(9))
		for j := range b {
			b[j] = "etaoinshrdlucmfwypvbgkjqxz"[min(int(r.ExpFloat64()*6), 25)]
		}
		list[i] = string(b)
	}
	return list
}

// messages makes short messages, of which version says which were made anew.
func messages(n int, changed func(i int) bool) *fake {
	words := vocabulary()
	return &fake{kind: "messages", each: func(emit func(*record) error) error {
		var b strings.Builder
		for i := range n {
			salt := uint64(0)
			if changed != nil && changed(i) {
				salt = 1
			}
			r := rand.New(rand.NewPCG(uint64(i), salt))
			zipf := rand.NewZipf(r, 1.3, 4, uint64(len(words)-1))
			b.Reset()
			for j := range 3 + r.IntN(18) {
				if j > 0 {
					b.WriteByte(' ')
				}
				b.WriteString(words[zipf.Uint64()])
			}
			e := &record{Table: "messages", Key: fmt.Sprintf("5B7C1D3E-0000-4000-8000-%012d", i), Title: "Person " + words[i%997], Text: b.String(),
				Time: day(0).Add(time.Duration(i) * 17 * time.Second), Group: fmt.Sprint("chat", i%200)}
			if err := emit(e); err != nil {
				return err
			}
		}
		return nil
	}}
}

// peak watches how much memory is in use, in MiB.
func peak(b *testing.B, fn func()) {
	runtime.GC()
	var start runtime.MemStats
	runtime.ReadMemStats(&start)
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
	fn()
	close(done)
	b.ReportMetric(float64(<-most)/(1<<20), "peak-MiB")
}

func BenchmarkAdd(b *testing.B) {
	n := *benchRecords
	for b.Loop() {
		b.StopTimer()
		ix := open(b, b.TempDir())
		b.StartTimer()
		began := time.Now()
		peak(b, func() { add(b, ix, "v1", 0, messages(n, nil)) })
		b.ReportMetric(float64(n)/time.Since(began).Seconds(), "rows/s")
		s, err := ix.Stats()
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(s.Bytes)/float64(n), "bytes/row")
	}
}

// The reading alone, which is part of the others.
func BenchmarkRead(b *testing.B) {
	for b.Loop() {
		if err := messages(*benchRecords, nil).each(func(*record) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAdd_onePercentNew(b *testing.B) {
	n := *benchRecords
	ix := open(b, b.TempDir())
	add(b, ix, "v1", 0, messages(n, nil))
	i := 0
	for b.Loop() {
		i++
		peak(b, func() {
			add(b, ix, fmt.Sprint("w", i), i, messages(n, func(j int) bool { return j%100 == i%100 }))
		})
	}
}

// many is an index with 30 versions.
func many(b *testing.B) *Index {
	n := *benchRecords
	ix := open(b, b.TempDir())
	for v := range 30 {
		add(b, ix, fmt.Sprint("v", v), v, messages(n-n/100*(29-v), func(j int) bool { return v > 0 && j%3000 == v }))
	}
	b.ResetTimer()
	return ix
}

func BenchmarkSearch(b *testing.B) {
	ix := many(b)
	words := vocabulary()
	for _, q := range []struct {
		name string
		Query
	}{
		{"rare", Query{Text: words[40_000] + " "}},
		{"common", Query{Text: words[0] + " "}},
		{"two common", Query{Text: words[0] + " " + words[1] + " "}},
		{"common and rare", Query{Text: words[0] + " " + words[40_000] + " "}},
		{"letter", Query{Text: words[2][:1]}},
		{"common and letter", Query{Text: words[0] + " " + words[2][:1]}},
		{"phrase", Query{Text: `"` + words[20] + " " + words[30] + `"`}},
		{"phrase of common", Query{Text: `"` + words[0] + " " + words[1] + `"`}},
		{"without", Query{Text: words[0] + " -" + words[1] + " "}},
		{"gone", Query{Text: words[5] + " ", Versions: []string{"v0"}}},
		{"newest version", Query{Text: words[5] + " ", Latest: true}},
		{"all", Query{}},
	} {
		for _, limit := range []int{1, 50} {
			b.Run(fmt.Sprintf("%s/%d", q.name, limit), func(b *testing.B) {
				for b.Loop() {
					q.Limit = limit
					if _, err := ix.Search(context.Background(), q.Query); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
	b.Run("opened first", func(b *testing.B) {
		for b.Loop() {
			again, err := Open(context.Background(), ix.root.Name(), testKey)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := again.Search(context.Background(), Query{Text: words[3] + " " + words[4], Limit: 1}); err != nil {
				b.Fatal(err)
			}
			if err := again.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// SQLite's own index, in memory, in clear and of one version, to compare with.
func BenchmarkFTS5(b *testing.B) {
	n := *benchRecords
	db, err := sql.Open("sqlite", "file::memory:")
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	exec := func(q string, args ...any) {
		if _, err := db.Exec(q, args...); err != nil {
			b.Fatal(err)
		}
	}
	exec("CREATE VIRTUAL TABLE f USING fts5(title, text, key UNINDEXED, tokenize='unicode61 remove_diacritics 2')")
	began := time.Now()
	tx, err := db.Begin()
	if err != nil {
		b.Fatal(err)
	}
	insert, err := tx.Prepare("INSERT INTO f VALUES (?, ?, ?)")
	if err != nil {
		b.Fatal(err)
	}
	if err := messages(n, nil).each(func(r *record) error {
		e := extract.Entry(*r)
		_, err := insert.Exec(e.Title, e.Text, e.Key)
		return err
	}); err != nil {
		b.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		b.Fatal(err)
	}
	rate := float64(n) / time.Since(began).Seconds()
	words := vocabulary()
	for _, q := range []struct{ name, match string }{{"rare", words[40_000]}, {"common", words[0]}, {"two common", words[0] + " " + words[1]}, {"letter", words[2][:1] + "*"}} {
		b.Run(q.name, func(b *testing.B) {
			for b.Loop() {
				rows, err := db.Query("SELECT key, snippet(f, 1, '[', ']', '…', 20) FROM f WHERE f MATCH ? ORDER BY rowid DESC LIMIT 50", q.match)
				if err != nil {
					b.Fatal(err)
				}
				for rows.Next() {
				}
				if err := rows.Close(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(rate, "rows/s")
		})
	}
}
