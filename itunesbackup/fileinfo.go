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
	info := fileInfo{name: path.Base(r.Key()), size: size, mode: fs.FileMode(r.File.Mode & 0o777), record: &r}
	switch r.Kind() {
	case FlagDirectory:
		info.mode |= fs.ModeDir
	case FlagSymlink:
		info.mode |= fs.ModeSymlink
	case FlagFile:
	default:
		info.mode |= fs.ModeIrregular
	}
	info.mtime = time.Unix(r.File.LastModified, 0).UTC()
	return info
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
