package contents

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// digestEntry is one line of a digest before it is hashed.
type digestEntry struct {
	domain, rel string
	mode        fs.FileMode
}

func (e digestEntry) key() string { return e.domain + "/" + e.rel }

// Digest writes one line for everything on the phone in dir that a backup must
// bring back, sorted by the bytes of Domain/path:
//
//	<64 hexadecimal digits><blank><blank>Domain/path
//
// The digits are the SHA-256 of what a backup carries of a regular file (see
// [SnapshotFile]), of "link:" and the target of a symbolic link, of "dir" for a
// folder; the root of a domain has an empty path. A path with a line feed or a
// backslash is written as sha256sum does: the line starts with a backslash, and
// \n and \\ stand for the two.
func Digest(ctx context.Context, dir string, encrypted bool, w io.Writer) error {
	entries, err := listBacked(ctx, dir, encrypted)
	if err != nil {
		return fmt.Errorf("digest %s: %w", dir, err)
	}
	sums := make([][sha256.Size]byte, len(entries))
	var next atomic.Int64
	g, gctx := errgroup.WithContext(ctx)
	for range runtime.GOMAXPROCS(0) {
		g.Go(func() error {
			buf := make([]byte, 1<<18)
			for {
				i := int(next.Add(1)) - 1
				if i >= len(entries) {
					return nil
				}
				if err := entries[i].hash(gctx, dir, &sums[i], buf); err != nil {
					return fmt.Errorf("digest %s: %w", entries[i].key(), err)
				}
			}
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	out := bufio.NewWriterSize(w, 1<<16)
	for i, e := range entries {
		mark, key := "", e.key()
		if strings.ContainsAny(key, "\n\\") {
			mark, key = `\`, strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(key)
		}
		if _, err := fmt.Fprintf(out, "%s%x  %s\n", mark, sums[i], key); err != nil {
			return fmt.Errorf("write digest: %w", err)
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write digest: %w", err)
	}
	return nil
}

// listBacked finds what a backup takes, sorted.
func listBacked(ctx context.Context, dir string, encrypted bool) ([]digestEntry, error) {
	domains, err := os.ReadDir(filepath.Join(dir, fsFolder))
	if err != nil {
		return nil, err
	}
	var entries []digestEntry
	for _, d := range domains {
		root := hostPath(dir, d.Name(), "")
		err := filepath.WalkDir(root, func(at string, e fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			rel := strings.TrimPrefix(strings.TrimPrefix(at, root), string(filepath.Separator))
			rel = filepath.ToSlash(rel)
			if !Backed(d.Name(), rel, encrypted) {
				if e.IsDir() {
					return fs.SkipDir
				}
				return nil
			}
			switch e.Type() {
			case 0, fs.ModeDir, fs.ModeSymlink:
				entries = append(entries, digestEntry{d.Name(), rel, e.Type()})
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(entries, func(a, b digestEntry) int { return strings.Compare(a.key(), b.key()) })
	return entries, nil
}

func (e digestEntry) hash(ctx context.Context, dir string, sum *[sha256.Size]byte, buf []byte) (err error) {
	at := hostPath(dir, e.domain, e.rel)
	switch e.mode {
	case fs.ModeDir:
		*sum = sha256.Sum256([]byte("dir"))
		return nil
	case fs.ModeSymlink:
		target, err := os.Readlink(at)
		*sum = sha256.Sum256([]byte("link:" + target))
		return err
	}
	r, _, err := SnapshotFile(ctx, at)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	h := sha256.New()
	// The reader is hidden so that CopyBuffer uses buf.
	if _, err := io.CopyBuffer(h, struct{ io.Reader }{r}, buf); err != nil {
		return err
	}
	h.Sum(sum[:0])
	return ctx.Err()
}
