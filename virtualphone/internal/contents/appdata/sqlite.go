package appdata

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"modernc.org/sqlite"
)

// schemaFiles holds the DDL of the databases, read from public research phones
// and public schema dumps (content-schemas.md, appendix A).
//
//go:embed schema/*.sql
var schemaFiles embed.FS

// dbFile says how a database file is laid out.
type dbFile struct {
	path       string
	pageSize   int  // 0 means 4096, what almost all phone databases have
	autoVacuum int  // 2 (incremental) in Core Data stores
	legacy     bool // rollback-journal header; phones keep nearly all in WAL mode
	mtime      time.Time
}

// db is an open transaction. Its methods keep the first error and do nothing
// after it; [build] and [update] report it.
type db struct {
	ctx   context.Context
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
	key   strings.Builder
	n     int
	err   error
}

// build creates a database in one transaction, replacing any file at its path
// and its sidecars. The same calls give the same bytes.
func build(ctx context.Context, f dbFile, fill func(*db)) error {
	if f.pageSize == 0 {
		f.pageSize = 4096
	}
	if err := os.MkdirAll(filepath.Dir(f.path), 0o755); err != nil {
		return err
	}
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if err := os.Remove(f.path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	err := withConn(ctx, f.path, func(c *sql.Conn) error {
		// The file is thrown away when anything fails, so it needs no journal.
		for _, p := range []string{
			fmt.Sprintf("page_size=%d", f.pageSize), fmt.Sprintf("auto_vacuum=%d", f.autoVacuum),
			"journal_mode=OFF", "synchronous=OFF", "locking_mode=EXCLUSIVE", "temp_store=MEMORY", "cache_size=-65536",
		} {
			if _, err := c.ExecContext(ctx, "PRAGMA "+p); err != nil {
				return err
			}
		}
		return transact(ctx, c, fill)
	})
	if err != nil {
		return fmt.Errorf("build %s: %w", filepath.Base(f.path), err)
	}
	return finish(f)
}

// finish marks the file as a phone would have it and sets its time.
func finish(f dbFile) error {
	if !f.legacy {
		if err := markWAL(f.path); err != nil {
			return err
		}
	}
	return setTime(f.path, f.mtime)
}

// update changes an existing database in one transaction. Sidecars that are
// there are taken in first. With leaveWAL the change ends up in a write-ahead
// log beside an unchanged main file; otherwise there are no sidecars after.
// A missing file is an error for which errors.Is(err, fs.ErrNotExist) holds.
func update(ctx context.Context, f dbFile, leaveWAL bool, seed uint64, change func(*db)) error {
	if _, err := os.Stat(f.path); err != nil {
		return err
	}
	err := withConn(ctx, f.path, func(c *sql.Conn) error { return checkpoint(ctx, c) })
	if err != nil {
		return fmt.Errorf("update %s: %w", filepath.Base(f.path), err)
	}
	var before []byte
	if leaveWAL {
		if before, err = os.ReadFile(f.path); err != nil {
			return err
		}
	}
	err = withConn(ctx, f.path, func(c *sql.Conn) error {
		for _, p := range []string{"journal_mode=MEMORY", "synchronous=OFF", "cache_size=-65536"} {
			if _, err := c.ExecContext(ctx, "PRAGMA "+p); err != nil {
				return err
			}
		}
		return transact(ctx, c, change)
	})
	if err != nil {
		return fmt.Errorf("update %s: %w", filepath.Base(f.path), err)
	}
	if leaveWAL {
		return splitWAL(f, before, seed)
	}
	return finish(f)
}

// checkpoint merges a write-ahead log into the database and drops it. The
// pragma answers with the mode reached, which says whether it worked.
func checkpoint(ctx context.Context, c *sql.Conn) error {
	var mode string
	if err := c.QueryRowContext(ctx, "PRAGMA journal_mode=DELETE").Scan(&mode); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	if mode != "delete" {
		return fmt.Errorf("checkpoint: journal mode stays %q", mode)
	}
	return nil
}

func withConn(ctx context.Context, path string, f func(*sql.Conn) error) (err error) {
	c, err := newConnector(path)
	if err != nil {
		return err
	}
	pool := sql.OpenDB(c)
	pool.SetMaxOpenConns(1)
	defer func() { err = errors.Join(err, pool.Close()) }()
	conn, err := pool.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	return f(conn)
}

func transact(ctx context.Context, c *sql.Conn, f func(*db)) error {
	if _, err := c.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	d := &db{ctx: ctx, conn: c, stmts: map[string]*sql.Stmt{}}
	f(d)
	for _, s := range d.stmts {
		d.fail(s.Close())
	}
	if d.err == nil {
		d.fail(ctx.Err())
	}
	end := "COMMIT"
	if d.err != nil {
		end = "ROLLBACK"
	}
	// Without the caller's cancellation, which must not leave the transaction open.
	_, err := c.ExecContext(context.WithoutCancel(ctx), end)
	if d.err != nil {
		return d.err
	}
	return err
}

// connector opens one file with the functions that phone databases call.
type connector struct {
	drv *sqlite.Driver
	dsn string
}

func (c connector) Connect(context.Context) (driver.Conn, error) { return c.drv.Open(c.dsn) }
func (c connector) Driver() driver.Driver                        { return c.drv }

// newConnector registers the two functions of AddressBook (content-schemas.md
// 0) on a driver of its own, so that nothing else in the process sees them.
// GUIDs are always given, so generating one is an error.
func newConnector(path string) (driver.Connector, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	slash := filepath.ToSlash(abs)
	if !strings.HasPrefix(slash, "/") {
		slash = "/" + slash // a drive letter: file:///C:/…
	}
	drv := &sqlite.Driver{}
	err = drv.RegisterScalarFunction("ab_generate_guid", 0, func(*sqlite.FunctionContext, []driver.Value) (driver.Value, error) {
		return nil, errors.New("row without a guid")
	})
	if err != nil {
		return nil, err
	}
	err = drv.RegisterScalarFunction("ab_update_value_from_trigger", 3, func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
		return args[0], nil
	})
	if err != nil {
		return nil, err
	}
	u := url.URL{Scheme: "file", Path: slash}
	return connector{drv: drv, dsn: u.String()}, nil
}

