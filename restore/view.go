package restore

import (
	"bytes"
	"context"
	"io/fs"
	"iter"
	"path"
	"slices"
	"time"

	"github.com/keepsake-backup/keepsake/itunesbackup"
)

// view is a backup folder with other contents in a few files, and without the
// files that are left out.
type view struct {
	fs.FS
	changed map[string][]byte
	hidden  map[itunesbackup.FileID]struct{}
}

func (v *view) hides(name string) bool {
	id, err := itunesbackup.ParseFileID(path.Base(name))
	if err != nil {
		return false
	}
	_, hidden := v.hidden[id]
	return hidden
}

func (v *view) Open(name string) (fs.File, error) {
	if data, ok := v.changed[name]; ok {
		return &memoryFile{bytes.NewReader(data), memoryInfo{name, int64(len(data))}}, nil
	}
	if v.hides(name) {
		return nil, missing("open", name)
	}
	return v.FS.Open(name)
}

func (v *view) Stat(name string) (fs.FileInfo, error) {
	if data, ok := v.changed[name]; ok {
		return memoryInfo{name, int64(len(data))}, nil
	}
	if v.hides(name) {
		return nil, missing("stat", name)
	}
	return fs.Stat(v.FS, name)
}

func (v *view) ReadDir(name string) ([]fs.DirEntry, error) {
	list, err := fs.ReadDir(v.FS, name)
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(e fs.DirEntry) bool { return v.hides(e.Name()) })
	if name != "." {
		return list, nil
	}
	for i, e := range list {
		if data, ok := v.changed[e.Name()]; ok {
			list[i] = fs.FileInfoToDirEntry(memoryInfo{e.Name(), int64(len(data))})
		}
	}
	return list, nil
}

// Lacking asks the file system below, if that can tell.
func (v *view) Lacking(ctx context.Context) iter.Seq2[string, error] {
	below, ok := v.FS.(Prover)
	return func(yield func(string, error) bool) {
		if !ok {
			return
		}
		for name, err := range below.Lacking(ctx) {
			if _, changed := v.changed[name]; !changed && !v.hides(name) && !yield(name, err) {
				return
			}
		}
	}
}

// memoryFile is a file of a view that differs.
type memoryFile struct {
	*bytes.Reader
	info memoryInfo
}

func (f *memoryFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *memoryFile) Close() error               { return nil }

type memoryInfo struct {
	name string
	size int64
}

func (i memoryInfo) Name() string       { return i.name }
func (i memoryInfo) Size() int64        { return i.size }
func (i memoryInfo) Mode() fs.FileMode  { return 0o400 }
func (i memoryInfo) ModTime() time.Time { return time.Time{} }
func (i memoryInfo) IsDir() bool        { return false }
func (i memoryInfo) Sys() any           { return nil }
