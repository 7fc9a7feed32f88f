package corpus

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite"
)

// databases fills dir with four databases of unequal size.
func (m *maker) databases(dir string, bytes int64) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for i, share := range []int64{40, 30, 20, 10} {
		path := filepath.Join(dir, fmt.Sprintf("store%d.db", i+1))
		if err := m.database(path, bytes*share/100); err != nil {
			return err
		}
	}
	return nil
}

// Database makes one database of about so many bytes, with its last changes
// taken over from the write-ahead log.
func Database(ctx context.Context, path string, bytes int64, seed uint64) error {
	if err := newMaker(ctx, seed).database(path, bytes); err != nil {
		return fmt.Errorf("make database %s: %w", filepath.Base(path), err)
	}
	return nil
}

const schema = `
CREATE TABLE message (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, guid TEXT UNIQUE NOT NULL, text TEXT, handle_id INTEGER, service TEXT,
	date INTEGER, date_read INTEGER, is_read INTEGER, body BLOB);
CREATE INDEX message_date ON message(date);
CREATE INDEX message_handle ON message(handle_id, date);
CREATE TABLE thumbnail (message_id INTEGER PRIMARY KEY, data BLOB);`

// dayOf is what happens in a day to a database of sampleBytes: the changes of
// engine.md 2.4, made larger with the database.
const (
	sampleBytes = 305e6
	dayInserts  = 600
	dayUpdates  = 360
	dayDeletes  = 20
)

func (m *maker) database(path string, bytes int64) (err error) {
	db, err := openDatabase(m.ctx, path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.close(), os.Chtimes(path, m.day(), m.day())) }()
	if err := db.exec(schema); err != nil {
		return err
	}
	const batch = 2000
	for {
		if err := m.insert(db, batch); err != nil {
			return err
		}
		if size, err := db.size(); err != nil || size >= bytes-batch/2*1000 {
			return errors.Join(err, db.exec("PRAGMA wal_checkpoint(TRUNCATE)"))
		}
	}
}

// Day does to a database what a day does: inserts, updates of new and of old
// rows, deletions, and at last everything is taken over from the write-ahead log
// into the file. number makes the days differ.
func Day(ctx context.Context, path string, number uint64) error {
	if err := newMaker(ctx, 1000+number).change(path); err != nil {
		return fmt.Errorf("change database %s: %w", filepath.Base(path), err)
	}
	return nil
}

func (m *maker) change(path string) (err error) {
	db, err := openDatabase(m.ctx, path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.close()) }()
	size, err := db.size()
	if err != nil {
		return err
	}
	scaled := func(n int) int { return max(1, int(float64(n)*float64(size)/sampleBytes)) }
	if err := m.insert(db, scaled(dayInserts)); err != nil {
		return err
	}
	var last int64
	if err := db.conn.QueryRowContext(m.ctx, "SELECT max(ROWID) FROM message").Scan(&last); err != nil {
		return err
	}
	if err := db.exec("BEGIN"); err != nil {
		return err
	}
	for i := range scaled(dayUpdates) {
		row := 1 + m.random.Int64N(last)
		if i%2 == 0 { // half of the changes are to what is new
			row = last - m.random.Int64N(max(last/50, 1))
		}
		if err := db.exec("UPDATE message SET is_read = 1, date_read = ? WHERE ROWID = ?", m.random.Int64N(1<<40), row); err != nil {
			return err
		}
	}
	for range scaled(dayDeletes) {
		if err := db.exec("DELETE FROM message WHERE ROWID = ?", 1+m.random.Int64N(last)); err != nil {
			return err
		}
	}
	return errors.Join(db.exec("COMMIT"), db.exec("PRAGMA wal_checkpoint(TRUNCATE)"))
}

// Vacuum packs a database anew: everything in it moves.
func Vacuum(ctx context.Context, path string) (err error) {
	db, err := openDatabase(ctx, path)
	if err != nil {
		return fmt.Errorf("vacuum database: %w", err)
	}
	defer func() { err = errors.Join(err, db.close()) }()
	return errors.Join(db.exec("VACUUM"), db.exec("PRAGMA wal_checkpoint(TRUNCATE)"))
}

// insert adds n messages, one in 20 with a picture.
func (m *maker) insert(db *database, n int) error {
	if err := db.exec("BEGIN"); err != nil {
		return err
	}
	message, err := db.conn.PrepareContext(m.ctx, `INSERT INTO message (guid, text, handle_id, service, date, date_read, is_read, body) VALUES (?, ?, ?, ?, ?, 0, 0, ?)`)
	if err != nil {
		return err
	}
	defer message.Close()
	var date int64 // messages come in the order of their dates
	if err := db.conn.QueryRowContext(m.ctx, "SELECT coalesce(max(date), 0) FROM message").Scan(&date); err != nil {
		return err
	}
	m.words.plain = true
	for range n {
		date += 1 + m.random.Int64N(1<<32)
		var key [16]byte
		m.noise.Read(key[:]) // never fails
		text := string(m.words.sentence(nil, 2+m.random.IntN(6)+m.random.IntN(40)))
		// As an archive of objects: names that are the same in each, and the text once more.
		body := append([]byte("\x04\x0bstreamtyped\x81\xe8\x03\x84\x01@\x84\x84\x84\x12NSAttributedString\x00\x84\x84\x08NSObject\x00\x85\x92\x84\x84\x84\x08NSString\x01"), text...)
		noise := make([]byte, 40+m.random.IntN(400))
		m.noise.Read(noise)
		r, err := message.ExecContext(m.ctx, hex.EncodeToString(key[:]), text, m.random.IntN(300), "iMessage", date, append(body, noise...))
		if err != nil {
			return err
		}
		if m.random.IntN(20) > 0 {
			continue
		}
		id, err := r.LastInsertId()
		if err != nil {
			return err
		}
		picture := make([]byte, 2000+m.random.IntN(16_000))
		m.noise.Read(picture)
		if err := db.exec("INSERT INTO thumbnail VALUES (?, ?)", id, picture); err != nil {
			return err
		}
	}
	return db.exec("COMMIT")
}

// database is one connection: transactions begin and end by statements.
type database struct {
	ctx  context.Context
	db   *sql.DB
	conn *sql.Conn
}

func openDatabase(ctx context.Context, path string) (*database, error) {
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return nil, err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	d := &database{ctx, db, conn}
	for _, pragma := range []string{"page_size = 4096", "journal_mode = WAL", "synchronous = OFF", "cache_size = -262144", "wal_autocheckpoint = 20000"} {
		if err := d.exec("PRAGMA " + pragma); err != nil {
			return nil, errors.Join(err, d.close())
		}
	}
	return d, nil
}

func (d *database) exec(statement string, args ...any) error {
	_, err := d.conn.ExecContext(d.ctx, statement, args...)
	return err
}

// size in bytes, free pages included.
func (d *database) size() (size int64, err error) {
	err = d.conn.QueryRowContext(d.ctx, "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size").Scan(&size)
	return size, err
}

func (d *database) close() error { return errors.Join(d.conn.Close(), d.db.Close()) }
