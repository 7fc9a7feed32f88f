package restorer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/repository/treewalk"
)

// verifyWorkers is how many files are read back at the same time.
const verifyWorkers = 4

// maxBlob bounds the memory of one comparison, in bytes.
const maxBlob = 128 << 20

// verify reads every restored file back. What was told as a problem before, or left
// alone, is passed over.
func (r *run) verify(ctx context.Context, tree format.ID) error {
	r.verifying.Store(true)
	r.filesFound.Store(0)
	r.bytesFound.Store(0)
	wrote := r.written.Swap(0)
	defer r.written.Store(wrote)
	r.files.Store(0)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(verifyWorkers)
	walkErr := treewalk.Walk(ctx, r.s, tree, treewalk.Visitor{
		Descend: r.descend,
		Broken:  func(string, error) error { return nil }, // told by the restore
		Node: func(path string, n *format.Node) error {
			if n.Type != format.NodeFile || !r.wanted(path) || r.isLeftOut(path) {
				return nil
			}
			r.filesFound.Add(1)
			r.bytesFound.Add(int64(n.Size))
			group.Go(func() error { return r.verifyFile(ctx, path, n) })
			return nil
		},
	})
	return errors.Join(group.Wait(), walkErr)
}

func (r *run) isLeftOut(path string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.leftOut[path]
}

func (r *run) verifyFile(ctx context.Context, path string, n *format.Node) error {
	h, err := r.folders.get(filepath.Join(".", filepath.Dir(filepath.FromSlash(path[1:]))))
	if err != nil {
		return r.problem(path, err)
	}
	defer r.folders.put(h)
	f, err := h.root.Open(n.Name)
	if err != nil {
		return r.problem(path, err)
	}
	defer f.Close()
	if err := r.compare(ctx, f, n); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return r.problem(path, fmt.Errorf("verify: %w", err))
	}
	r.files.Add(1)
	r.count(&r.summary.Verified)
	r.progress(path)
	return nil
}

func (r *run) compare(ctx context.Context, f *os.File, n *format.Node) error {
	var buf []byte
	offset := int64(0)
	for _, id := range n.Content {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		size, err := r.s.BlobSize(ctx, format.BlobHandle{ID: id, Type: format.DataBlob})
		if err != nil {
			return err
		}
		if size > maxBlob {
			return fmt.Errorf("a blob of %d bytes, more than %d", size, maxBlob)
		}
		if cap(buf) < int(size) {
			buf = make([]byte, size)
		}
		buf = buf[:size]
		if _, err := io.ReadFull(f, buf); err != nil {
			return fmt.Errorf("read back at %d: %w", offset, err)
		}
		if format.Hash(buf) != id {
			return fmt.Errorf("the %d bytes at %d are not what the snapshot holds", size, offset)
		}
		offset += int64(size)
		r.written.Add(int64(size))
	}
	if more, err := f.Read(make([]byte, 1)); more > 0 || err != io.EOF {
		return fmt.Errorf("the file is longer than %d bytes", offset)
	}
	return nil
}