func (d *db) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

// schema runs one of the embedded DDL files.
func (d *db) schema(name string) {
	b, err := schemaFiles.ReadFile("schema/" + name)
	if err != nil {
		d.fail(err)
		return
	}
	d.exec(string(b))
}

// exec runs SQL with arguments.
func (d *db) exec(query string, args ...any) {
	if d.err != nil {
		return
	}
	if _, err := d.conn.ExecContext(d.ctx, query, args...); err != nil {
		d.fail(fmt.Errorf("run %.60q: %w", query, err))
	}
}

// insert adds a row given as column, value, column, value …; columns left out
// take their default.
func (d *db) insert(table string, kv ...any) {
	if d.err != nil {
		return
	}
	if d.n++; d.n%256 == 0 && d.ctx.Err() != nil {
		d.fail(d.ctx.Err())
		return
	}
	d.key.Reset()
	d.key.WriteString(table)
	vals := make([]any, 0, len(kv)/2)
	for i := 0; i+1 < len(kv); i += 2 {
		d.key.WriteByte(',')
		d.key.WriteString(kv[i].(string))
		vals = append(vals, kv[i+1])
	}
	s, err := d.prepared(d.key.String(), len(vals))
	if err != nil {
		d.fail(err)
		return
	}
	// Without cancellation: the driver starts a goroutine per statement otherwise.
	if _, err := s.ExecContext(context.WithoutCancel(d.ctx), vals...); err != nil {
		d.fail(fmt.Errorf("insert into %s: %w", table, err))
	}
}

// prepared gives the INSERT for "table,col,col…".
func (d *db) prepared(key string, n int) (*sql.Stmt, error) {
	if s := d.stmts[key]; s != nil {
		return s, nil
	}
	table, cols, _ := strings.Cut(key, ",")
	q := fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", table, cols, strings.TrimSuffix(strings.Repeat("?,", n), ","))
	s, err := d.conn.PrepareContext(context.WithoutCancel(d.ctx), q)
	if err != nil {
		return nil, fmt.Errorf("prepare insert into %s: %w", table, err)
	}
	d.stmts[key] = s
	return s, nil
}

// number answers a query for one integer; NULL and no row are 0.
func (d *db) number(query string, args ...any) int64 {
	var n sql.NullInt64
	d.scan(query, args, &n)
	return n.Int64
}

// text answers a query for one string; NULL and no row are "".
func (d *db) text(query string, args ...any) string {
	var s sql.NullString
	d.scan(query, args, &s)
	return s.String
}

func (d *db) scan(query string, args []any, dest ...any) {
	if d.err != nil {
		return
	}
	err := d.conn.QueryRowContext(d.ctx, query, args...).Scan(dest...)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		d.fail(fmt.Errorf("query %.60q: %w", query, err))
	}
}

// rows calls row for every row of a query.
func (d *db) rows(query string, row func(scan func(...any) error) error) {
	if d.err != nil {
		return
	}
	rows, err := d.conn.QueryContext(d.ctx, query)
	if err != nil {
		d.fail(fmt.Errorf("query %.60q: %w", query, err))
		return
	}
	for rows.Next() && d.err == nil {
		d.fail(row(rows.Scan))
	}
	d.fail(rows.Err())
	d.fail(rows.Close())
}
