package contents

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// SnapshotFile opens what a backup carries of the regular file at path, which
// lies below the phone's folder "fs/<Domain>", and tells its length in bytes.
//
// That is the file itself, but for one case (backup-format.md 1.7): a SQLite
// database of a domain other than AppDomain…, beside which lies a -wal with
// committed changes, is given as it would be after a checkpoint. The copy is
// put together while it is read; nothing is written and no SQLite runs.
func SnapshotFile(ctx context.Context, path string) (io.ReadCloser, int64, error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("snapshot %s: not a regular file", path)
	}
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	if strings.HasPrefix(domainOf(path), appDomain) {
		return f, info.Size(), nil
	}
	c, err := openCheckpointed(f, path+"-wal")
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("snapshot %s: %w", path, err), f.Close())
	}
	if c == nil {
		return f, info.Size(), nil
	}
	return c, int64(c.index.pages) * int64(c.index.pageSize), nil
}

// domainOf finds the domain in a host path: the name after the last "fs" that
// is followed by a domain.
func domainOf(path string) string {
	parts := strings.Split(filepath.ToSlash(path), "/")
	for i := len(parts) - 1; i > 0; i-- {
		if parts[i-1] == fsFolder && isDomain(parts[i]) {
			return parts[i]
		}
	}
	return ""
}

// checkpointed reads a database with the pages of its log in their places.
type checkpointed struct {
	db, wal *os.File
	index   *walIndex
	next    uint32 // page number
	page    []byte // what is left of the page before next
	buf     []byte
}

// openCheckpointed gives nil when db is to be taken as it is.
func openCheckpointed(db *os.File, walPath string) (c *checkpointed, err error) {
	header := make([]byte, sqliteHeaderLen)
	n, err := db.ReadAt(header, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	size := pageSize(header[:n])
	if size == 0 {
		return nil, nil
	}
	wal, err := os.Open(walPath)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	index, err := readWAL(bufio.NewReaderSize(wal, 1<<16), size)
	if errors.Is(err, errNotWAL) {
		return nil, wal.Close()
	}
	if err != nil {
		return nil, errors.Join(err, wal.Close())
	}
	return &checkpointed{db: db, wal: wal, index: index, next: 1, buf: make([]byte, size)}, nil
}

func (c *checkpointed) Read(b []byte) (int, error) {
	if len(c.page) == 0 {
		if c.next > c.index.pages {
			return 0, io.EOF
		}
		if err := c.load(); err != nil {
			return 0, err
		}
		c.next++
	}
	n := copy(b, c.page)
	c.page = c.page[n:]
	return n, nil
}

// load reads page next. One that neither file has was never written: zeros.
func (c *checkpointed) load() error {
	from, at := c.db, int64(c.next-1)*int64(len(c.buf))
	if offset, ok := c.index.offset[c.next]; ok {
		from, at = c.wal, offset
	}
	clear(c.buf)
	if _, err := from.ReadAt(c.buf, at); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read page %d: %w", c.next, err)
	}
	c.page = c.buf
	return nil
}

func (c *checkpointed) Close() error { return errors.Join(c.db.Close(), c.wal.Close()) }
