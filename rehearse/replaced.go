package rehearse

import (
	"bytes"
	"io/fs"
	"path"
	"time"
)

// replaced shows a file system with one file replaced.
type replaced struct {
	fs.FS
	name string
	data []byte
}

func (v replaced) Open(name string) (fs.File, error) {
	if name != v.name {
		return v.FS.Open(name)
	}
	return &openReplaced{bytes.NewReader(v.data), v.info()}, nil
}

func (v replaced) Stat(name string) (fs.FileInfo, error) {
	if name != v.name {
		return fs.Stat(v.FS, name)
	}
	return v.info(), nil
}

func (v replaced) ReadDir(name string) ([]fs.DirEntry, error) {
	list, err := fs.ReadDir(v.FS, name)
	for i, e := range list {
		if path.Join(name, e.Name()) == v.name {
			list[i] = fs.FileInfoToDirEntry(v.info())
		}
	}
	return list, err
}

func (v replaced) info() replacedInfo { return replacedInfo{path.Base(v.name), int64(len(v.data))} }

type openReplaced struct {
	*bytes.Reader
	info replacedInfo
}

func (f *openReplaced) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *openReplaced) Close() error               { return nil }

type replacedInfo struct {
	name string
	size int64
}

func (i replacedInfo) Name() string       { return i.name }
func (i replacedInfo) Size() int64        { return i.size }
func (i replacedInfo) Mode() fs.FileMode  { return 0o600 }
func (i replacedInfo) ModTime() time.Time { return time.Time{} }
func (i replacedInfo) IsDir() bool        { return false }
func (i replacedInfo) Sys() any           { return nil }
