package itunesbackup

import (
	"io"
	"io/fs"
	"time"
)

// manifestName is the manifest's name in a backup folder.
const manifestName = "Manifest.db"

// singleFile is a file system with nothing but the manifest in it, which is how
// SQLite reads a database that exists only while it is being decrypted.
type singleFile struct {
	src  io.ReaderAt
	size int64
}

func (s *singleFile) Open(name string) (fs.File, error) {
	if name != manifestName {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &openSingleFile{io.NewSectionReader(s.src, 0, s.size)}, nil
}

type openSingleFile struct{ *io.SectionReader }

func (f *openSingleFile) Stat() (fs.FileInfo, error) { return singleFileInfo{f.Size()}, nil }
func (f *openSingleFile) Close() error               { return nil }

type singleFileInfo struct{ size int64 }

func (i singleFileInfo) Name() string       { return manifestName }
func (i singleFileInfo) Size() int64        { return i.size }
func (i singleFileInfo) Mode() fs.FileMode  { return 0o400 }
func (i singleFileInfo) ModTime() time.Time { return time.Time{} }
func (i singleFileInfo) IsDir() bool        { return false }
func (i singleFileInfo) Sys() any           { return nil }
