package catalog

import (
	"cmp"
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	_ "modernc.org/sqlite"

	"github.com/keepsake-backup/keepsake/internal/secret"
)

// ErrNotFound: there is no such thing. It is fs.ErrNotExist too.
var ErrNotFound = fmt.Errorf("not in the catalog: %w", fs.ErrNotExist)

// NewerError says that a newer program has changed the file's layout.
type NewerError struct {
	Path       string
	Has, Knows int // layouts
}

func (e *NewerError) Error() string {
	return fmt.Sprintf("open catalog %s: it has layout %d, this program knows up to %d", e.Path, e.Has, e.Knows)
}

// Hint says what to do.
func (e *NewerError) Hint() string {
	return "a newer keepsake has used it: install that version again, or put back a copy of the file from before"
}

// CorruptError says that the file cannot be read as what it is. Nothing was
// changed in it.
type CorruptError struct {
	Path string
	Err  error
}

func (e *CorruptError) Error() string { return fmt.Sprintf("open catalog %s: %v", e.Path, e.Err) }
func (e *CorruptError) Unwrap() error { return e.Err }

// Hint says what to do.
func (e *CorruptError) Hint() string {
	return "the backups are not in this file: move it away, start again, and set the service up with the same place and password; accounts and schedules have to be entered again"
}

// Options of Open.
type Options struct {
	// Key seals secrets: 32 bytes.
	Key secret.Bytes
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// DB is an open catalog. It can be used concurrently.
type DB struct {
	path  string
	now   func() time.Time
	seal  sealer
	write *sql.DB // one connection: writers take turns without failing
	read  *sql.DB
}

// Open opens the catalog in the file path, and makes it if it is missing. The
// folder has to be there. A key other than the one it was made with is
// ErrWrongKey.
func Open(ctx context.Context, path string, opt Options) (*DB, error) {
	s, err := newSealer(opt.Key)
	if err != nil {
		return nil, fmt.Errorf("open catalog %s: %w", path, err)
	}
	db := &DB{path: path, now: opt.Now, seal: s}
	if db.now == nil {
		db.now = time.Now
	}
	// SQLite makes files by the process's mask: this one is for its owner only.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open catalog: %w", err)
	}
	if err := errors.Join(keepPrivate(f), f.Close()); err != nil {
		return nil, fmt.Errorf("open catalog: %w", err)
	}
	if db.write, err = connect(path, 1); err != nil {
		return nil, err
	}
	if db.read, err = connect(path, 4); err != nil {
		return nil, errors.Join(err, db.write.Close())
	}
	if err := db.prepare(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// keepPrivate takes from others what they may do with a file, such as one that was
// copied back from somewhere. SQLite makes the files beside it alike.
func keepPrivate(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o077 == 0 || filepath.Separator != '/' {
		return nil
	}
	return f.Chmod(0o600)
}

func connect(path string, connections int) (*sql.DB, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open catalog: %w", err)
	}
	slashed := filepath.ToSlash(abs)
	if !strings.HasPrefix(slashed, "/") {
		slashed = "/" + slashed
	}
	u := url.URL{Scheme: "file", Path: slashed, RawQuery: "_txlock=immediate&_pragma=busy_timeout(10000)&_pragma=foreign_keys(1)&_pragma=synchronous(2)&_pragma=secure_delete(1)"}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, fmt.Errorf("open catalog %s: %w", path, err)
	}
	db.SetMaxOpenConns(connections)
	return db, nil
}

//go:embed migrations/*.sql
var migrations embed.FS

// prepare looks whether the file is sound, brings its layout up to date, and tries
// the key.
func (db *DB) prepare(ctx context.Context) error {
	var sound string
	if err := db.write.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&sound); err != nil || sound != "ok" {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return &CorruptError{db.path, cmp.Or(err, errors.New(sound))}
	}
	has, err := db.layout(ctx)
	if err != nil {
		return err
	}
	if _, err := db.write.ExecContext(ctx, "PRAGMA journal_mode = WAL"); err != nil {
		return fmt.Errorf("open catalog %s: %w", db.path, err)
	}
	if err := db.migrate(ctx, has); err != nil {
		return err
	}
	return db.proveKey(ctx)
}

