package media

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/afc"
	"github.com/keepsake-backup/keepsake/repository/backend/local"
	"github.com/keepsake-backup/keepsake/virtualphone"
)

// manyFiles is a phone with n pictures of size bytes.
func manyFiles(b *testing.B, n, size int) *setUp {
	be, err := local.Open(filepath.Join(b.TempDir(), "r"), local.Options{})
	if err != nil {
		b.Fatal(err)
	}
	s := newSetUpIn(b, virtualphone.Config{Empty: true}, be)
	for i := range n {
		text := fmt.Sprintf("%d ", i)
		s.write(fmt.Sprintf("DCIM/%dAPPLE/IMG_%04d.JPG", 100+i/1000, i%10000), strings.Repeat(text, 1+size/len(text))[:size])
	}
	return s
}

// Many small files: what counts are the round trips. A cable takes about a
// millisecond for each; without that the loopback shows what the computer takes.
func BenchmarkCopy_10000Files(b *testing.B) { benchmark(b, 10_000, 4<<10, 0, "") }

func BenchmarkCopy_roundTrips(b *testing.B) {
	for _, connections := range []int{1, 2, 4, 8} {
		b.Run(fmt.Sprintf("connections=%d", connections), func(b *testing.B) {
			benchmark(b, 1_000, 4<<10, connections, "delay@afc.info*0=1ms,delay@afc.open*0=1ms,delay@afc.read*0=1ms,delay@afc.close*0=1ms")
		})
	}
}

// Few large files: what counts are bytes.
func BenchmarkCopy_largeFiles(b *testing.B) { benchmark(b, 60, 5<<20, 0, "") }

func benchmark(b *testing.B, n, size, connections int, faults string) {
	s := manyFiles(b, n, size)
	s.opt.Connections = connections
	s.faults(faults)
	b.Run("plain", func(b *testing.B) {
		for b.Loop() {
			plainCopy(b, s)
		}
		b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "files/s")
	})
	b.Run("first", func(b *testing.B) {
		s.opt.Full = true
		for b.Loop() {
			b.StopTimer()
			be, err := local.Open(filepath.Join(b.TempDir(), "r"), local.Options{})
			s.must(err)
			s.init(be)
			b.StartTimer()
			s.copy()
		}
		b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "files/s")
	})
	b.Run("unchanged", func(b *testing.B) {
		s.opt.Full = false
		be, err := local.Open(filepath.Join(b.TempDir(), "r"), local.Options{})
		s.must(err)
		s.init(be)
		s.copy()
		for b.Loop() {
			if res := s.copy(); res.ReadFiles != 0 {
				b.Fatalf("read %d files", res.ReadFiles)
			}
		}
		b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "files/s")
	})
}

// plainCopy is what one connection and a folder give.
func plainCopy(b *testing.B, s *setUp) {
	conn, err := s.dev.StartService(b.Context(), afc.Service)
	s.must(err)
	c := afc.New(conn)
	defer c.Close()
	s.must(copyTree(b.Context(), c, "/DCIM", filepath.Join(b.TempDir(), "plain")))
}

func copyTree(ctx context.Context, c *afc.Client, from, to string) error {
	fsys := c.FS(ctx, from)
	return fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		at := filepath.Join(to, filepath.FromSlash(name))
		if err != nil || d.IsDir() {
			if err == nil {
				err = os.MkdirAll(at, 0o700)
			}
			return err
		}
		in, err := c.Open(ctx, from+"/"+name)
		if err != nil {
			return err
		}
		defer in.Close()
		out, err := os.Create(at)
		if err != nil {
			return err
		}
		defer out.Close()
		info, err := d.Info()
		if err != nil {
			return err
		}
		buf := make([]byte, min(info.Size()+1, 1<<20))
		_, err = io.CopyBuffer(struct{ io.Writer }{out}, struct{ io.Reader }{in}, buf)
		return err
	})
}
