package itunesbackup

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"sync"

	_ "modernc.org/sqlite" // the driver "sqlite"
	"modernc.org/sqlite/vfs"
)

const (
	// manifestVersion is the user_version that phones expect (backup-format.md 1.4).
	manifestVersion = 2
	sqliteMagic     = "SQLite format 3\x00"
	// connections that may read a manifest at the same time
	manifestReaders = 4
)

// ErrLocked: the backup is encrypted and no password has been given yet.
var ErrLocked = errors.New("backup is locked: the backup password is needed")

// Manifest is an open Manifest.db:
//
//	Files(fileID TEXT PRIMARY KEY, domain TEXT, relativePath TEXT,
//	      flags INTEGER, file BLOB)        file is an archived [MBFile]
//	Properties(key TEXT PRIMARY KEY, value BLOB)
//
// Its methods may be called concurrently, also while ranging over Records.
type Manifest struct {
	db   *sql.DB
	path string // of a writable manifest
	// temporary: the file at path is scratch and never synced; it may be unlinked.
	temporary bool
	closers   []func() error

	mu    sync.Mutex
	cells cellCipher // guarded by mu; iOS 10.0
}

// OpenManifestAt opens an unencrypted Manifest.db of size bytes that is read
// through r, which must stay usable until Close. Nothing is ever written, not
// even a temporary file. Errors about the content wrap [ErrMalformed].
func OpenManifestAt(ctx context.Context, r io.ReaderAt, size int64) (*Manifest, error) {
	return openManifestAt(ctx, r, size)
}

func openManifestAt(ctx context.Context, r io.ReaderAt, size int64) (*Manifest, error) {
	var head [len(sqliteMagic)]byte
	if _, err := r.ReadAt(head[:], 0); err != nil && err != io.EOF {
		return nil, fmt.Errorf("open manifest: %w", err)
	}
	if string(head[:]) != sqliteMagic {
		return nil, fmt.Errorf("open manifest: %w: no SQLite database (that of an encrypted backup is ciphertext)", ErrMalformed)
	}
	name, files, err := vfs.New(&singleFile{r, size})
	if err != nil {
		return nil, fmt.Errorf("open manifest: %w", err)
	}
	db, err := sql.Open("sqlite", "file:"+manifestName+"?vfs="+name+"&mode=ro&immutable=1"+
		"&_pragma=query_only(1)&_pragma=trusted_schema(0)&_pragma=temp_store(2)&_pragma=cell_size_check(1)")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open manifest: %w", err), files.Close())
	}
	db.SetMaxOpenConns(manifestReaders)
	db.SetMaxIdleConns(manifestReaders)
	m := &Manifest{db: db, closers: []func() error{db.Close, files.Close}}
	if err := m.check(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open manifest: %w", err), m.Close())
	}
	return m, nil
}

// check makes sure that Files is what it should be: a real table, not a view or
// virtual table that would run someone else's SQL, and with the five columns.
func (m *Manifest) check(ctx context.Context) error {
	var kind string
	var withoutRowID bool
	err := m.db.QueryRowContext(ctx, `SELECT type, wr FROM pragma_table_list WHERE schema = 'main' AND name = 'Files' COLLATE NOCASE`).Scan(&kind, &withoutRowID)
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("%w: no table Files", ErrMalformed)
	}
	if err != nil {
		return databaseError(ctx, err)
	}
	if kind != "table" || withoutRowID {
		return fmt.Errorf("%w: Files is a %s, rows without number: %t", ErrMalformed, kind, withoutRowID)
	}
	var columns int
	err = m.db.QueryRowContext(ctx, `SELECT count(*) FROM pragma_table_xinfo('Files')
		WHERE hidden = 0 AND name IN ('fileID', 'domain', 'relativePath', 'flags', 'file')`).Scan(&columns)
	if err != nil {
		return databaseError(ctx, err)
	}
	if columns != 5 {
		return fmt.Errorf("%w: table Files has %d of five columns", ErrMalformed, columns)
	}
	return m.readProperties(ctx)
}

// databaseError says that the database is at fault, unless ctx has ended.
func databaseError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("%w: %w", ErrMalformed, err)
}

// Close releases the manifest. A writable one is flushed as [Manifest.Flush]
// does, so that what was put is there even without it.
func (m *Manifest) Close() error {
	var errs []error
	if m.path != "" {
		errs = append(errs, m.Flush(context.Background()))
	}
	for _, c := range m.closers {
		errs = append(errs, c())
	}
	m.closers, m.path = nil, ""
	return errors.Join(errs...)
}
