package dirstore

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/windows"

	"github.com/keepsake-backup/keepsake/mobilebackup2"
)

// handle is an open folder.
type handle struct{ r *os.Root }

func openDir(root *os.Root, p string) (*handle, error) {
	r, err := root.OpenRoot(p)
	if err != nil {
		return nil, cause(err)
	}
	return &handle{r}, nil
}

func (h *handle) close() { h.r.Close() }

// sync has nothing to do: NTFS writes names to its journal by itself.
func (h *handle) sync() error { return nil }

func (h *handle) create(name string) (*file, error) {
	f, err := h.r.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, filePerm)
	if err != nil {
		return nil, cause(err)
	}
	return &file{f: f}, nil
}

func (h *handle) openRead(name string) (io.ReadCloser, int64, error) {
	f, err := h.r.Open(name)
	if err != nil {
		return nil, 0, cause(err)
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = fs.ErrInvalid
	}
	if err != nil {
		f.Close()
		return nil, 0, cause(err)
	}
	return f, st.Size(), nil
}

func (h *handle) remove(name string) error { return cause(h.r.Remove(name)) }

func (h *handle) stat(name string) (mobilebackup2.Entry, error) {
	st, err := h.r.Lstat(name)
	if err != nil {
		return mobilebackup2.Entry{}, cause(err)
	}
	return entryOf(st), nil
}

func entryOf(st fs.FileInfo) mobilebackup2.Entry {
	e := mobilebackup2.Entry{Name: st.Name(), ModTime: st.ModTime(), Dir: st.IsDir()}
	if !e.Dir {
		e.Size = st.Size()
	}
	return e
}

// renameAt takes an open folder out of the way of its own move: Windows does
// not move what is open.
func renameAt(root *os.Root, src *dir, from string, dst *dir, to string) error {
	return cause(root.Rename(src.path+"/"+from, dst.path+"/"+to))
}

func inTheWay(err error) bool {
	return errors.Is(err, fs.ErrExist) || errors.Is(err, windows.ERROR_ACCESS_DENIED) || errors.Is(err, windows.ERROR_DIRECTORY)
}

func isTooMany(err error) bool { return errors.Is(err, windows.ERROR_TOO_MANY_OPEN_FILES) }

func readDir(root *os.Root, p string) ([]mobilebackup2.Entry, error) {
	f, err := root.Open(p)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	infos, err := f.Readdir(-1)
	if err != nil {
		return nil, err
	}
	var list []mobilebackup2.Entry
	for _, st := range infos {
		if !strings.HasPrefix(st.Name(), tempPrefix) {
			list = append(list, entryOf(st))
		}
	}
	return list, nil
}

type file struct{ f *os.File }

func (f *file) write(p []byte) error { _, err := f.f.Write(p); return cause(err) }
func (f *file) sync() error          { return cause(f.f.Sync()) }
func (f *file) close() error         { return cause(f.f.Close()) }

func freeSpace(top *handle) (int64, error) {
	name, err := windows.UTF16PtrFromString(top.r.Name())
	if err != nil {
		return 0, err
	}
	var free uint64
	if err := windows.GetDiskFreeSpaceEx(name, &free, nil, nil); err != nil {
		return 0, err
	}
	return int64(min(free, 1<<62)), nil
}
