package contents

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	_ "modernc.org/sqlite" // the driver named "sqlite"
)

// database is a SQLite database in memory. Being made by the same statements,
// the bytes of two are equal.
type database struct {
	ctx  context.Context
	conn *sql.Conn
	err  error
}

// withDatabase opens image, or an empty database when image is empty, lets edit
// change it and gives the image after that, in rollback-journal form.
func withDatabase(ctx context.Context, image []byte, edit func(*database)) (after []byte, err error) {
	pool, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	defer func() { err = errors.Join(err, pool.Close()) }()
	conn, err := pool.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if len(image) > 0 {
		image = setJournal(image, journalRollback)
		if err := conn.Raw(func(c any) error { return c.(deserializer).Deserialize(image) }); err != nil {
			return nil, fmt.Errorf("load database: %w", err)
		}
	}
	db := &database{ctx: ctx, conn: conn}
	db.exec("BEGIN")
	edit(db)
	db.exec("COMMIT")
	if db.err != nil {
		return nil, db.err
	}
	err = conn.Raw(func(c any) (e error) {
		after, e = c.(serializer).Serialize()
		return e
	})
	if err != nil {
		return nil, fmt.Errorf("store database: %w", err)
	}
	return after, nil
}

type (
	serializer   interface{ Serialize() ([]byte, error) }
	deserializer interface{ Deserialize([]byte) error }
)

// exec runs one or more statements.
func (db *database) exec(query string, args ...any) {
	if db.err != nil {
		return
	}
	if _, err := db.conn.ExecContext(db.ctx, query, args...); err != nil {
		db.err = fmt.Errorf("run %.60q: %w", query, err)
	}
}

// cols are the columns of a row: name, value, name, value, …
type cols []any

// insert adds one row.
func (db *database) insert(table string, row cols) {
	names, values := make([]string, 0, len(row)/2), make([]any, 0, len(row)/2)
	for i := 0; i+1 < len(row); i += 2 {
		names, values = append(names, row[i].(string)), append(values, row[i+1])
	}
	marks := strings.TrimSuffix(strings.Repeat("?,", len(names)), ",")
	db.exec("INSERT INTO "+table+"("+strings.Join(names, ",")+") VALUES("+marks+")", values...)
}

// number reads one integer; NULL and no row are 0.
func (db *database) number(query string, args ...any) int64 {
	var n sql.NullInt64
	if db.err != nil {
		return 0
	}
	if err := db.conn.QueryRowContext(db.ctx, query, args...).Scan(&n); err != nil && !errors.Is(err, sql.ErrNoRows) {
		db.err = fmt.Errorf("run %.60q: %w", query, err)
	}
	return n.Int64
}

// text reads one string; NULL and no row are "".
func (db *database) text(query string, args ...any) string {
	var s sql.NullString
	if db.err != nil {
		return ""
	}
	if err := db.conn.QueryRowContext(db.ctx, query, args...).Scan(&s); err != nil && !errors.Is(err, sql.ErrNoRows) {
		db.err = fmt.Errorf("run %.60q: %w", query, err)
	}
	return s.String
}

// database writes a database with everything in its main file.
func (t *tree) database(domain, rel string, edit func(*database)) {
	if t.err != nil {
		return
	}
	image, err := withDatabase(t.ctx, nil, edit)
	if !t.fail("make database", domain, rel, err) {
		t.file(domain, rel, image)
	}
}

// liveDatabase writes a database as an app that is running leaves it: what
// first did is in the main file, what then did is only in the -wal, beside an
// -shm that SQLite makes anew when it opens the database.
func (t *tree) liveDatabase(domain, rel string, first, then func(*database)) {
	if t.err != nil {
		return
	}
	before, err := withDatabase(t.ctx, nil, first)
	if t.fail("make database", domain, rel, err) {
		return
	}
	after, err := withDatabase(t.ctx, before, then)
	if t.fail("make database", domain, rel, err) {
		return
	}
	at := t.past(domain, rel)
	t.fileAt(domain, rel, setJournal(before, journalWAL), at)
	t.fileAt(domain, rel+"-wal", makeWAL(before, after, t.chance("wal", domain, rel).Uint64()), at)
	t.fileAt(domain, rel+"-shm", make([]byte, shmLen), at)
}
