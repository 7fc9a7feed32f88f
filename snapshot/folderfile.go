package snapshot

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/keepsake-backup/keepsake/keybag"
	"github.com/keepsake-backup/keepsake/repository"
)

// fileInfo describes a file or folder.
type fileInfo struct {
	name    string
	size    int64
	mode    fs.FileMode
	modTime time.Time
	sys     any
}

func (i fileInfo) Name() string       { return path.Base(i.name) }
func (i fileInfo) Size() int64        { return i.size }
func (i fileInfo) Mode() fs.FileMode  { return i.mode }
func (i fileInfo) ModTime() time.Time { return i.modTime }
func (i fileInfo) IsDir() bool        { return i.mode.IsDir() }
func (i fileInfo) Sys() any           { return i.sys }

// storedFile is an open file of the iTunes folder. Reading on and WriteTo go
// through the content once, encrypting; ReadAt remembers where it can go on.
type storedFile struct {
	info    fileInfo
	content *repository.File
	key     keybag.Key // zero: as it is
	random  io.ReaderAt

	mu     sync.Mutex
	offset int64
	next   io.Reader // at offset, when reading began at 0; guarded by mu
}

func newStored(info fileInfo, content *repository.File) (*storedFile, error) {
	if content.Size() != info.size {
		return nil, fmt.Errorf("%w: %d bytes are stored, and the index says %d", errIndex, content.Size(), info.size)
	}
	return &storedFile{info: info, content: content, random: content}, nil
}

func newSealing(info fileInfo, content *repository.File, key keybag.Key) (*storedFile, error) {
	r, err := keybag.EncryptReaderAt(key, content, content.Size())
	if err != nil {
		return nil, err
	}
	if r.Size() != info.size {
		return nil, fmt.Errorf("%w: %d bytes when encrypted, and the index says %d", errIndex, r.Size(), info.size)
	}
	return &storedFile{info: info, content: content, key: key, random: r}, nil
}

func (f *storedFile) Stat() (fs.FileInfo, error) { return f.info, nil }

// Close does nothing: nothing is held.
func (f *storedFile) Close() error { return nil }

func (f *storedFile) ReadAt(p []byte, off int64) (int, error) { return f.random.ReadAt(p, off) }

func (f *storedFile) Read(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.key.IsZero() || f.next == nil && f.offset > 0 {
		n, err := f.random.ReadAt(p, f.offset)
		f.offset += int64(n)
		if n > 0 && err == io.EOF {
			err = nil
		}
		return n, err
	}
	if f.next == nil {
		f.next = keybag.EncryptReader(f.key, io.NewSectionReader(f.content, 0, f.content.Size()))
	}
	n, err := f.next.Read(p)
	f.offset += int64(n)
	return n, err
}

func (f *storedFile) Seek(offset int64, whence int) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += f.offset
	case io.SeekEnd:
		offset += f.info.size
	default:
		offset = -1
	}
	if offset < 0 {
		return 0, &fs.PathError{Op: "seek", Path: f.info.name, Err: fs.ErrInvalid}
	}
	if offset != f.offset {
		f.offset, f.next = offset, nil
	}
	return offset, nil
}

// WriteTo writes what is left to w, reading ahead when that is everything.
func (f *storedFile) WriteTo(w io.Writer) (int64, error) {
	f.mu.Lock()
	whole := f.offset == 0 && f.next == nil
	if whole {
		f.offset = f.info.size
	}
	f.mu.Unlock()
	if !whole {
		return io.Copy(w, struct{ io.Reader }{f})
	}
	content, err := f.content.Seek(0, io.SeekStart)
	if err != nil {
		return content, err
	}
	if f.key.IsZero() {
		return f.content.WriteTo(w)
	}
	counted := &counter{w: w}
	sealing, err := keybag.EncryptWriter(f.key, counted)
	if err != nil {
		return 0, err
	}
	if _, err = f.content.WriteTo(sealing); err == nil {
		err = sealing.Close()
	}
	return counted.n, err
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// manifestFile is Manifest.db of an encrypted backup. To encrypt it only for
// SQLite to read it decrypted would cost much and prove nothing, so package
// itunesbackup asks for the plaintext.
type manifestFile struct {
	*storedFile
	key   keybag.Key
	plain sizedReaderAt
}

// Unsealed gives the plaintext to who has the key.
func (f *manifestFile) Unsealed(key keybag.Key) (io.ReaderAt, int64, bool) {
	if !key.Equal(f.key) {
		return nil, 0, false
	}
	return f.plain, f.plain.Size(), true
}

// openDir is an open folder.
type openDir struct {
	name string
	info fs.FileInfo
	read func(name string) ([]fs.DirEntry, error)

	mu   sync.Mutex
	rest []fs.DirEntry
	done bool
}

func (d *openDir) Stat() (fs.FileInfo, error) { return d.info, nil }
func (d *openDir) Close() error               { return nil }
func (d *openDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.name, Err: errors.New("it is a folder")}
}

func (d *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.done {
		all, err := d.read(d.name)
		if err != nil {
			return nil, err
		}
		d.rest, d.done = all, true
	}
	if n <= 0 {
		all := d.rest
		d.rest = nil
		return all, nil
	}
	if len(d.rest) == 0 {
		return nil, io.EOF
	}
	n = min(n, len(d.rest))
	some := d.rest[:n:n]
	d.rest = d.rest[n:]
	return some, nil
}

func sortEntries(list []fs.DirEntry) {
	slices.SortFunc(list, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
}
