package contacts_test

import (
	"bytes"
	"database/sql"
	"image"
	"image/color"
	"image/jpeg"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	_ "modernc.org/sqlite" // as database/sql's driver

	"github.com/keepsake-backup/keepsake/internal/bench/corpus"
)

// The tables of content-schemas.md, Appendix A, without what no reader needs.
const schema = `
CREATE TABLE ABPerson (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, First TEXT, Last TEXT, Middle TEXT, FirstPhonetic TEXT, MiddlePhonetic TEXT, LastPhonetic TEXT,
	Organization TEXT, Department TEXT, Note TEXT, Kind INTEGER, Birthday TEXT, JobTitle TEXT, Nickname TEXT, Prefix TEXT, Suffix TEXT, CreationDate INTEGER, ModificationDate INTEGER,
	CompositeNameFallback TEXT, ExternalUUID TEXT, StoreID INTEGER, DisplayName TEXT, PersonLink INTEGER DEFAULT -1, guid TEXT, AlternateBirthday TEXT, FirstPronunciation TEXT,
	MiddlePronunciation TEXT, LastPronunciation TEXT, OrganizationPhonetic TEXT, OrganizationPronunciation TEXT, PreviousFamilyName TEXT, ImageType TEXT);
CREATE TABLE ABMultiValue (UID INTEGER PRIMARY KEY, record_id INTEGER, property INTEGER, identifier INTEGER, label INTEGER, value TEXT, guid TEXT);
CREATE TABLE ABMultiValueLabel (value TEXT, UNIQUE(value));
CREATE TABLE ABMultiValueEntry (parent_id INTEGER, key INTEGER, value TEXT, UNIQUE(parent_id, key));
CREATE TABLE ABMultiValueEntryKey (value TEXT, UNIQUE(value));
CREATE TABLE ABStore (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, Name TEXT, ExternalIdentifier TEXT, Type INTEGER, AccountID INTEGER DEFAULT -1, MeIdentifier INTEGER DEFAULT -1, guid TEXT);
CREATE TABLE ABGroup (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, Name TEXT, StoreID INTEGER, ExternalUUID TEXT, guid TEXT);
CREATE TABLE ABGroupMembers (UID INTEGER PRIMARY KEY, group_id INTEGER, member_type INTEGER, member_id INTEGER, UNIQUE(group_id, member_type, member_id));
CREATE TABLE ABPersonLink (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, PreferredImagePersonID INTEGER DEFAULT -1, PreferredNamePersonID INTEGER DEFAULT -1, guid TEXT);
CREATE INDEX ABMultiValueRecordIDIndex ON ABMultiValue(record_id);
`

const imageSchema = `
CREATE TABLE ABThumbnailImage (ROWID INTEGER PRIMARY KEY, record_id INTEGER, format INTEGER, derived_from_format INTEGER, data BLOB);
CREATE TABLE ABFullSizeImage (ROWID INTEGER PRIMARY KEY, record_id INTEGER, crop_x INTEGER, crop_y INTEGER, crop_width INTEGER, data BLOB);
`

// script is a database that is being made.
type script struct {
	t  testing.TB
	tx *sql.Tx
}

func (s script) exec(q string, args ...any) {
	s.t.Helper()
	if _, err := s.tx.Exec(q, args...); err != nil {
		s.t.Fatalf("%s: %v", q, err)
	}
}

// database makes the bytes of a database.
func database(t testing.TB, tables string, fill func(script)) []byte {
	t.Helper()
	name := filepath.Join(t.TempDir(), "db")
	db, err := sql.Open("sqlite", name)
	if err != nil {
		t.Fatal(err)
	}
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	s := script{t, tx}
	s.exec(tables)
	if fill != nil {
		fill(s)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// phone is a source of an address book and its pictures; nil = no such database.
func phone(people, pictures []byte) fs.FS {
	fsys := fstest.MapFS{book: {Data: people, Mode: 0o600}}
	if pictures != nil {
		fsys[images] = &fstest.MapFile{Data: pictures, Mode: 0o600}
	}
	return fsys
}

func square(t testing.TB, side int, c color.Color) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, side, side))
	for i := range side * side {
		m.Set(i%side, i/side, c)
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// many makes n people with two numbers, two addresses of mail and one of a house.
func many(t testing.TB, n int) fs.FS {
	return phone(database(t, schema, func(s script) {
		s.exec(`INSERT INTO ABStore (ROWID, Name, Type, guid) VALUES (0, NULL, 0, 'S')`)
		if err := corpus.People(0, n, func(q string, args ...any) error { _, err := s.tx.Exec(q, args...); return err }); err != nil {
			s.t.Fatal(err)
		}
	}), nil)
}