// scripts are the names of the migrations, in their order: the n-th makes layout n of
// layout n-1.
func scripts() ([]string, error) {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	slices.Sort(names)
	return names, err
}

// layout is how many migrations the file has seen: none if it is new. It refuses what
// this program would only spoil.
func (db *DB) layout(ctx context.Context) (has int, err error) {
	names, err := scripts()
	if err != nil {
		return 0, fmt.Errorf("open catalog %s: %w", db.path, err)
	}
	var tables int
	if err := db.write.QueryRowContext(ctx, "SELECT user_version, (SELECT count(*) FROM sqlite_schema) FROM pragma_user_version").Scan(&has, &tables); err != nil {
		return 0, &CorruptError{db.path, err}
	}
	switch {
	case has > len(names):
		return 0, &NewerError{db.path, has, len(names)}
	case has < 0, has == 0 && tables > 0:
		return 0, &CorruptError{db.path, errors.New("it is the database of another program")}
	}
	return has, nil
}

// migrate brings the layout up to date, one script in one transaction each.
func (db *DB) migrate(ctx context.Context, has int) error {
	names, err := scripts()
	if err != nil {
		return fmt.Errorf("open catalog %s: %w", db.path, err)
	}
	for n := has; n < len(names); n++ {
		script, err := migrations.ReadFile(names[n])
		if err == nil {
			err = db.change(ctx, func(tx *sql.Tx) error {
				if _, err := tx.ExecContext(ctx, string(script)); err != nil {
					return err
				}
				_, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", n+1))
				return err
			})
		}
		if err != nil {
			return fmt.Errorf("open catalog %s: %s: %w", db.path, filepath.Base(names[n]), err)
		}
	}
	return nil
}

// Close closes the catalog.
func (db *DB) Close() error {
	return errors.Join(db.read.Close(), db.write.Close())
}

// Backup writes a copy of the catalog into a new file to, while it is in use. The
// copy opens with the same key. One that could not be finished is removed.
func (db *DB) Backup(ctx context.Context, to string) (err error) {
	to, err = filepath.Abs(to)
	if err != nil {
		return fmt.Errorf("copy catalog: %w", err)
	}
	f, err := os.OpenFile(to, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("copy catalog: %w", err)
	}
	defer func() {
		err = errors.Join(err, f.Close())
		if err != nil {
			err = errors.Join(fmt.Errorf("copy catalog into %s: %w", to, err), os.Remove(to))
		}
	}()
	if _, err := db.read.ExecContext(ctx, "VACUUM INTO ?", to); err != nil {
		return err
	}
	return f.Sync()
}

// change runs fn in a transaction: all of it happens, or nothing.
func (db *DB) change(ctx context.Context, fn func(*sql.Tx) error) error {
	tx, err := db.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := fn(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// exec runs one statement; it is ErrNotFound if none was changed.
func (db *DB) exec(ctx context.Context, query string, args ...any) error {
	res, err := db.write.ExecContext(ctx, query, args...)
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	if err == nil && n == 0 {
		err = ErrNotFound
	}
	return err
}

// scanner is a row.
type scanner interface{ Scan(dest ...any) error }

// list reads all rows of a query.
func list[T any](ctx context.Context, db *sql.DB, scan func(scanner) (T, error), query string, args ...any) (all []T, err error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, rows.Err()
}

// missing turns "no rows" into ErrNotFound.
func missing(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	return err
}

// moment stores a time: NULL is the zero one.
func moment(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMilli()
}

// when reads a moment.
type when struct{ t *time.Time }

func (w when) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*w.t = time.Time{}
	case int64:
		*w.t = time.UnixMilli(v).UTC()
	default:
		return fmt.Errorf("a time is stored as %T", v)
	}
	return nil
}
