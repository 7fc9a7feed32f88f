package appdata

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// TestWAL checks that a log of ours is one SQLite takes, and that without it
// the database is the one from before.
func TestWAL(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	f := dbFile{path: filepath.Join(dir, "a.db"), mtime: testNow}
	if err := build(ctx, f, func(d *db) {
		d.exec("CREATE TABLE t (n INTEGER PRIMARY KEY, b BLOB)")
		for i := range 20 {
			d.insert("t", "n", i, "b", make([]byte, 1000))
		}
	}); err != nil {
		t.Fatal(err)
	}
	grow := func(from, to int) func(*db) {
		return func(d *db) {
			for i := from; i < to; i++ {
				d.insert("t", "n", i, "b", make([]byte, 1000))
			}
			d.exec("DELETE FROM t WHERE n=3")
		}
	}
	if err := update(ctx, f, true, 9, grow(20, 60)); err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(f.path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	be := binary.BigEndian
	if be.Uint32(log) != 0x377f0682 || be.Uint32(log[4:]) != 3007000 || be.Uint32(log[8:]) != 4096 || (len(log)-32)%(24+4096) != 0 {
		t.Errorf("log head % x, %d bytes", log[:32], len(log))
	}
	if shm, err := os.Stat(f.path + "-shm"); err != nil || shm.Size() == 0 {
		t.Errorf("wal-index: %v", err)
	}
	if got := one(t, open(t, dir, "a.db", false), "SELECT count(*) FROM t"); got != "20" {
		t.Errorf("%s rows without the log, want 20", got)
	}
	if got := one(t, open(t, dir, "a.db", true), "SELECT count(*), (SELECT integrity_check FROM pragma_integrity_check) FROM t"); got != "59|ok" {
		t.Errorf("%s rows with the log, want 59", got)
	}
	// The next update takes the log in first.
	if err := update(ctx, f, false, 0, grow(60, 61)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(f.path + "-wal"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("log is still there: %v", err)
	}
	if got := one(t, open(t, dir, "a.db", false), "SELECT count(*) FROM t"); got != "60" {
		t.Errorf("%s rows at last, want 60", got)
	}
}

func TestWALOfRefuses(t *testing.T) {
	page := append([]byte("SQLite format 3\x00\x10\x00"), make([]byte, 4096-18)...)
	for name, c := range map[string][2][]byte{
		"no database": {[]byte("x"), []byte("y")},
		"shrunk":      {append(bytes.Clone(page), page...), page},
		"odd length":  {page, append(bytes.Clone(page), 1)},
	} {
		if _, err := walOf(c[0], c[1], 1); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestUpdateFailureChangesNothing(t *testing.T) {
	ctx := context.Background()
	f := dbFile{path: filepath.Join(t.TempDir(), "a.db"), mtime: testNow}
	if err := build(ctx, f, func(d *db) { d.exec("CREATE TABLE t (n)") }); err != nil {
		t.Fatal(err)
	}
	err := update(ctx, f, false, 0, func(d *db) {
		d.insert("t", "n", 1)
		d.insert("nowhere", "n", 1)
		d.insert("t", "n", 2)
	})
	if err == nil {
		t.Fatal("no error")
	}
	if got := one(t, open(t, filepath.Dir(f.path), "a.db", true), "SELECT count(*) FROM t"); got != "0" {
		t.Errorf("%s rows after a failed update", got)
	}
	if err := update(ctx, dbFile{path: f.path + "x"}, false, 0, func(*db) {}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing database: %v", err)
	}
}

func TestBuildFailure(t *testing.T) {
	f := dbFile{path: filepath.Join(t.TempDir(), "a.db"), mtime: testNow}
	if err := build(context.Background(), f, func(d *db) { d.schema("none.sql") }); err == nil {
		t.Error("unknown schema: no error")
	}
	if err := build(context.Background(), f, func(d *db) { d.exec("nonsense") }); err == nil {
		t.Error("bad SQL: no error")
	}
}
