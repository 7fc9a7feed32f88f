package restorer

import (
	"bytes"
	"errors"
	"os"
	"sync"

	"github.com/keepsake-backup/keepsake/repository/format"
)

// file is one that is being restored. Its pieces arrive in any order.
type file struct {
	r    *run
	in   *folder
	node *format.Node
	path string
	size int64 // of all pieces

	mu     sync.Mutex
	left   int // pieces that have not come
	h      *handle
	f      *os.File // nil: not begun, finished, or failed
	temp   string
	failed bool
}

// write puts a piece into its place; the last one finishes the file. Errors end
// the run; what concerns this file only is told and costs the file.
func (f *file) write(offset int64, data []byte) error {
	if err := f.begin(); err != nil {
		return f.fail(err)
	}
	f.mu.Lock()
	out, failed := f.f, f.failed
	f.mu.Unlock()
	if failed {
		return nil
	}
	if err := f.writeAt(out, data, offset); err != nil {
		return f.fail(err)
	}
	f.r.written.Add(int64(len(data)))
	f.mu.Lock()
	f.left--
	last := f.left == 0 && !f.failed
	f.mu.Unlock()
	if !last {
		if len(data) > 64<<10 {
			f.r.progress(f.path)
		}
		return nil
	}
	return f.finish()
}

// begin makes the file under its temporary name, once.
func (f *file) begin() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.f != nil || f.failed {
		return nil
	}
	h, err := f.r.folders.get(f.in.local)
	if err != nil {
		return err
	}
	f.temp = f.r.tempName()
	out, err := h.root.OpenFile(f.temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		f.r.folders.put(h)
		return err
	}
	f.h, f.f = h, out
	return nil
}

// hole is the unit in which zeros are left out.
const hole = 4096

var zeros [hole]byte

func (f *file) writeAt(out *os.File, data []byte, offset int64) error {
	if !f.r.o.Sparse {
		_, err := out.WriteAt(data, offset)
		return err
	}
	for len(data) > 0 {
		n := 0
		for n < len(data) && !isHole(data[n:]) {
			n += min(hole, len(data)-n)
		}
		if n > 0 {
			if _, err := out.WriteAt(data[:n], offset); err != nil {
				return err
			}
		}
		for n < len(data) && isHole(data[n:]) {
			n += min(hole, len(data)-n)
		}
		data, offset = data[n:], offset+int64(n)
	}
	return nil
}

func isHole(data []byte) bool {
	n := min(hole, len(data))
	return bytes.Equal(data[:n], zeros[:n])
}

// finish gives a whole file its metadata and its name.
func (f *file) finish() error {
	if err := f.begin(); err != nil {
		return f.fail(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	out, h := f.f, f.h
	f.f = nil
	defer f.r.folders.put(h)
	var err error
	if f.r.o.Sparse {
		err = out.Truncate(f.size)
	}
	metaErr := f.r.setFile(h, out, f.temp, f.node)
	if err = errors.Join(err, out.Close()); err == nil {
		err = h.root.Rename(f.temp, f.node.Name)
	}
	if err != nil {
		f.failed = true
		err = errors.Join(err, h.root.Remove(f.temp))
	} else {
		f.r.files.Add(1)
		f.r.count(&f.r.summary.Files)
		f.r.progress(f.path)
		err = metaErr
	}
	if err != nil {
		if fatal := f.r.problem(f.path, err); fatal != nil {
			return fatal
		}
	}
	return f.r.finished(f.in)
}

// fail gives the file up and tells why.
func (f *file) fail(err error) error {
	f.mu.Lock()
	if f.failed {
		f.mu.Unlock()
		return nil
	}
	f.failed = true
	f.removeLocked()
	f.mu.Unlock()
	if fatal := f.r.problem(f.path, err); fatal != nil {
		return fatal
	}
	return f.r.finished(f.in)
}

// abandon removes an unfinished file at the end of a run.
func (f *file) abandon() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failed = true
	f.removeLocked()
}

func (f *file) removeLocked() {
	if f.f == nil {
		return
	}
	// The next restore removes what cannot be removed now.
	f.f.Close()
	f.h.root.Remove(f.temp)
	f.r.folders.put(f.h)
	f.f = nil
}
