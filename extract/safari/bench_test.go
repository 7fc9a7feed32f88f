package safari_test

import (
	"testing"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/safari"
)

type counter struct{ n int }

func (c *counter) Emit(extract.Record) error { c.n++; return nil }
func (*counter) Report(*extract.Problem)     {}

// BenchmarkHistory reads 100,000 visits, and the newest 200 of them.
func BenchmarkHistory(b *testing.B) {
	src := made(b, map[string][]statement{"History.db": append(history("https://example.com/", 1), do(`WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 100009)
		INSERT INTO history_visits (id, history_item, visit_time, title) SELECT i, 1, i * 60, 'Page ' || i FROM n`))})
	for name, q := range map[string]extract.Query{"all": {Table: "history"}, "newest": {Table: "history", Newest: true, Limit: 200}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				c := &counter{}
				if err := safari.New().Read(b.Context(), src, q, c); err != nil || c.n < 200 {
					b.Fatal(c.n, err)
				}
			}
		})
	}
}
