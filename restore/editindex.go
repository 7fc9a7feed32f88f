package restore

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"io/fs"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/keybag"
)

// maxIndex bounds a Manifest.db that is edited: all of it is in memory, for a
// moment three times. 600 MB are 500,000 rows.
const maxIndex = 768 << 20

// notPartialError says why nothing can be left out of a backup.
type notPartialError struct{ why string }

func (e *notPartialError) Error() string {
	return "nothing can be left out of this backup: " + e.why
}

// editedIndex is a Manifest.db in memory. Of an encrypted backup, nothing of it
// may come to a disk in clear: it is decrypted into memory, changed there, also
// with its journal, and encrypted under the same key on its way out.
type editedIndex struct {
	db  *sql.DB
	key keybag.Key // zero: not encrypted
}

// openIndex loads the index of an unlocked backup in fsys.
func openIndex(ctx context.Context, fsys fs.FS, b *itunesbackup.Backup, limit int64) (*editedIndex, error) {
	x := &editedIndex{}
	list := b.ManifestPlist()
	if list.IsEncrypted && list.ManifestKey != nil { // else of iOS 10.0, whose rows are encrypted each
		wrapped, err := keybag.ParseWrappedKey(list.ManifestKey)
		if err != nil {
			return nil, err
		}
		if x.key, err = b.Keybag().Unwrap(wrapped); err != nil {
			return nil, err
		}
	}
	data, err := x.load(fsys, limit)
	if err != nil {
		return nil, err
	}
	// A database that is alone in memory cannot have a write-ahead log; it says
	// at these two places whether it wants one (2) or a journal (1).
	if len(data) > 19 {
		data[18], data[19] = 1, 1
	}
	x.db, err = sql.Open("sqlite", ":memory:?_pragma=temp_store(2)&_pragma=trusted_schema(0)")
	if err != nil {
		return nil, err
	}
	x.db.SetMaxOpenConns(1)
	x.db.SetConnMaxLifetime(0)
	x.db.SetMaxIdleConns(1)
	if err := x.fill(ctx, data); err != nil {
		return nil, errors.Join(err, x.db.Close())
	}
	return x, nil
}

// load gives the database in clear.
func (x *editedIndex) load(fsys fs.FS, limit int64) (_ []byte, err error) {
	if wal, err := fs.Stat(fsys, itunesbackup.ManifestName+"-wal"); err == nil && wal.Size() > 0 {
		return nil, &notPartialError{"its index has a log beside it (Manifest.db-wal)"}
	}
	f, err := fsys.Open(itunesbackup.ManifestName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &notPartialError{"it is of iOS 9 or older"}
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, &notPartialError{fmt.Sprintf("its index of %s is too large to be changed in memory (%s at most)", progress.Size(info.Size()), progress.Size(limit))}
	}
	var src io.Reader = io.LimitReader(f, info.Size())
	if !x.key.IsZero() {
		src = keybag.DecryptReader(x.key, src)
	}
	data := make([]byte, info.Size())
	n, err := io.ReadFull(src, data)
	if err != nil && err != io.ErrUnexpectedEOF { // shorter by its padding
		return nil, fmt.Errorf("read %s: %w", itunesbackup.ManifestName, err)
	}
	return data[:n], nil
}

// fill makes data the database.
func (x *editedIndex) fill(ctx context.Context, data []byte) error {
	err := x.raw(ctx, func(c any) error {
		d, ok := c.(interface{ Deserialize([]byte) error })
		if !ok {
			return fmt.Errorf("%T cannot load a database: %w", c, errors.ErrUnsupported)
		}
		return d.Deserialize(data)
	})
	if err != nil {
		return err
	}
	if _, err := x.db.ExecContext(ctx, `PRAGMA journal_mode = MEMORY`); err != nil {
		return err
	}
	// No phone makes one, and it would run somebody else's statements.
	var triggers int
	if err := x.db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema WHERE type NOT IN ('table', 'index')`).Scan(&triggers); err != nil {
		return err
	}
	if triggers > 0 {
		return &notPartialError{"its index has triggers or views"}
	}
	return nil
}

func (x *editedIndex) raw(ctx context.Context, do func(driverConn any) error) error {
	c, err := x.db.Conn(ctx)
	if err != nil {
		return err
	}
	err = c.Raw(do)
	if errors.Is(err, driver.ErrBadConn) {
		err = fmt.Errorf("reach the database: %w", err)
	}
	return errors.Join(err, c.Close())
}

// domains counts the rows of each domain.
func (x *editedIndex) domains(ctx context.Context) (_ map[string]int64, err error) {
	rows, err := x.db.QueryContext(ctx, `SELECT domain, count(*) FROM Files WHERE typeof(domain) = 'text' AND octet_length(domain) < 1024 GROUP BY domain`)
	if err != nil {
		return nil, fmt.Errorf("list domains: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	domains := map[string]int64{}
	for rows.Next() {
		var name string
		var n int64
		if err := rows.Scan(&name, &n); err != nil {
			return nil, fmt.Errorf("list domains: %w", err)
		}
		domains[name] = n
	}
	return domains, rows.Err()
}

func (x *editedIndex) dropDomain(ctx context.Context, domain string, out *LeftOut) error {
	return x.dropWhere(ctx, `domain = ?1`, domain, out)
}

// dropRow drops the row of an ID, which may be no real one.
func (x *editedIndex) dropRow(ctx context.Context, id string, out *LeftOut) error {
	return x.dropWhere(ctx, `fileID = ?1`, id, out)
}

func (x *editedIndex) dropWhere(ctx context.Context, where, arg string, out *LeftOut) (err error) {
	rows, err := x.db.QueryContext(ctx, `DELETE FROM Files WHERE `+where+` RETURNING substr(CAST(fileID AS TEXT), 1, 64)`, arg)
	if err != nil {
		return fmt.Errorf("drop rows of %s: %w", arg, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var text sql.NullString
		if err := rows.Scan(&text); err != nil {
			return fmt.Errorf("drop rows of %s: %w", arg, err)
		}
		if id, err := itunesbackup.ParseFileID(text.String); err == nil {
			out.ids[id] = struct{}{}
		}
		out.Rows++
	}
	return rows.Err()
}

// bytes gives the database as it lies in a backup folder: encrypted if it was.
func (x *editedIndex) bytes(ctx context.Context) ([]byte, error) {
	var plain []byte
	err := x.raw(ctx, func(c any) (err error) {
		d, ok := c.(interface{ Serialize() ([]byte, error) })
		if !ok {
			return fmt.Errorf("%T cannot give a database: %w", c, errors.ErrUnsupported)
		}
		plain, err = d.Serialize()
		return err
	})
	if err != nil || x.key.IsZero() {
		return plain, err
	}
	if err := x.db.Close(); err != nil { // its memory is needed
		return nil, err
	}
	sealed := make([]byte, keybag.EncryptedSize(int64(len(plain))))
	if _, err := io.ReadFull(keybag.EncryptReader(x.key, bytes.NewReader(plain)), sealed); err != nil {
		return nil, fmt.Errorf("encrypt %s: %w", itunesbackup.ManifestName, err)
	}
	return sealed, nil
}

func (x *editedIndex) Close() error { return x.db.Close() }
