package archiver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/keepsake-backup/keepsake/repository/format"
)

// job is an entry that is no folder.
type job struct {
	dir    *folder
	slot   int // of its node
	name   string
	path   string
	kind   fs.FileMode  // type bits; may be out of date
	old    *format.Node // in the parent; nil: none
	device uint64       // where Paths said to start; 0: asked for by name
}

// arrival is a file that has been read, on its way into the repository.
type arrival struct {
	job
	node    format.Node
	content Content
}

// smallFile is the size in bytes up to which a file is read with one call.
const smallFile = 64 << 10

func (r *run) send(ctx context.Context, j job) error {
	select {
	case r.jobs <- j:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// read takes jobs until there are no more.
func (r *run) read(ctx context.Context) error {
	buf := make([]byte, smallFile+1)
	for j := range r.jobs {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := r.item(ctx, j, buf); err != nil {
			return err
		}
	}
	return nil
}

// item makes the node of an entry. What cannot be read is told and left out;
// errors are those of the repository.
func (r *run) item(ctx context.Context, j job, buf []byte) error {
	// A new regular file is opened straight away; who it is, the open file knows.
	if j.kind.IsRegular() && (j.old == nil || r.o.Force) && !r.o.OneFileSystem {
		return r.file(ctx, j, buf)
	}
	m, err := lstat(j.path)
	if err != nil {
		r.problem(j.path, err)
		return r.done(ctx, j.dir)
	}
	if r.o.OneFileSystem && j.device != 0 && m.device != j.device {
		return r.done(ctx, j.dir) // a file mounted over another
	}
	if !m.mode.IsRegular() {
		return r.special(ctx, j, &m)
	}
	if j.old != nil && !r.o.Force && m.unchanged(j.old) {
		known, err := r.known(ctx, j.old)
		if err != nil {
			return err
		}
		if known {
			return r.reuse(ctx, j, &m)
		}
	}
	return r.file(ctx, j, buf)
}

// special makes the node of what has no content.
func (r *run) special(ctx context.Context, j job, m *meta) error {
	n, ok := r.node(j.name, m)
	switch {
	case n.Type == format.NodeDir:
		r.problem(j.path, errors.New("it has become a folder meanwhile"))
		return r.done(ctx, j.dir)
	case !ok:
		r.problem(j.path, fmt.Errorf("it is of a kind that cannot be stored (%v)", m.mode.Type()))
		return r.done(ctx, j.dir)
	}
	var err error
	if n.Type == format.NodeSymlink {
		if n.LinkTarget, err = os.Readlink(j.path); err == nil && n.LinkTarget == "" {
			err = errors.New("the link has no target")
		}
		if err != nil {
			r.problem(j.path, err)
			return r.done(ctx, j.dir)
		}
	}
	if n.Xattrs, err = linkXattrs(j.path); err != nil {
		r.problem(j.path, err)
	}
	return r.keep(ctx, j, n)
}

// known tells whether the repository has the content of a file of the parent,
// and as much of it as the node says.
func (r *run) known(ctx context.Context, old *format.Node) (bool, error) {
	size := uint64(0)
	for _, id := range old.Content {
		n, err := r.parent.Source.BlobSize(ctx, format.BlobHandle{ID: id, Type: format.DataBlob})
		if absent(err) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("look up the content of the parent snapshot: %w", err)
		}
		size += uint64(n)
	}
	return size == old.Size, nil
}

// reuse takes the content of the parent for a file that has not changed.
func (r *run) reuse(ctx context.Context, j job, m *meta) error {
	n, _ := r.node(j.name, m)
	var err error
	if n.Xattrs, err = linkXattrs(j.path); err != nil {
		r.problem(j.path, err)
	}
	n.Content = slices.Clone(j.old.Content) // the parent's folder need not stay in memory
	if n.Content == nil {
		n.Content = []format.ID{}
	}
	r.bytes.Add(m.size)
	r.fileCounts[unmodified].Add(1)
	return r.keep(ctx, j, n)
}

// file reads a regular file.
func (r *run) file(ctx context.Context, j job, buf []byte) error {
	f, m, err := open(j.path)
	if err != nil {
		r.problem(j.path, err)
		return r.done(ctx, j.dir)
	}
	a, err := r.store(ctx, j, f, &m, buf)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	var item *itemError
	if errors.As(err, &item) {
		r.problem(j.path, item.err)
		return r.done(ctx, j.dir)
	}
	if err != nil {
		return err
	}
	select {
	case r.arrivals <- a:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// itemError is about one entry; the run goes on without it.
type itemError struct{ err error }

func (e *itemError) Error() string { return e.err.Error() }
func (e *itemError) Unwrap() error { return e.err }

// store hands the content of an open file to the repository.
func (r *run) store(ctx context.Context, j job, f *file, m *meta, buf []byte) (arrival, error) {
	a := arrival{job: j}
	if !m.mode.IsRegular() {
		return a, &itemError{errors.New("it was a regular file and is none any more")}
	}
	a.node, _ = r.node(j.name, m)
	var err error
	if a.node.Xattrs, err = f.xattrs(); err != nil {
		r.problem(j.path, err)
	}
	from := &source{r: r, f: f, path: j.path}
	var content io.Reader = from
	hint := m.size
	if m.size <= smallFile {
		n, err := from.fill(buf, m.size)
		if err != nil {
			return a, &itemError{err}
		}
		if n < len(buf) {
			content, hint = bytes.NewReader(buf[:n]), int64(n)
		} else { // it grew, or its size cannot be asked for
			content, hint = io.MultiReader(bytes.NewReader(buf), from), -1
		}
	}
	a.content, err = r.w.saveFile(ctx, content, j.name, hint)
	if from.err != nil {
		return a, &itemError{from.err}
	}
	a.node.Size = uint64(from.size) // what was read, whatever it was before
	return a, err
}

// source counts what is read of a file and tells its errors from the
// repository's.
type source struct {
	r    *run
	f    *file
	path string
	size int64
	err  error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.f.Read(p)
	s.size += int64(n)
	s.r.bytes.Add(int64(n))
	if err != nil && err != io.EOF {
		s.err = err
	}
	if s.size > smallFile {
		s.r.progress(s.path)
	}
	return n, err
}

// fill reads into buf until it is full or the file ends. A file that gives just
// the size it said is not asked for more.
func (s *source) fill(buf []byte, size int64) (int, error) {
	n := 0
	for n < len(buf) {
		m, err := s.Read(buf[n:])
		n += m
		if err == io.EOF || err == nil && n > 0 && int64(n) == size {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// collect waits for the blobs of files, in the order in which they were read.
func (r *run) collect(ctx context.Context) error {
	for a := range r.arrivals {
		ids, err := a.content.IDs(ctx)
		if err != nil {
			return err
		}
		if ids == nil {
			ids = []format.ID{}
		}
		a.node.Content = ids
		old := a.old
		switch {
		case old == nil || old.Type != format.NodeFile:
			r.fileCounts[added].Add(1)
		case slices.Equal(old.Content, ids):
			r.fileCounts[unmodified].Add(1)
		default:
			r.fileCounts[changed].Add(1)
		}
		if err := r.keep(ctx, a.job, a.node); err != nil {
			return err
		}
	}
	return nil
}

// keep puts a finished node into its folder.
func (r *run) keep(ctx context.Context, j job, n format.Node) error {
	if n.Type == format.NodeFile {
		r.total.Add(n.Size)
	}
	j.dir.nodes[j.slot] = n
	r.files.Add(1)
	r.progress(j.path)
	return r.done(ctx, j.dir)
}
