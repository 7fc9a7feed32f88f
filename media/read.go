package media

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/keepsake-backup/keepsake/afc"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// errChanging tells of a file that changed during two readings.
var errChanging = errors.New("it was being changed, twice, while it was read")

// item is what is read in one go: a file, or a database with its log.
type item []*entry

// items are what is not stored yet.
func (r *run) items() (list []item, bytes int64) {
	databases := map[string]*entry{}
	logs := map[string][]*entry{}
	var files []*entry
	for e := range r.l.files {
		if base, ok := logOf(e.path); ok {
			logs[base] = append(logs[base], e)
			continue
		}
		databases[e.path] = e
		files = append(files, e)
	}
	for base, orphans := range logs {
		if databases[base] == nil {
			files = append(files, orphans...)
			delete(logs, base)
		}
	}
	for _, e := range files {
		it := append(item{e}, logs[e.path]...)
		stored := true
		for _, e := range it {
			stored = stored && e.node != nil
		}
		if stored {
			continue
		}
		for _, e := range it {
			bytes += e.info.Size()
			e.node = nil // the parts of one database are of one moment
		}
		list = append(list, it)
	}
	return list, bytes
}

// copyItems reads what is not stored.
func (r *run) copyItems(ctx context.Context, items []item) error {
	buffers := make(chan *bufio.Reader, len(r.pool.clients))
	return r.pool.each(ctx, len(items), len(items), task{
		do: func(ctx context.Context, c *afc.Client, i int) error {
			var buf *bufio.Reader
			select {
			case buf = <-buffers:
			default:
				buf = bufio.NewReaderSize(nil, readSize)
			}
			defer func() { buffers <- buf }()
			return r.copyItem(ctx, c, items[i], buf)
		},
		failed: func(i int, err error) {
			for _, e := range items[i] {
				e.node, e.content = nil, nil
				e.fail(err)
			}
			r.note(items[i][0].path, 1, 0)
		},
	})
}

// readSize is how much is asked for at once: the most that package afc asks for.
const readSize = 1 << 20

func (r *run) copyItem(ctx context.Context, c *afc.Client, it item, buf *bufio.Reader) error {
	stable, err := r.readItem(ctx, c, it, buf)
	if err == nil && !stable {
		stable, err = r.readItem(ctx, c, it, buf)
	}
	if err != nil {
		return err
	}
	for _, e := range it {
		if !stable {
			e.content = nil
			e.fail(errChanging)
		}
		if e.content == nil {
			continue // gone, or failed
		}
		r.readFiles.Add(1)
		if err := r.checkpoints.add(ctx, e); err != nil {
			return &fatalError{err}
		}
	}
	r.note(it[0].path, int64(len(it)), 0)
	return nil
}

// readItem reads what is there of an item, and tells whether all of it is as it
// was described before. If not, the descriptions are new.
func (r *run) readItem(ctx context.Context, c *afc.Client, it item, buf *bufio.Reader) (stable bool, err error) {
	read := make([]int64, len(it))
	for i, e := range it {
		e.content = nil
		if e.gone {
			continue
		}
		if read[i], err = r.readFile(ctx, c, e, buf); errors.Is(err, fs.ErrNotExist) {
			e.gone = true
			continue
		}
		if err != nil {
			return false, err
		}
	}
	stable = true
	for i, e := range it {
		if e.content == nil {
			continue
		}
		before := e.info
		if err := e.describe(ctx, c); err != nil {
			return false, err
		}
		switch {
		case e.gone:
			e.content = nil
			stable = stable && i == 0 // a database that is gone takes its log along
		case !e.info.Mode().IsRegular():
			return false, &fs.PathError{Op: "read", Path: e.path, Err: afc.StatusIsDir}
		case e.info.Size() > maxFile:
			return false, fmt.Errorf("%w: size %d", afc.ErrMalformed, e.info.Size())
		default:
			stable = stable && read[i] == e.info.Size() && before.Size() == e.info.Size() && before.ModTime().Equal(e.info.ModTime())
		}
	}
	return stable, nil
}

// readFile hands the content of a file to the repository.
func (r *run) readFile(ctx context.Context, c *afc.Client, e *entry, buf *bufio.Reader) (n int64, err error) {
	f, err := c.Open(ctx, "/"+e.path)
	if err != nil {
		return 0, err
	}
	src := &source{r: r, e: e, from: io.LimitReader(f, e.info.Size())} // an end that is known need not be asked for
	buf.Reset(src)
	content, err := r.w.SaveFile(ctx, buf, e.name, e.info.Size())
	closed := f.Close()
	switch {
	case src.err != nil:
		return 0, src.err
	case err != nil:
		return 0, &fatalError{err}
	case closed != nil:
		return 0, closed
	}
	e.content = content
	return src.n, nil
}

// source counts what is read, and tells the phone's errors from the
// repository's.
type source struct {
	r    *run
	e    *entry
	from io.Reader
	n    int64
	err  error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.from.Read(p)
	s.n += int64(n)
	if err != nil && err != io.EOF {
		s.err = err
	}
	s.r.note(s.e.path, 0, int64(n))
	return n, err
}

// stored gives the node of a file that has been read.
func (e *entry) stored(ctx context.Context) (format.Node, error) {
	ids, err := e.content.IDs(ctx)
	if err != nil {
		return format.Node{}, err
	}
	return fileNode(e, ids), nil
}
