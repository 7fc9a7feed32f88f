//go:build !windows

package archiver_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/keepsake-backup/keepsake/repository/archiver"
	"github.com/keepsake-backup/keepsake/repository/backend/local"
	"github.com/keepsake-backup/keepsake/repository/internal/treetest"
)

// BenchmarkBackup_smallFiles: 100,000 files of up to 4 KiB in 1,000 folders,
// into a new repository, and again with nothing changed.
func BenchmarkBackup_smallFiles(b *testing.B) {
	src := b.TempDir()
	r := rand.New(rand.NewChaCha8([32]byte{}))
	data := make([]byte, 4096)
	for i := range 100_000 {
		dir := fmt.Sprintf("%s/%02d/%02d", src, i/10_000, i/100%100)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			b.Fatal(err)
		}
		n := r.IntN(len(data))
		for j := range n {
			data[j] = "etaoin shrdlu\n <>="[r.IntN(18)]
		}
		if err := os.WriteFile(fmt.Sprintf("%s/%d", dir, i), data[:n], 0o644); err != nil {
			b.Fatal(err)
		}
	}
	var parent *archiver.Parent
	for _, name := range []string{"first", "unchanged"} {
		b.Run(name, func(b *testing.B) {
			for range b.N {
				be, err := local.Open(filepath.Join(b.TempDir(), "repo"), local.Options{})
				if err != nil {
					b.Fatal(err)
				}
				repo := treetest.Init(b, be)
				s, end := treetest.Begin(b, repo)
				run := func(p *archiver.Parent) archiver.Summary {
					w, err := s.Writer(b.Context())
					if err != nil {
						b.Fatal(err)
					}
					sum, err := archiver.Backup(b.Context(), w, p, archiver.Options{Paths: []string{src}}, nil)
					if err != nil || sum.Problems > 0 {
						b.Fatal(err, sum.Problems)
					}
					if err := w.Close(); err != nil {
						b.Fatal(err)
					}
					return sum
				}
				if name == "first" {
					run(nil)
				} else {
					b.StopTimer()
					sum := run(nil)
					parent = &archiver.Parent{Source: s, ID: sum.Snapshot, Tree: sum.Tree}
					b.StartTimer()
					run(parent)
				}
				end()
			}
		})
	}
}
