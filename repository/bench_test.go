package repository

import (
	"bytes"
	"context"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/memory"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// nullStore keeps everything but the bytes of packs: what is measured is the
// pipeline.
type nullStore struct {
	*memory.Backend
	packs *sync.Map // sizes by name: whether they arrived is asked
}

func (n nullStore) Save(ctx context.Context, h backend.Handle, data backend.Content) error {
	if h.Type == backend.PackFile {
		n.packs.Store(h.Name, data.Size())
		return nil
	}
	return n.Backend.Save(ctx, h, data)
}

func (n nullStore) Stat(ctx context.Context, h backend.Handle) (backend.FileInfo, error) {
	if size, ok := n.packs.Load(h.Name); ok {
		return backend.FileInfo{Name: h.Name, Size: size.(int64)}, nil
	}
	return n.Backend.Stat(ctx, h)
}

func (n nullStore) Properties() backend.Properties {
	p := n.Backend.Properties()
	p.Connections = 2
	return p
}

// BenchmarkWrite is the write path without disks, in bytes of files. The limit of
// the format on one core is two SHA-256 passes: BenchmarkTwoHashes.
func BenchmarkWrite(b *testing.B) {
	media := append([]byte("\xff\xd8\xff\xe0"), randomBytes(1, 256<<20)...)
	text := textBytes(2, 64<<20)
	for _, c := range []struct {
		name, file string
		data       []byte
		o          Options
	}{
		{"media", "a.jpg", media, Options{}},
		{"media-unverified", "a.jpg", media, Options{SkipVerify: true}},
		{"random", "a.bin", media[4:], Options{}},
		{"text", "a.txt", text, Options{}},
		{"text-fastest", "a.txt", text, Options{Compression: CompressionFastest}},
		{"sqlite", "a.db", append([]byte("SQLite format 3\x00"), text...), Options{}},
		{"sqlite-fastest", "a.db", append([]byte("SQLite format 3\x00"), text...), Options{Compression: CompressionFastest}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(c.data)))
			for b.Loop() {
				b.StopTimer()
				r := benchRepo(b, c.o)
				s, err := r.Begin(b.Context(), Shared, 0)
				if err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				w, err := s.Writer(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				if _, err := w.SaveFile(b.Context(), struct{ io.Reader }{bytes.NewReader(c.data)}, c.file, int64(len(c.data))); err != nil {
					b.Fatal(err)
				}
				if err := w.Flush(b.Context()); err != nil {
					b.Fatal(err)
				}
				if err := w.Close(); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}

// BenchmarkTwoHashes is what the format asks at least of one core for each byte:
// a hash of the plaintext, which names the blob, and one of what is stored, which
// names the pack.
func BenchmarkTwoHashes(b *testing.B) {
	data := randomBytes(1, 8<<20)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		format.Hash(data)
		format.Hash(data)
	}
}

func benchRepo(b *testing.B, o Options) *Repository {
	b.Helper()
	r, err := Init(b.Context(), nullStore{memory.New(), &sync.Map{}}, secret.NewRepositoryPassword(testPassword), InitOptions{Options: withKDF(o, cheap)})
	if err != nil {
		b.Fatal(err)
	}
	r.times = quick
	r.times.settle = time.Microsecond
	return r
}
