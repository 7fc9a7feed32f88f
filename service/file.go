package service

import (
	"io"
	"io/fs"
)

// File is a file of a version; it can be sought, so that a part of it can be sent.
type File interface {
	io.ReadSeekCloser
	Stat() (fs.FileInfo, error)
}
