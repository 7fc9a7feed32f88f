package cache

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

// folder is the disk of a cache.
type folder struct {
	root *os.Root
	// through stands between copies and their files, for tests of full disks.
	through func(io.Writer) io.Writer
}

const (
	tempPrefix = "tmp-"
	// staleTemp is the age at which a file on its way belongs to nobody any more.
	staleTemp = 24 * time.Hour
	// tag keeps other backups from backing up a cache (bford.info/cachedir).
	tagName = "CACHEDIR.TAG"
	tag     = "Signature: 8a477f597d28d172789f06886806bc55\n# Copies of files of a repository. They may be deleted at any time.\n"
)

var keptTypes = []backend.FileType{backend.IndexFile, backend.SnapshotFile, backend.PackFile}

func openFolder(dir string) (*folder, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	d := &folder{root: root}
	if err := d.prepare(); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return d, nil
}

// prepare makes the folders and clears away what crashes left. A disk that
// cannot be written to can still be read from.
func (d *folder) prepare() error {
	for _, t := range keptTypes {
		if err := d.root.Mkdir(t.Folder(), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			if _, missing := d.root.Stat(t.Folder()); missing != nil {
				return err
			}
		}
		if err := d.sweep(t); err != nil {
			return err
		}
	}
	f, err := d.root.OpenFile(tagName, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil // it is there, or the disk is full: only a courtesy
	}
	_, _ = f.WriteString(tag)
	_ = f.Close()
	return nil
}

// sweep removes old files on their way.
func (d *folder) sweep(t backend.FileType) error {
	entries, err := d.entries(t)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), tempPrefix) {
			continue
		}
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > staleTemp {
			_ = d.root.Remove(t.Folder() + "/" + e.Name()) // another process may be first
		}
	}
	return nil
}

func (d *folder) close() error { return d.root.Close() }

// path is where the copy of h lies, or "" if there is never one.
func (d *folder) path(h backend.Handle) string {
	switch h.Type {
	case backend.IndexFile, backend.SnapshotFile, backend.PackFile:
		if backend.IsName(h.Name) {
			return h.Type.Folder() + "/" + h.Name
		}
	}
	return ""
}

// open opens a copy of at most limit bytes.
func (d *folder) open(h backend.Handle, limit int64) (*os.File, int64, error) {
	f, err := d.root.Open(d.path(h))
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && (!info.Mode().IsRegular() || info.Size() > limit) {
		err = fmt.Errorf("%s is no copy: %v of %d bytes", d.path(h), info.Mode().Type(), info.Size())
	}
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size(), nil
}

// read reads a copy of at most limit bytes.
func (d *folder) read(h backend.Handle, limit int64) ([]byte, error) {
	f, size, err := d.open(h, limit)
	if err != nil {
		return nil, err
	}
	defer f.Close() // nothing was written
	data := make([]byte, size)
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, fmt.Errorf("read %s: %w", d.path(h), err)
	}
	return data, nil
}

func (d *folder) remove(h backend.Handle) error { return d.root.Remove(d.path(h)) }

// touch marks a copy as used now.
func (d *folder) touch(h backend.Handle) error {
	now := time.Now()
	return d.root.Chtimes(d.path(h), now, now)
}

// copied is a copy in a listing.
type copied struct {
	name string
	size int64
	used time.Time
}

// list gives the copies of a type.
func (d *folder) list(t backend.FileType) ([]copied, error) {
	if d.path(backend.Handle{Type: t, Name: strings.Repeat("0", 64)}) == "" {
		return nil, nil
	}
	entries, err := d.entries(t)
	if err != nil {
		return nil, err
	}
	var copies []copied
	for _, e := range entries {
		if !backend.IsName(e.Name()) {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // another process
		} else if err != nil {
			return nil, err
		}
		copies = append(copies, copied{e.Name(), info.Size(), info.ModTime()})
	}
	return copies, nil
}

func (d *folder) entries(t backend.FileType) ([]fs.DirEntry, error) {
	f, err := d.root.Open(t.Folder())
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.ReadDir(-1)
}

// tempFile is a copy on its way.
type tempFile struct {
	d    *folder
	path string
	f    *os.File
	w    io.Writer
}

func (d *folder) create(t backend.FileType) (*tempFile, error) {
	path := t.Folder() + "/" + tempPrefix + rand.Text()
	f, err := d.root.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	temp := &tempFile{d: d, path: path, f: f, w: f}
	if d.through != nil {
		temp.w = d.through(f)
	}
	return temp, nil
}

func (t *tempFile) Write(p []byte) (int, error) { return t.w.Write(p) }

// restart forgets what was written.
func (t *tempFile) restart() error {
	if _, err := t.f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return t.f.Truncate(0)
}

// publish gives the file its name. It is not synced: who reads it checks it.
func (t *tempFile) publish(h backend.Handle) error {
	err := t.f.Close()
	if err == nil {
		err = t.d.root.Rename(t.path, t.d.path(h))
	}
	if err == nil {
		return nil
	}
	_ = t.d.root.Remove(t.path) // swept later if that fails too
	if _, there := t.d.root.Stat(t.d.path(h)); there == nil {
		return nil // Windows replaces no file that somebody reads; it has the same bytes
	}
	return err
}

func (t *tempFile) abandon() {
	_ = t.f.Close()
	_ = t.d.root.Remove(t.path) // swept later if that fails
}

// isAbsent tells whether there is just no copy.
func isAbsent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, os.ErrClosed)
}
