package vault

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"
	"modernc.org/sqlite/vfs"
)

const (
	sqliteMagic = "SQLite format 3\x00"
	// maxComplaints of one database are told.
	maxComplaints = 3
	// maxTables of a database are checked one by one when it cannot be checked
	// as a whole.
	maxTables = 20_000
)

// Verdict is what opening and checking a database has shown.
type Verdict struct {
	// Damage says what is wrong with it, "" when nothing is.
	Damage string
	// Unchecked says what could not be looked at because it needs code of an
	// app: collations, functions and virtual tables of its own. It is no damage.
	Unchecked string
}

// databases opens databases that exist only as an io.ReaderAt.
type databases struct {
	vfs  string
	own  *vfs.FS
	mu   sync.Mutex
	next int
	open map[string]source
}

type source struct {
	r    io.ReaderAt
	size int64
}

func newDatabases() (*databases, error) {
	d := &databases{open: map[string]source{}}
	var err error
	if d.vfs, d.own, err = vfs.New(d); err != nil {
		return nil, fmt.Errorf("open databases: %w", err)
	}
	return d, nil
}

func (d *databases) close() error { return d.own.Close() }

// Open is for SQLite.
func (d *databases) Open(name string) (fs.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	src, ok := d.open[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &sourceFile{io.NewSectionReader(src.r, 0, src.size), name}, nil
}

type sourceFile struct {
	*io.SectionReader
	name string
}

func (f *sourceFile) Stat() (fs.FileInfo, error) { return sourceInfo{f}, nil }
func (f *sourceFile) Close() error               { return nil }

type sourceInfo struct{ f *sourceFile }

func (i sourceInfo) Name() string       { return i.f.name }
func (i sourceInfo) Size() int64        { return i.f.Size() }
func (i sourceInfo) Mode() fs.FileMode  { return 0o400 }
func (i sourceInfo) ModTime() time.Time { return time.Time{} }
func (i sourceInfo) IsDir() bool        { return false }
func (i sourceInfo) Sys() any           { return nil }

// check opens a database and checks it: every page is reached once, every record
// can be read, every index has its entries in order (PRAGMA quick_check). The
// error is ctx's, or says that the check could not be made.
func (d *databases) check(ctx context.Context, r io.ReaderAt, size int64) (Verdict, error) {
	d.mu.Lock()
	d.next++
	name := fmt.Sprintf("db%d", d.next)
	d.open[name] = source{r, size}
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		delete(d.open, name)
		d.mu.Unlock()
	}()
	db, err := sql.Open("sqlite", "file:"+name+"?vfs="+d.vfs+"&mode=ro&immutable=1"+
		"&_pragma=query_only(1)&_pragma=trusted_schema(0)&_pragma=temp_store(2)&_pragma=cell_size_check(1)&_pragma=cache_size(-8000)")
	if err != nil {
		return Verdict{}, fmt.Errorf("open database: %w", err)
	}
	db.SetMaxOpenConns(1)
	v, err := quickCheck(ctx, db)
	return v, errors.Join(err, db.Close())
}

func quickCheck(ctx context.Context, db *sql.DB) (Verdict, error) {
	complaints, err := pragma(ctx, db, "PRAGMA quick_check")
	switch {
	case ctx.Err() != nil:
		return Verdict{}, ctx.Err()
	case err == nil:
		return Verdict{Damage: strings.Join(complaints, "; ")}, nil
	case !needsApp(err):
		return Verdict{Damage: err.Error()}, nil
	}
	return checkTables(ctx, db, err)
}

// checkTables checks the tables of a database that cannot be checked as a whole,
// because some of it needs code of the app.
func checkTables(ctx context.Context, db *sql.DB, why error) (Verdict, error) {
	names, err := column(ctx, db, fmt.Sprintf("SELECT name FROM sqlite_schema WHERE type = 'table' LIMIT %d", maxTables))
	if ctx.Err() != nil {
		return Verdict{}, ctx.Err()
	}
	if err != nil && !needsApp(err) {
		return Verdict{Damage: err.Error()}, nil
	}
	v := Verdict{Unchecked: why.Error()}
	for _, name := range names {
		complaints, err := pragma(ctx, db, "PRAGMA quick_check('"+strings.ReplaceAll(name, "'", "''")+"')")
		switch {
		case ctx.Err() != nil:
			return Verdict{}, ctx.Err()
		case err != nil && !needsApp(err):
			v.Damage = fmt.Sprintf("table %s: %v", name, err)
			return v, nil
		case len(complaints) > 0:
			v.Damage = fmt.Sprintf("table %s: %s", name, strings.Join(complaints, "; "))
			return v, nil
		}
	}
	return v, nil
}

// needsApp tells whether SQLite lacks something that only the app brings.
func needsApp(err error) bool {
	text := err.Error()
	for _, lacking := range []string{"no such collation", "no such function", "no such module", "unknown tokenizer", "unknown database collation", "vtable constructor failed", "unsafe use of"} {
		if strings.Contains(text, lacking) {
			return true
		}
	}
	return false
}

// pragma gives what a check complains about; nothing when all is well.
func pragma(ctx context.Context, db *sql.DB, query string) ([]string, error) {
	lines, err := column(ctx, db, query)
	if err != nil {
		return nil, err
	}
	var complaints []string
	for _, line := range lines {
		if line != "ok" && len(complaints) < maxComplaints {
			complaints = append(complaints, line)
		}
	}
	return complaints, nil
}

func column(ctx context.Context, db *sql.DB, query string) (out []string, err error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var s sql.NullString
		if err := rows.Scan(&s); err != nil {
			return out, err
		}
		out = append(out, s.String)
	}
	return out, rows.Err()
}
