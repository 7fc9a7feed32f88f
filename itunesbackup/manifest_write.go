package itunesbackup

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// manifestTables is the schema of every phone from iOS 10.3 on, less its
// indexes (backup-format.md 1.4).
const manifestTables = `
CREATE TABLE Files (fileID TEXT PRIMARY KEY, domain TEXT, relativePath TEXT, flags INTEGER, file BLOB);
CREATE TABLE Properties (key TEXT PRIMARY KEY, value BLOB);`

// manifestIndexes come when rows are in: sorting once is cheaper.
const manifestIndexes = `
CREATE INDEX IF NOT EXISTS FilesDomainIdx ON Files(domain);
CREATE INDEX IF NOT EXISTS FilesRelativePathIdx ON Files(relativePath);
CREATE INDEX IF NOT EXISTS FilesFlagsIdx ON Files(flags);`

// errReadOnly: the manifest was opened with OpenManifest or belongs to a Backup.
var errReadOnly = errors.New("manifest is open for reading only")

// Put adds rows, replacing those of the same ID; all of them or, on error,
// none. A zero ID is computed; File.RelativePath is taken from the record.
// Addresses must pass [CheckPath].
func (m *Manifest) Put(ctx context.Context, records []Record) error {
	if err := m.put(ctx, records); err != nil {
		return fmt.Errorf("put %d rows into manifest: %w", len(records), err)
	}
	return nil
}

func (m *Manifest) put(ctx context.Context, records []Record) error {
	return m.change(ctx, `INSERT OR REPLACE INTO Files (fileID, domain, relativePath, flags, file) VALUES (?, ?, ?, ?, ?)`, func(insert *sql.Stmt) error {
		for _, r := range records {
			if err := CheckPath(r.Domain, r.RelativePath); err != nil {
				return err
			}
			if r.ID == (FileID{}) {
				r.ID = MakeFileID(r.Domain, r.RelativePath)
			}
			r.File.RelativePath = r.RelativePath
			blob, err := r.File.Marshal()
			if err != nil {
				return fmt.Errorf("%s: %w", r.Key(), err)
			}
			if _, err := insert.ExecContext(ctx, r.ID.String(), r.Domain, r.RelativePath, int64(r.Flags), blob); err != nil {
				return fmt.Errorf("%s: %w", r.Key(), err)
			}
		}
		return nil
	})
}

// Delete removes rows; all of them or, on error, none. IDs without a row do no
// harm.
func (m *Manifest) Delete(ctx context.Context, ids []FileID) error {
	err := m.change(ctx, `DELETE FROM Files WHERE fileID = ?`, func(remove *sql.Stmt) error {
		for _, id := range ids {
			if _, err := remove.ExecContext(ctx, id.String()); err != nil {
				return fmt.Errorf("%s: %w", id, err)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("delete %d rows from manifest: %w", len(ids), err)
	}
	return nil
}

// change runs do with a prepared statement inside a transaction.
func (m *Manifest) change(ctx context.Context, statement string, do func(*sql.Stmt) error) error {
	if m.path == "" {
		return errReadOnly
	}
	tx, err := m.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	stmt, err := tx.PrepareContext(ctx, statement)
	if err == nil {
		err = do(stmt)
		err = errors.Join(err, stmt.Close())
	}
	if err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// Flush makes the file on disk complete: rows, indexes, nothing beside it, and
// written through to the disk. After it the file may be copied or encrypted
// while the manifest stays open.
func (m *Manifest) Flush(ctx context.Context) error {
	if m.path == "" {
		return nil
	}
	if _, err := m.db.ExecContext(ctx, manifestIndexes); err != nil {
		return fmt.Errorf("index manifest: %w", err)
	}
	if m.temporary {
		return nil
	}
	return syncFile(m.path)
}
