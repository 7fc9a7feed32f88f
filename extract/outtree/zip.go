package outtree

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"path"
	"slices"
	"strings"
)

// maxHeld is how much of a file is held back until it is known to be readable.
const maxHeld = 4 << 20

// packed are endings of files that do not get smaller.
var packed = []string{".jpg", ".jpeg", ".heic", ".heif", ".png", ".gif", ".webp", ".mov", ".mp4", ".m4v", ".m4a", ".mp3", ".aac", ".opus", ".amr", ".zip", ".pdf"}

// zipper is what a tree writes when it is no folder.
type zipper struct {
	out *zip.Writer
}

// NewZip makes a tree that is written as a ZIP to w, for a download. It has no
// ledger, and its Put writes one file after the other. A file that turns out to be
// unreadable when more than 4 MiB of it were sent makes Put return a [HostError]: what
// was sent cannot be called back, and is to be cut off. Close ends the ZIP.
func NewZip(w io.Writer) *Tree {
	z := &zipper{zip.NewWriter(w)}
	z.out.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestSpeed) })
	return &Tree{zip: z, lines: map[string]line{}, taken: map[string]bool{}}
}

// putZip writes one file. The tree is locked.
func (t *Tree) putZip(name string, f File, write func(io.Writer) error) (Placed, error) {
	e := &zipEntry{zip: t.zip.out, head: &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: f.ModTime}}
	if slices.Contains(packed, strings.ToLower(path.Ext(name))) {
		e.head.Method = zip.Store
	}
	err := write(e)
	if err == nil {
		err = e.start()
	}
	if err != nil {
		if e.to != nil {
			err = host(err)
		}
		return Placed{}, errors.Join(errors.New("export "+name), err)
	}
	t.lines[f.Key] = line{Key: f.Key, Stamp: f.Stamp, Path: name}
	t.stats.Written++
	t.stats.Bytes += e.n
	t.progress()
	return Placed{Path: name, New: true}, nil
}

// zipEntry holds the beginning of a file back.
type zipEntry struct {
	zip  *zip.Writer
	head *zip.FileHeader
	held bytes.Buffer
	to   io.Writer // nil as long as it is held
	n    int64
}

func (e *zipEntry) start() error {
	if e.to != nil {
		return nil
	}
	var err error
	if e.to, err = e.zip.CreateHeader(e.head); err != nil {
		return err
	}
	_, err = e.held.WriteTo(e.to)
	return err
}

// Write implements io.Writer.
func (e *zipEntry) Write(p []byte) (int, error) {
	e.n += int64(len(p))
	if e.to == nil {
		if e.held.Len()+len(p) <= maxHeld {
			return e.held.Write(p)
		}
		if err := e.start(); err != nil {
			return 0, err
		}
	}
	return e.to.Write(p)
}
