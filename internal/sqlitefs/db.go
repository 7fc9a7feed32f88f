package sqlitefs

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
	"modernc.org/sqlite/vfs"
)

// MaxCell is the largest text or blob that a database may give, in bytes.
const MaxCell = 64 << 20

// readers is how many queries may run at once: one, those that it asks while its
// rows are being read, and a second reader.
const readers = 4

var (
	// ErrDamaged is wrapped by errors about what is in a database.
	ErrDamaged = errors.New("the database is damaged")
	// ErrEncrypted is wrapped where the bytes are those of no database at all, as
	// those of an app that encrypts its own (SQLCipher).
	ErrEncrypted = fmt.Errorf("%w, or encrypted by its app", ErrDamaged)
)

// DB is an open database. Its methods may be called concurrently; queries come
// from the [sql.DB] in it.
type DB struct {
	*sql.DB
	name   string
	tables map[string]table // by lower-case name
	files  []fs.File
	vfs    *vfs.FS
}

type table struct {
	name    string
	columns map[string]string // lower-case to real
}

// Open opens the database that is the file name in fsys, with the log beside it
// (name-wal, else name-journal). Files of fsys must be io.ReaderAts, which those of
// os, snapshot and itunesbackup are. A missing file is [fs.ErrNotExist]; what is in
// the file is [ErrDamaged].
func Open(ctx context.Context, fsys fs.FS, name string) (*DB, error) {
	db := &DB{name: name}
	if err := db.open(ctx, fsys); err != nil {
		return nil, errors.Join(fmt.Errorf("open database %s: %w", name, err), db.Close())
	}
	return db, nil
}

func (db *DB) open(ctx context.Context, fsys fs.FS) error {
	base, size, err := db.file(fsys, db.name)
	if err != nil {
		return err
	}
	content := &overlay{base: base, baseSize: size, size: size}
	for _, beside := range []struct {
		suffix string
		read   func(io.ReaderAt, int64) ([]layer, int64, int64, error)
	}{{"-wal", readLog}, {"-journal", readJournal}} {
		log, logSize, err := db.file(fsys, db.name+beside.suffix)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if content, err = lay(base, size, log, logSize, beside.read); err != nil {
			return err
		}
		if content.log != nil {
			break
		}
	}
	if content.size == 0 {
		return fmt.Errorf("%w: it is empty", ErrDamaged)
	}
	head := make([]byte, len(magic))
	if _, err := content.ReadAt(head, 0); err != nil && err != io.EOF {
		return err
	}
	if !bytes.Equal(head, magic) {
		return fmt.Errorf("%w: it does not begin like one", ErrEncrypted)
	}
	if err := db.connect(ctx, content); err != nil {
		return err
	}
	return db.probe(ctx)
}

// readerAtFile is what files must be.
type readerAtFile interface {
	fs.File
	io.ReaderAt
}

func (db *DB) file(fsys fs.FS, name string) (io.ReaderAt, int64, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, 0, err
	}
	db.files = append(db.files, f)
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%w: it is no file", ErrDamaged)
	}
	r, ok := f.(readerAtFile)
	if !ok {
		return nil, 0, fmt.Errorf("files of this kind (%T) cannot be read from the middle", f)
	}
	return r, info.Size(), nil
}

func (db *DB) connect(ctx context.Context, content *overlay) error {
	name, v, err := vfs.New(one{content})
	if err != nil {
		return err
	}
	db.vfs = v
	db.DB, err = sql.Open("sqlite", "file:"+fileName+"?vfs="+name+"&mode=ro&immutable=1"+
		"&_pragma=query_only(1)&_pragma=trusted_schema(0)&_pragma=temp_store(2)&_pragma=cell_size_check(1)&_pragma=cache_size(-4096)")
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(readers)
	db.SetMaxIdleConns(readers)
	// Limits belong to a connection: all of them are made now.
	var conns []*sql.Conn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	for range readers {
		c, err := db.Conn(ctx)
		if err != nil {
			return db.Err(ctx, err)
		}
		conns = append(conns, c)
		if _, err := sqlite.Limit(c, sqlite3.SQLITE_LIMIT_LENGTH, MaxCell); err != nil {
			return err
		}
	}
	return nil
}

