package contents

import (
	"bytes"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// livePair writes a database with a log beside it and gives its path.
func livePair(t *testing.T, domain string) string {
	t.Helper()
	w := newTree(t.Context(), t.TempDir(), 1, Options{}.state().Now)
	w.liveDatabase(domain, "Library/a.sqlite",
		func(db *database) { db.records("ZTHING", w.chance("x"), 60) },
		func(db *database) {
			db.addRecords("ZTHING", w.chance("y"), 60)
			db.exec("DELETE FROM ZTHING WHERE Z_PK < 5")
		})
	if w.err != nil {
		t.Fatal(w.err)
	}
	return w.host(domain, "Library/a.sqlite")
}

func snapshot(t *testing.T, path string) []byte {
	t.Helper()
	r, size, err := SnapshotFile(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	if int64(len(data)) != size {
		t.Errorf("%s: %d bytes came, %d were announced", path, len(data), size)
	}
	return data
}

// query opens a database on disk and runs one query that gives one text.
func query(t *testing.T, path, text string) string {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	var got string
	err = db.QueryRow(text).Scan(&got)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return got
}

func TestSnapshotFile_isWhatSQLiteCheckpoints(t *testing.T) {
	path := livePair(t, "HomeDomain")
	main, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got := snapshot(t, path)
	if bytes.Equal(got, main) {
		t.Fatal("the log changes nothing")
	}
	// The last connection that closes writes the log back.
	if mode := query(t, path, "PRAGMA journal_mode"); mode != "wal" {
		t.Fatalf("the database is in mode %s", mode)
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the snapshot has %d bytes and is not what SQLite makes of it, %d bytes", len(got), len(want))
	}
}

func TestSnapshotFile_takesTheFileItself(t *testing.T) {
	read := func(path string) []byte {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	for _, test := range []struct {
		name, domain string
		change       func(path string) error
	}{
		{"in an app's container", "AppDomain-com.example.a", func(string) error { return nil }},
		{"in a group", "AppDomainGroup-group.a", func(string) error { return nil }},
		{"without a log", "HomeDomain", func(p string) error { return os.Remove(p + "-wal") }},
		{"with an empty log", "HomeDomain", func(p string) error { return os.Truncate(p+"-wal", 0) }},
		{"with half a header", "HomeDomain", func(p string) error { return os.Truncate(p+"-wal", 20) }},
		{"with no whole frame", "HomeDomain", func(p string) error { return os.Truncate(p+"-wal", 4000) }},
		{"with a log of noise", "HomeDomain", func(p string) error { return os.WriteFile(p+"-wal", bytes.Repeat([]byte("noise"), 9000), 0o600) }},
		{"with no commit", "HomeDomain", func(p string) error { return os.Truncate(p+"-wal", int64(len(read(p+"-wal"))-1)) }},
		{"that is no database", "HomeDomain", func(p string) error { return os.WriteFile(p, []byte("text"), 0o600) }},
	} {
		path := livePair(t, test.domain)
		if err := test.change(path); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(snapshot(t, path), read(path)) {
			t.Errorf("a database %s: the snapshot is not the file", test.name)
		}
	}
}

func TestSnapshotFile_errors(t *testing.T) {
	path := livePair(t, "HomeDomain")
	if _, _, err := SnapshotFile(t.Context(), path+"x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if _, _, err := SnapshotFile(t.Context(), filepath.Dir(path)); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a folder: %v", err)
	}
}

// Every database of a phone is sound, with its log and as a backup takes it.
func TestDatabases_areSound(t *testing.T) {
	dir, count := sharedPhone(t), 0
	for rel, line := range files(t, dir) {
		if !strings.HasPrefix(line, "-") {
			continue
		}
		at := filepath.Join(dir, rel)
		data, err := os.ReadFile(at)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(data, []byte(sqliteMagic)) {
			continue
		}
		count++
		copied := filepath.Join(t.TempDir(), "db")
		if err := os.WriteFile(copied, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if wal, err := os.ReadFile(at + "-wal"); err == nil {
			if err := os.WriteFile(copied+"-wal", wal, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := query(t, copied, "PRAGMA integrity_check"); got != "ok" {
			t.Errorf("%s: %s", rel, got)
		}
		if err := os.WriteFile(copied+"2", snapshot(t, at), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := query(t, copied+"2", "PRAGMA integrity_check"); got != "ok" {
			t.Errorf("the snapshot of %s: %s", rel, got)
		}
	}
	if count < 20 {
		t.Errorf("only %d databases", count)
	}
}

func TestDigest_lines(t *testing.T) {
	dir := t.TempDir()
	w := newTree(t.Context(), dir, 1, Options{}.state().Now)
	w.file("AppDomain-a", "two\nlines \\ here", []byte("x"))
	w.link("AppDomain-a", "link", "../to")
	w.file("AppDomain-a", "tmp/gone", []byte("x"))
	w.file("AppDomain-a.b", "file", nil)
	if w.err != nil {
		t.Fatal(w.err)
	}
	var got bytes.Buffer
	if err := Digest(t.Context(), dir, false, &got); err != nil {
		t.Fatal(err)
	}
	sum := func(s string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(s))) }
	want := sum("dir") + "  AppDomain-a.b/\n" +
		sum("") + "  AppDomain-a.b/file\n" +
		sum("dir") + "  AppDomain-a/\n" +
		sum("link:../to") + "  AppDomain-a/link\n" +
		`\` + sum("x") + `  AppDomain-a/two\nlines \\ here` + "\n"
	if got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want)
	}
}

func FuzzReadWAL(f *testing.F) {
	image, err := withDatabase(f.Context(), nil, func(db *database) { db.exec("CREATE TABLE a (b)") })
	if err != nil {
		f.Fatal(err)
	}
	wal := makeWAL(nil, image, 42)
	f.Add(wal)
	f.Add(wal[:len(wal)-1])
	f.Add(wal[:walHeaderLen])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		x, err := readWAL(bytes.NewReader(data), 4096)
		if err != nil {
			if !errors.Is(err, errNotWAL) {
				t.Fatal(err)
			}
			return
		}
		for page, at := range x.offset {
			if page == 0 || at < 0 || at+4096 > int64(len(data)) {
				t.Errorf("page %d at %d of %d bytes", page, at, len(data))
			}
		}
	})
}
