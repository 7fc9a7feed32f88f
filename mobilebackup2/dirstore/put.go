package dirstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"sync"
)

const pieceSize = 256 << 10

var pieces = sync.Pool{New: func() any { b := make([]byte, pieceSize); return &b }}

// Put writes a file. Property lists and manifests beside the folders of a
// backup are replaced atomically; Status.plist goes behind everything it speaks
// of: see the package comment.
func (s *Store) Put(ctx context.Context, p string, r io.Reader) error {
	if err := check(p); err != nil {
		return err
	}
	if isIndex(p) {
		return s.replace(ctx, p, r)
	}
	parent, name := split(p)
	d, err := s.at(parent, true)
	if err != nil {
		return cause(err)
	}
	if err := s.mark(); err != nil {
		return err
	}
	if err := s.setAside(p); err != nil {
		return cause(err)
	}
	if d.handle == nil { // closed to make room
		if d, err = s.at(parent, true); err != nil {
			return cause(err)
		}
	}
	size, err := s.write(d, name, r, s.opt.SyncEachFile)
	if err != nil {
		return err
	}
	d.wrote(name, size)
	d.noteUnsynced(name)
	s.unsaved = true
	return s.ahead.wrote(s, size)
}

// write makes the file name in d of what r gives. After an error there is none.
func (s *Store) write(d *dir, name string, r io.Reader, sync bool) (size int64, err error) {
	buf := pieces.Get().(*[]byte)
	defer pieces.Put(buf)
	n, rerr := fill(r, *buf)
	if rerr != nil && rerr != io.EOF {
		return 0, rerr
	}
	f, err := d.handle.create(name)
	if errors.Is(err, fs.ErrExist) {
		// Never write into a file that is there: it may have a second name.
		if err := d.handle.remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, err
		}
		d.drop(name)
		f, err = d.handle.create(name)
	}
	if err != nil {
		return 0, err
	}
	if rerr == io.EOF {
		size = int64(n)
		err = f.write((*buf)[:n])
	} else {
		size, err = writeLarge(f, (*buf)[:n], r)
	}
	if err == nil && sync {
		err = f.sync()
	}
	if cerr := f.close(); err == nil {
		err = cerr
	}
	if err != nil {
		d.drop(name)
		if rerr := d.handle.remove(name); rerr != nil {
			d.unlearn() // it still stands there
			err = errors.Join(err, rerr)
		}
		return 0, err
	}
	return size, nil
}

// fill reads until p is full or r ends.
func fill(r io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var k int
		k, err = r.Read(p[n:])
		n += k
	}
	return n, err
}

// writeLarge writes first and the rest of r. Reading (the caller's goroutine)
// and writing overlap: neither the phone nor the disk waits for the other.
func writeLarge(f *file, first []byte, r io.Reader) (size int64, err error) {
	const depth = 3
	free := make(chan *[]byte, depth)
	full := make(chan []byte, depth)
	done := make(chan error, 1)
	for range depth {
		free <- pieces.Get().(*[]byte)
	}
	go func() {
		var err error
		for p := range full {
			if err == nil {
				err = f.write(p)
			}
			p = p[:pieceSize]
			free <- &p
		}
		done <- err
	}()
	// The first piece is the caller's own buffer: copy it into the ring.
	buf := <-free
	full <- (*buf)[:copy(*buf, first)]
	size = int64(len(first))
	var rerr error
	for rerr == nil {
		buf := <-free
		var n int
		n, rerr = fill(r, *buf)
		size += int64(n)
		full <- (*buf)[:n]
	}
	close(full)
	err = <-done
	for range depth {
		pieces.Put(<-free)
	}
	if rerr != io.EOF {
		err = rerr // what stopped the phone's side comes first
	}
	return size, err
}

// replace puts an index file in place atomically: whoever looks, and whenever
// the power fails, there is the old one or the new one. Status.plist also waits
// for what it speaks of:
//
//	uploading   nothing: a run that is cut off here is recovered by Lock
//	any other   everything written and renamed before is durable first, and the
//	            file itself is before Put returns
func (s *Store) replace(_ context.Context, p string, r io.Reader) error {
	parent, name := split(p)
	own := s.lock != nil && !s.lock.shared && p == s.lock.udid+"/"+statusName
	if own {
		if err := s.begin(s.lock.udid); err != nil {
			return cause(err)
		}
	}
	d, err := s.at(parent, true)
	if err != nil {
		return cause(err)
	}
	promise, state := false, ""
	if name == statusName {
		data, err := io.ReadAll(io.LimitReader(r, maxStatus))
		if err != nil {
			return err
		}
		state = stateIn(data)
		promise = state != uploading
		r = io.MultiReader(bytes.NewReader(data), r)
	}
	digest := sha256.New()
	r = io.TeeReader(r, digest)
	temp := tempPrefix + name
	// Where flush takes everything along, the file needs no sync of its own.
	size, err := s.write(d, temp, r, !promise || !flushesAll)
	if err != nil {
		return err
	}
	s.renamed = true
	if promise {
		err = s.settle()
	}
	if err == nil && !own {
		err = cause(s.setAside(p))
	}
	if err == nil && s.kept && (own || p == s.lock.udid+"/"+infoName) {
		if own {
			s.trace.State = state
		}
		s.trace.saw(name, hex.EncodeToString(digest.Sum(nil)))
		err = s.writeTrace()
	}
	if err == nil {
		if d, err = s.at(parent, false); err == nil {
			err = cause(renameAt(s.root, d, temp, d, name))
		}
	}
	if err != nil {
		return errors.Join(err, cause(s.root.Remove(parent+"/"+temp)))
	}
	d.drop(temp)
	d.wrote(name, size)
	if !promise {
		s.renamed = true
		return nil
	}
	if err := d.handle.sync(); err != nil || !own || state != finished || !s.kept {
		return err
	}
	return s.dropPrevious(s.lock.udid)
}
