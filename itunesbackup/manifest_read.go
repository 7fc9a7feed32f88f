package itunesbackup

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"math"
)

// RowError is about one row of a manifest, which was skipped. The others are
// not affected.
type RowError struct {
	ID           string // as stored, possibly not an ID at all; empty in mbdb
	Domain, Path string // as far as they are known
	Err          error
}

func (e *RowError) Error() string {
	return fmt.Sprintf("row %.50q (%.100q, %.200q): %v", e.ID, e.Domain, e.Path, e.Err)
}

func (e *RowError) Unwrap() error { return e.Err }

// ErrPlaceholder: the row has no domain or path. A phone writes such rows while
// a backup runs.
var ErrPlaceholder = errors.New("placeholder of an unfinished backup")

// rowColumns selects what a row's cells take.
var rowColumns = bounded("fileID", 64) + ", " + bounded("domain", maxDomainLen) + ", " + bounded("relativePath", maxPathLen) +
	`, domain IS NULL OR relativePath IS NULL, CAST(flags AS INTEGER), length(file)` +
	fmt.Sprintf(`, CASE WHEN typeof(file) = 'blob' AND length(file) <= %d THEN file END`, maxMBFileLen)

// bounded selects a text of at most limit bytes; a longer one is not even
// loaded, but replaced by something too long. It comes as a blob, because as
// text SQLite would end it at its first NUL.
func bounded(column string, limit int) string {
	return fmt.Sprintf(`CASE WHEN octet_length(%[1]s) <= %[2]d THEN CAST(%[1]s AS BLOB)
		WHEN %[1]s IS NOT NULL THEN CAST(printf('%%.*c', %[3]d, '?') AS BLOB) END`, column, limit, limit+1)
}

// recordsPerPage is how many rows Records reads before it gives up the
// connection, so that the loop body may use the manifest.
const recordsPerPage = 1000

// Records gives every row, in no meaningful order, without those that are put
// while it runs. An error that is a [*RowError] concerns the row only; after any
// other the iteration ends. With a RowError the record holds what is known.
func (m *Manifest) Records(ctx context.Context) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		var last sql.NullInt64
		if err := m.db.QueryRowContext(ctx, `SELECT max(rowid) FROM Files`).Scan(&last); err != nil {
			yield(Record{}, fmt.Errorf("read manifest: %w", databaseError(ctx, err)))
			return
		}
		page := make([]row, 0, recordsPerPage)
		for first := int64(math.MinInt64); last.Valid; {
			var err error
			page, err = m.page(ctx, page[:0], first, last.Int64)
			for _, r := range page {
				if !yield(r.Record, r.err) {
					return
				}
			}
			if err != nil {
				yield(Record{}, fmt.Errorf("read manifest: %w", err))
				return
			}
			if len(page) < recordsPerPage || page[len(page)-1].number == last.Int64 {
				return
			}
			first = page[len(page)-1].number + 1
		}
	}
}

// row is a Record with its row number and what is wrong with it.
type row struct {
	Record
	number int64
	err    error // nil or *RowError
}

func (m *Manifest) page(ctx context.Context, page []row, first, last int64) ([]row, error) {
	rows, err := m.db.QueryContext(ctx, `SELECT rowid, `+rowColumns+` FROM Files
		WHERE rowid BETWEEN ?1 AND ?2 ORDER BY rowid LIMIT ?3`, first, last, recordsPerPage)
	if err != nil {
		return page, databaseError(ctx, err)
	}
	defer rows.Close()
	var c cells
	for rows.Next() {
		var r row
		if err := rows.Scan(&r.number, &c.id, &c.domain, &c.path, &c.placeholder, &c.flags, &c.fileLen, &c.file); err != nil {
			return page, databaseError(ctx, err)
		}
		r.Record, r.err = m.record(&c)
		page = append(page, r)
	}
	if err := rows.Err(); err != nil {
		return page, databaseError(ctx, err)
	}
	return page, nil
}

// cells are the columns of one row as they were read.
type cells struct {
	id, domain, path, file sql.RawBytes
	flags, fileLen         sql.NullInt64
	placeholder            bool // said apart: the driver gives an empty text as nil, too
}

// record checks and decodes a row; err is nil or a *RowError.
func (m *Manifest) record(c *cells) (Record, error) {
	r := Record{Domain: string(c.domain), RelativePath: string(c.path), Flags: Flags(c.flags.Int64)}
	if err := m.decode(c, &r); err != nil {
		return r, &RowError{ID: string(c.id), Domain: r.Domain, Path: r.RelativePath, Err: err}
	}
	return r, nil
}

func (m *Manifest) decode(c *cells, r *Record) (err error) {
	if r.ID, err = ParseFileID(string(c.id)); err != nil {
		return err
	}
	if c.placeholder {
		return ErrPlaceholder
	}
	if err := CheckPath(r.Domain, r.RelativePath); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if c.file == nil {
		if c.fileLen.Int64 > maxMBFileLen {
			return fmt.Errorf("%w: file column of %d bytes, at most %d", ErrMalformed, c.fileLen.Int64, maxMBFileLen)
		}
		return fmt.Errorf("%w: no file column", ErrMalformed)
	}
	blob, err := m.openCell(c.file)
	if err != nil {
		return err
	}
	r.File, err = ParseMBFile(blob)
	return err
}

// Get finds a row by ID; false when there is none. An error may be a
// [*RowError], with what is known of the record.
func (m *Manifest) Get(ctx context.Context, id FileID) (Record, bool, error) {
	return m.getWhere(ctx, `fileID = ?1`, id.String())
}

// Find finds a row by its address, which is the way for paths that are not
// plain ASCII (see [MakeFileID]).
func (m *Manifest) Find(ctx context.Context, domain, relativePath string) (Record, bool, error) {
	return m.getWhere(ctx, `domain = ?1 AND relativePath = ?2`, domain, relativePath)
}

func (m *Manifest) getWhere(ctx context.Context, where string, args ...any) (Record, bool, error) {
	rows, err := m.db.QueryContext(ctx, `SELECT `+rowColumns+` FROM Files WHERE `+where+` LIMIT 1`, args...)
	if err != nil {
		return Record{}, false, fmt.Errorf("read manifest: %w", databaseError(ctx, err))
	}
	defer rows.Close()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return Record{}, false, fmt.Errorf("read manifest: %w", databaseError(ctx, err))
		}
		return Record{}, false, nil
	}
	var c cells
	if err := rows.Scan(&c.id, &c.domain, &c.path, &c.placeholder, &c.flags, &c.fileLen, &c.file); err != nil {
		return Record{}, false, fmt.Errorf("read manifest: %w", databaseError(ctx, err))
	}
	r, err := m.record(&c)
	return r, true, err
}

// Count is the number of rows, faulty ones included.
func (m *Manifest) Count(ctx context.Context) (int64, error) {
	var n int64
	if err := m.db.QueryRowContext(ctx, `SELECT count(*) FROM Files`).Scan(&n); err != nil {
		return 0, fmt.Errorf("count rows of manifest: %w", databaseError(ctx, err))
	}
	return n, nil
}

// QuickCheck runs SQLite's own check of the database, as phones do when they
// open one. It reads all of it.
func (m *Manifest) QuickCheck(ctx context.Context) error {
	var result string
	if err := m.db.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&result); err != nil {
		return fmt.Errorf("check manifest: %w", databaseError(ctx, err))
	}
	if result != "ok" {
		return fmt.Errorf("check manifest: %w: %s", ErrMalformed, result)
	}
	return nil
}
