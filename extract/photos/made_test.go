package photos

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/keepsake-backup/keepsake/internal/bench/corpus"
)

// made makes a database of statements, with real SQLite.
func made(t testing.TB, statements ...string) []byte {
	t.Helper()
	at := filepath.Join(t.TempDir(), "made.sqlite")
	db, err := sql.Open("sqlite", at)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	run := func(s string) {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%.200s: %v", s, err)
		}
	}
	for len(statements) > 0 && strings.HasPrefix(statements[0], "PRAGMA") {
		run(statements[0])
		statements = statements[1:]
	}
	run("BEGIN") // thousands of rows of their own would take seconds
	for _, s := range statements {
		run(s)
	}
	run("COMMIT")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(at)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// camera is a source of a library and files with some content each.
func camera(library []byte, files ...string) fstest.MapFS {
	fsys := fstest.MapFS{}
	if library != nil {
		fsys[libraryDB] = &fstest.MapFile{Data: library, Mode: 0o600}
	}
	for i, name := range files {
		fsys[media+"/"+name] = &fstest.MapFile{Data: []byte(name), Mode: 0o600, ModTime: time.Unix(1_600_000_000+int64(i), 0)}
	}
	return fsys
}

// quote makes an SQL text.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

const many = 100_000

// manyPhotos makes a library of so many, and its files, in a folder.
func manyPhotos(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := corpus.Library(context.Background(), dir, many); err != nil {
		t.Fatal(err)
	}
	return dir
}
