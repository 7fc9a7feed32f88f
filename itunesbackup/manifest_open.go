package itunesbackup

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// OpenManifest opens an unencrypted Manifest.db of a host folder for reading.
// A -wal file beside it is taken into account; nothing is written. Errors about
// the content wrap [ErrMalformed].
func OpenManifest(ctx context.Context, path string) (*Manifest, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open manifest: %w", err)
	}
	m, err := openManifestFile(ctx, f, path+"-wal")
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	m.closers = append(m.closers, f.Close)
	return m, nil
}

func openManifestFile(ctx context.Context, f *os.File, walPath string) (*Manifest, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("open manifest: %w", err)
	}
	var src io.ReaderAt = f
	size := info.Size()
	wal, err := os.ReadFile(walPath)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("open manifest: %w", err)
	}
	if src, size, err = applyWAL(src, size, wal); err != nil {
		return nil, fmt.Errorf("open manifest: %w", err)
	}
	return openManifestAt(ctx, src, size)
}

// CreateManifest makes an empty Manifest.db at path, where no file may be, and
// opens it for writing. It is in clear: whoever encrypts a backup encrypts the
// closed file. A crash of the computer before [Manifest.Flush] may leave it
// damaged.
func CreateManifest(ctx context.Context, path string) (*Manifest, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("create manifest: %w", err)
	}
	m, err := openWritable(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("create manifest: %w", err)
	}
	if _, err := m.db.ExecContext(ctx, manifestTables+fmt.Sprintf("PRAGMA user_version = %d;", manifestVersion)); err != nil {
		return nil, errors.Join(fmt.Errorf("create manifest: %w", err), m.abandon())
	}
	return m, nil
}

// EditManifest opens an existing unencrypted Manifest.db for reading and
// writing, with the same care as [CreateManifest].
func EditManifest(ctx context.Context, path string) (*Manifest, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("edit manifest: %w", err)
	}
	m, err := openWritable(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("edit manifest: %w", err)
	}
	if err := m.check(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("edit manifest: %w", err), m.abandon())
	}
	return m, nil
}

func openWritable(ctx context.Context, path string) (*Manifest, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	// No syncing and no journal file: the manifest is made from what lies safe
	// elsewhere, and Flush syncs it once.
	db, err := sql.Open("sqlite", fileURL(path)+"?mode=rw&_pragma=trusted_schema(0)&_pragma=temp_store(2)"+
		"&_pragma=synchronous(0)&_pragma=journal_mode(MEMORY)&_pragma=cache_size(-32000)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	m := &Manifest{db: db, path: path, closers: []func() error{db.Close}}
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(databaseError(ctx, err), m.abandon())
	}
	return m, nil
}

// abandon closes without flushing.
func (m *Manifest) abandon() error {
	m.path = ""
	return m.Close()
}

// fileURL is SQLite's name for a path with any characters in it.
func fileURL(path string) string {
	slashed := filepath.ToSlash(path)
	if !strings.HasPrefix(slashed, "/") {
		slashed = "/" + slashed // a Windows drive
	}
	u := url.URL{Scheme: "file", Path: slashed}
	return u.String()
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("sync manifest: %w", err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("sync manifest: %w", err)
	}
	return nil
}
