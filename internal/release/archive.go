package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// member is one file of an archive.
type member struct {
	name string // with slashes
	data []byte
	mode int64
}

// epoch is the time of every file: that of the ZIP format's beginning, the earliest
// that both formats know.
var epoch = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

func sorted(members []member) []member {
	members = slices.Clone(members)
	slices.SortFunc(members, func(a, b member) int { return strings.Compare(a.name, b.name) })
	return members
}

// tarGzOf packs files, sorted, of no owner and no time.
func tarGzOf(members []member) ([]byte, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	t := tar.NewWriter(z)
	for _, m := range sorted(members) {
		err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: m.name, Mode: m.mode, Size: int64(len(m.data)), ModTime: epoch, Format: tar.FormatUSTAR})
		if err == nil {
			_, err = t.Write(m.data)
		}
		if err != nil {
			return nil, fmt.Errorf("pack %s: %w", m.name, err)
		}
	}
	err = errors.Join(t.Close(), z.Close())
	return b.Bytes(), err
}

// zipOf does the same for Windows.
func zipOf(members []member) ([]byte, error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, m := range sorted(members) {
		h := &zip.FileHeader{Name: m.name, Method: zip.Deflate, Modified: epoch}
		h.SetMode(0o644)
		if m.mode&0o100 != 0 {
			h.SetMode(0o755)
		}
		w, err := z.CreateHeader(h)
		if err == nil {
			_, err = w.Write(m.data)
		}
		if err != nil {
			return nil, fmt.Errorf("pack %s: %w", m.name, err)
		}
	}
	err := z.Close()
	return b.Bytes(), err
}
