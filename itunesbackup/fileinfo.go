package itunesbackup

import (
	"io/fs"
	"path"
	"time"
)

// fileInfo describes a row as an fs.FileInfo and fs.DirEntry.Info.
type fileInfo struct {
	name   string
	size   int64
	mode   fs.FileMode
	mtime  time.Time
	record *Record
}

func newFileInfo(r Record, size int64) fileInfo {
	return fileInfo{
		name:   path.Base(r.Key()),
		size:   size,
		mode:   kindMode(r.Kind()) | fs.FileMode(r.File.Mode&0o777),
		mtime:  time.Unix(r.File.LastModified, 0).UTC(),
		record: &r,
	}
}

// kindMode gives the type bits for a kind of row.
func kindMode(kind Flags) fs.FileMode {
	switch kind {
	case FlagFile:
		return 0
	case FlagDirectory:
		return fs.ModeDir
	case FlagSymlink:
		return fs.ModeSymlink
	}
	return fs.ModeIrregular
}

func (i fileInfo) Name() string       { return i.name }
func (i fileInfo) Size() int64        { return i.size }
func (i fileInfo) Mode() fs.FileMode  { return i.mode }
func (i fileInfo) ModTime() time.Time { return i.mtime }
func (i fileInfo) IsDir() bool        { return i.mode.IsDir() }

// Sys gives the *Record, nil for a directory without a row of its own.
func (i fileInfo) Sys() any {
	if i.record == nil {
		return nil
	}
	return i.record
}
