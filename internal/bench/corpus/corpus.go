// Package corpus makes folders of files to measure a backup program with, again
// and again the same ones: everything follows from a seed.
//
//	err := corpus.Make(ctx, corpus.Mixed, dir, corpus.Size{Bytes: 4 << 30}, 4)
//
// makes dir/1 to dir/4, versions of one folder. What did not change from one
// version to the next is the same file (a hard link), so that a version which is
// renamed to where the one before was looks to a backup program like the same
// folder on a later day.
//
//	media       pictures (95 % of the files) and films of 0.5 to 300 MB with the
//	            first bytes and the names of such files; the rest is noise
//	databases   SQLite databases like those of a messages program: text, blobs,
//	            an index with random keys
//	mixed       60 % media, 15 % databases, 15 % text, 10 % small files, of the bytes
//	small       files of 1 to 16 KiB, half text and half noise, 100 to 500 to a folder
//
// What is synthetic flatters or harms every program alike, but not to the same
// degree; the figures are for comparing, and for watching one's own progress.
package corpus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// Kind is what a corpus consists of.
type Kind string

// The kinds are described above.
const (
	Media     Kind = "media"
	Databases Kind = "databases"
	Mixed     Kind = "mixed"
	Small     Kind = "small"
)

// Size bounds a corpus.
type Size struct {
	Bytes int64 // of the first version; Small has as many as come
	Files int   // of Small
}

// Make makes versions of a corpus in dir/1, dir/2 and so on.
func Make(ctx context.Context, kind Kind, dir string, size Size, versions int) error {
	first := filepath.Join(dir, "1")
	m := newMaker(ctx, 1)
	if err := m.make(kind, first, size); err != nil {
		return fmt.Errorf("make corpus %s: %w", kind, err)
	}
	for v := 2; v <= versions; v++ {
		from, to := filepath.Join(dir, strconv.Itoa(v-1)), filepath.Join(dir, strconv.Itoa(v))
		if err := newMaker(ctx, uint64(v)).nextVersion(from, to); err != nil {
			return fmt.Errorf("make version %d of corpus %s: %w", v, kind, err)
		}
	}
	return nil
}

// maker makes files. Its decisions and the contents follow from the seed.
type maker struct {
	ctx    context.Context
	seed   uint64
	random *rand.Rand
	noise  *rand.ChaCha8
	words  *words
	files  int
}

func newMaker(ctx context.Context, seed uint64) *maker {
	var key [32]byte
	key[0] = byte(seed)
	random := rand.New(rand.NewPCG(seed, 0))
	return &maker{ctx: ctx, seed: seed, random: random, noise: rand.NewChaCha8(key), words: newWords(random)}
}

func (m *maker) make(kind Kind, dir string, size Size) error {
	switch kind {
	case Media:
		return m.media(dir, size.Bytes)
	case Databases:
		return m.databases(dir, size.Bytes)
	case Mixed:
		return errors.Join(
			m.media(filepath.Join(dir, "DCIM"), size.Bytes*60/100),
			m.databases(filepath.Join(dir, "Databases"), size.Bytes*15/100),
			m.texts(filepath.Join(dir, "Documents"), size.Bytes*15/100),
			m.small(filepath.Join(dir, "Library"), int(size.Bytes/10/meanSmall)))
	case Small:
		return m.small(dir, size.Files)
	}
	return errors.New("there is no such kind")
}

// day is when the files of a version were last changed, so that times, too, are
// the same in each run.
func (m *maker) day() time.Time {
	return time.Date(2024, 1, int(m.seed), 12, 0, 0, 0, time.UTC)
}

// create makes a file of n bytes, the first of which are head.
func (m *maker) create(path string, head []byte, n int64, body io.Reader) error {
	if err := m.ctx.Err(); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(head[:min(int64(len(head)), n)])
	if rest := n - int64(len(head)); err == nil && rest > 0 {
		_, err = io.CopyBuffer(struct{ io.Writer }{f}, io.LimitReader(body, rest), make([]byte, 256<<10))
	}
	return errors.Join(err, f.Close(), os.Chtimes(path, m.day(), m.day()))
}

// between is a number of at least low and below high, small ones as likely as
// large ones: each power of two has the same share.
func (m *maker) between(low, high int64) int64 {
	span := float64(high) / float64(low)
	return int64(float64(low) * math.Pow(span, m.random.Float64()))
}