// probe reads which tables there are, and their columns.
func (db *DB) probe(ctx context.Context) error {
	rows, err := db.QueryContext(ctx, `SELECT t.name, c.name FROM pragma_table_list t, pragma_table_xinfo(t.name) c
		WHERE t.schema = 'main' AND t.type = 'table' AND c.hidden = 0`)
	if err != nil {
		return db.Err(ctx, err)
	}
	defer rows.Close()
	db.tables = map[string]table{}
	for rows.Next() {
		var name, column string
		if err := rows.Scan(&name, &column); err != nil {
			return db.Err(ctx, err)
		}
		t, ok := db.tables[strings.ToLower(name)]
		if !ok {
			t = table{name, map[string]string{}}
			db.tables[strings.ToLower(name)] = t
		}
		t.columns[strings.ToLower(column)] = column
	}
	return db.Err(ctx, rows.Err())
}

// Name is the path of the database in its file system.
func (db *DB) Name() string { return db.name }

// Err tells what an error of a query means: that ctx has ended, or that the
// database is at fault ([ErrDamaged], with its name). Nil stays nil.
func (db *DB) Err(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, ErrDamaged):
		return err
	}
	return fmt.Errorf("read %s: %w: %w", db.name, ErrDamaged, err)
}

// Close ends the use of the database and of the files behind it.
func (db *DB) Close() error {
	var errs []error
	if db.DB != nil {
		errs = append(errs, db.DB.Close())
	}
	if db.vfs != nil {
		errs = append(errs, db.vfs.Close())
	}
	for _, f := range db.files {
		errs = append(errs, f.Close())
	}
	db.files, db.vfs = nil, nil
	return errors.Join(errs...)
}

// Tables gives the names of all real tables.
func (db *DB) Tables() []string {
	names := make([]string, 0, len(db.tables))
	for _, t := range db.tables {
		names = append(names, t.name)
	}
	return names
}

// Columns gives the columns of a table, nil where there is no such table.
func (db *DB) Columns(tableName string) []string {
	t := db.tables[strings.ToLower(tableName)]
	var names []string
	for _, c := range t.columns {
		names = append(names, c)
	}
	return names
}

// Has tells whether there is a real table of that name with all those columns,
// whatever the case of letters.
func (db *DB) Has(tableName string, columns ...string) bool {
	t, ok := db.tables[strings.ToLower(tableName)]
	if !ok {
		return false
	}
	for _, c := range columns {
		if _, ok := t.columns[strings.ToLower(c)]; !ok {
			return false
		}
	}
	return true
}

// Column gives an SQL expression for a column of a table in a list of results: of
// the first of columns that the table has, else NULL. alias is what the query calls
// the table. ROWID is always there.
//
// The expression is "+alias.column": the plus takes away the type that the column
// was declared with, by which the driver would turn a TIMESTAMP, which Core Data
// fills with seconds since 2001, into a wrong time.
func (db *DB) Column(tableName, alias string, columns ...string) string {
	for _, c := range columns {
		if name, ok := db.tables[strings.ToLower(tableName)].columns[strings.ToLower(c)]; ok {
			return "+" + alias + "." + Quote(name)
		}
		if strings.EqualFold(c, "rowid") && db.Has(tableName) {
			return "+" + alias + ".ROWID"
		}
	}
	return "NULL"
}

// List is a list of results: [DB.Column] of each of columns, with commas between.
func (db *DB) List(tableName, alias string, columns ...string) string {
	list := make([]string, len(columns))
	for i, c := range columns {
		list[i] = db.Column(tableName, alias, c)
	}
	return strings.Join(list, ", ")
}

// Quote makes an SQL identifier of a name.
func Quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// fileName is what SQLite calls the one file that there is.
const fileName = "database"

// one is a file system of one file.
type one struct{ content *overlay }

func (o one) Open(name string) (fs.File, error) {
	if name != fileName {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &opened{io.NewSectionReader(o.content, 0, o.content.size)}, nil
}

type opened struct{ *io.SectionReader }

func (f *opened) Stat() (fs.FileInfo, error) { return f, nil }
func (f *opened) Close() error               { return nil }
func (f *opened) Name() string               { return fileName }
func (f *opened) Mode() fs.FileMode          { return 0o400 }
func (f *opened) ModTime() time.Time         { return time.Time{} }
func (f *opened) IsDir() bool                { return false }
func (f *opened) Sys() any                   { return nil }
