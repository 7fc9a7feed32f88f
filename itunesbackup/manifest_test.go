package itunesbackup

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha1"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/keybag"
)

// testRecords are n rows of one directory, with their IDs.
func testRecords(n int) []Record {
	var list []Record
	for i := range n {
		r := Record{Domain: "HomeDomain", RelativePath: fmt.Sprintf("Library/%d", i), Flags: FlagFile, File: regular()}
		r.ID = MakeFileID(r.Domain, r.RelativePath)
		r.File.RelativePath = r.RelativePath
		r.File.Inode = int64(i + 1)
		list = append(list, r)
	}
	return list
}

func collect(t *testing.T, m *Manifest) ([]Record, []*RowError) {
	t.Helper()
	var list []Record
	var faults []*RowError
	for r, err := range m.Records(t.Context()) {
		var rowErr *RowError
		switch {
		case errors.As(err, &rowErr):
			faults = append(faults, rowErr)
		case err != nil:
			t.Fatal(err)
		default:
			list = append(list, r)
		}
	}
	return list, faults
}

func TestManifest_roundTrip(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "odd ?name#100%.db")
	m, err := CreateManifest(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	want := testRecords(2500) // three pages of Records
	noID := want[0]
	noID.ID, noID.File.RelativePath = FileID{}, "is replaced"
	if err := m.Put(ctx, append([]Record{noID}, want[1:]...)); err != nil {
		t.Fatal(err)
	}
	if err := m.Put(ctx, want[:10]); err != nil { // replaces
		t.Fatal(err)
	}
	gone := want[len(want)-1]
	if err := m.Delete(ctx, []FileID{gone.ID, {1}}); err != nil {
		t.Fatal(err)
	}
	want = want[:len(want)-1]
	if err := m.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if err := m.Put(ctx, want); err == nil {
		t.Error("a closed manifest took rows")
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("files beside the manifest: %v, %v", entries, err)
	}

	m, err = OpenManifest(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	got, faults := collect(t, m)
	slices.SortFunc(got, func(a, b Record) int { return int(a.File.Inode - b.File.Inode) })
	if diff := cmp.Diff(want, got); diff != "" || len(faults) > 0 {
		t.Errorf("faults %v, (-want +got)\n%s", faults, diff)
	}
	if n, err := m.Count(ctx); err != nil || n != int64(len(want)) {
		t.Errorf("count %d, %v", n, err)
	}
	if r, ok, err := m.Get(ctx, want[7].ID); !ok || err != nil || r.RelativePath != want[7].RelativePath {
		t.Errorf("get: %v, %t, %v", r, ok, err)
	}
	if _, ok, err := m.Get(ctx, gone.ID); ok || err != nil {
		t.Errorf("get of a deleted row: %t, %v", ok, err)
	}
	if r, ok, err := m.Find(ctx, "HomeDomain", "Library/12"); !ok || err != nil || r.ID != want[12].ID {
		t.Errorf("find: %v, %t, %v", r, ok, err)
	}
	if err := m.QuickCheck(ctx); err != nil {
		t.Error(err)
	}
	if err := m.Put(ctx, want[:1]); !errors.Is(err, errReadOnly) {
		t.Errorf("put into a manifest opened for reading: %v", err)
	}
}

// The schema is compared by SQLite's own shell, Debian's sqlite3.
func TestCreateManifest_schema(t *testing.T) {
	path := filepath.Join(t.TempDir(), manifestName)
	m, err := CreateManifest(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("sqlite3", path, ".schema", "PRAGMA user_version;", "PRAGMA journal_mode;", "PRAGMA integrity_check;").Output()
	if err != nil {
		t.Fatalf("sqlite3 (package sqlite3 must be installed): %v", err)
	}
	const want = `CREATE TABLE Files (fileID TEXT PRIMARY KEY, domain TEXT, relativePath TEXT, flags INTEGER, file BLOB);
CREATE TABLE Properties (key TEXT PRIMARY KEY, value BLOB);
CREATE INDEX FilesDomainIdx ON Files(domain);
CREATE INDEX FilesRelativePathIdx ON Files(relativePath);
CREATE INDEX FilesFlagsIdx ON Files(flags);
2
delete
ok
`
	if diff := cmp.Diff(want, string(out)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if _, err := CreateManifest(t.Context(), path); !errors.Is(err, os.ErrExist) {
		t.Errorf("creating over a file: %v", err)
	}
}

func TestEditManifest(t *testing.T) {
	ctx := t.Context()
	path := makeDB(t, ``, `PRAGMA user_version = 0`)
	m, err := EditManifest(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	// Reading and writing inside the loop must neither block nor go on for ever.
	if err := m.Put(ctx, testRecords(1500)); err != nil {
		t.Fatal(err)
	}
	rows := 0
	for r, err := range m.Records(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		rows++
		if _, ok, err := m.Get(ctx, r.ID); !ok || err != nil {
			t.Fatal(ok, err)
		}
		if rows%500 == 0 {
			r.RelativePath += " changed"
			r.ID = FileID{}
			if err := m.Put(ctx, []Record{r}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if rows != 1500 {
		t.Errorf("%d rows, want 1500", rows)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := EditManifest(ctx, filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing manifest: %v", err)
	}
}

func TestPut_isAllOrNothing(t *testing.T) {
	ctx := t.Context()
	m, err := CreateManifest(ctx, filepath.Join(t.TempDir(), manifestName))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for _, bad := range []Record{
		{Domain: "HomeDomain", RelativePath: "../etc/passwd"},
		{Domain: "", RelativePath: "a"},
		{Domain: "HomeDomain", RelativePath: "a", File: MBFile{EncryptionKey: []byte{1}}},
	} {
		if err := m.Put(ctx, append(testRecords(3), bad)); err == nil {
			t.Errorf("%+v was accepted", bad)
		}
	}
	if n, err := m.Count(ctx); n != 0 || err != nil {
		t.Errorf("%d rows, %v; want none", n, err)
	}
	stopped, cancel := context.WithCancel(ctx)
	cancel()
	if err := m.Put(stopped, testRecords(3)); !errors.Is(err, context.Canceled) {
		t.Errorf("put after the end: %v", err)
	}
}

// makeDB makes a database with SQL: schema, or that of a manifest when empty.
func makeDB(t testing.TB, schema string, statements ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), manifestName)
	db, err := sql.Open("sqlite", fileURL(path))
	if err != nil {
		t.Fatal(err)
	}
	if schema == "" {
		schema = manifestTables
	}
	for _, s := range append([]string{schema}, statements...) {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOpenManifest_schemas(t *testing.T) {
	const columns = "(fileID TEXT PRIMARY KEY, domain TEXT, relativePath TEXT, flags INTEGER, file BLOB)"
	for _, tt := range []struct {
		name, schema string
		ok           bool
	}{
		{"iOS 27", "CREATE TABLE Files " + columns + "; CREATE INDEX FilesDomainsRelativePathIdx ON Files(domain, relativePath); CREATE TABLE Properties (key TEXT PRIMARY KEY, value BLOB)", true},
		{"without Properties", "CREATE TABLE Files " + columns, true},
		{"more columns", "CREATE TABLE Files (fileID TEXT, domain TEXT, relativePath TEXT, flags INTEGER, file BLOB, more TEXT)", true},
		{"no Files", "CREATE TABLE Other (x)", false},
		{"a view", "CREATE VIEW Files AS SELECT '' AS fileID, '' AS domain, '' AS relativePath, 1 AS flags, x'' AS file", false},
		{"a virtual table", "CREATE VIRTUAL TABLE Files USING fts5(fileID, domain, relativePath, flags, file)", false},
		{"a column missing", "CREATE TABLE Files (fileID TEXT, domain TEXT, relativePath TEXT, flags INTEGER)", false},
		{"a generated column", "CREATE TABLE Files (fileID TEXT, domain TEXT, relativePath TEXT, flags INTEGER, file BLOB AS (zeroblob(1000000000)))", false},
		{"without row numbers", "CREATE TABLE Files " + columns + " WITHOUT ROWID", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := OpenManifest(t.Context(), makeDB(t, tt.schema))
			if !tt.ok {
				if !errors.Is(err, ErrMalformed) {
					t.Errorf("got %v, want ErrMalformed", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestOpenManifest_refuses(t *testing.T) {
	good, err := os.ReadFile(makeDB(t, ""))
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"empty":      {},
		"ciphertext": bytes.Repeat([]byte{0xA5}, 4096),
		"cut":        good[:1000],
		"head only":  []byte(sqliteMagic),
	} {
		path := filepath.Join(t.TempDir(), manifestName)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenManifest(t.Context(), path); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: got %v, want ErrMalformed", name, err)
		}
	}
	if _, err := OpenManifest(t.Context(), filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing: got %v", err)
	}
}

// Every faulty row is told and skipped; the good one is found all the same.
func TestRecords_faultyRows(t *testing.T) {
	const id = "3d0d7e5fb2ce288813306e4d4636395e047a3d28"
	blob := fmt.Sprintf("x'%x'", mustMarshal(t, regular()))
	insert := func(id, domain, path, flags, file string) string {
		return fmt.Sprintf("INSERT INTO Files VALUES (%s, %s, %s, %s, %s)", id, domain, path, flags, file)
	}
	other := func(n int) string { return fmt.Sprintf("'%040x'", n) }
	path := makeDB(t, "",
		insert("'"+id+"'", "'HomeDomain'", "'Library/SMS/sms.db'", "1", blob),
		insert("'zz'", "'HomeDomain'", "'a'", "1", blob),
		insert("NULL", "'HomeDomain'", "'b'", "1", blob),
		insert("x'0001'", "'HomeDomain'", "'c'", "1", blob),
		insert(other(1), "NULL", "NULL", "16", blob),
		insert(other(2), "'HomeDomain'", "'../../etc/passwd'", "1", blob),
		insert(other(3), "'HomeDomain'", "'/etc/passwd'", "1", blob),
		insert(other(4), "'a/b'", "'c'", "1", blob),
		insert(other(5), "'HomeDomain'", "'"+strings.Repeat("long/", 1000)+"x'", "1", blob),
		insert(other(6), "'HomeDomain'", "CAST(x'6100' AS TEXT)", "1", blob),
		insert(other(7), "'HomeDomain'", "CAST(x'ff' AS TEXT)", "1", blob),
		insert(other(8), "'HomeDomain'", "'d'", "1", "NULL"),
		insert(other(9), "'HomeDomain'", "'e'", "1", "zeroblob(2000000)"),
		insert(other(10), "'HomeDomain'", "'f'", "1", "'text'"),
		insert(other(11), "'HomeDomain'", "'g'", "1", "x'00'"),
	)
	m, err := OpenManifest(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	good, faults := collect(t, m)
	if len(good) != 1 || good[0].ID.String() != id {
		t.Errorf("good rows: %v", good)
	}
	if len(faults) != 14 {
		t.Errorf("%d faults, want 14", len(faults))
	}
	for _, f := range faults {
		if placeholder := f.ID == fmt.Sprintf("%040x", 1); placeholder != errors.Is(f, ErrPlaceholder) {
			t.Errorf("placeholder %t: %v", placeholder, f)
		}
		if len(f.Error()) > 1000 {
			t.Errorf("an error of %d characters", len(f.Error()))
		}
	}
	bad, err := ParseFileID(fmt.Sprintf("%040x", 2))
	if err != nil {
		t.Fatal(err)
	}
	var rowErr *RowError
	if _, ok, err := m.Get(t.Context(), bad); !ok || !errors.As(err, &rowErr) {
		t.Errorf("get of a faulty row: %t, %v", ok, err)
	}
}

// Rows that are still in the write-ahead log must be seen, and only committed ones.
func TestOpenManifest_writeAheadLog(t *testing.T) {
	ctx := t.Context()
	path := makeDB(t, "", "PRAGMA journal_mode = WAL")
	db, err := sql.Open("sqlite", fileURL(path)+"?_pragma=wal_autocheckpoint(0)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	blob := mustMarshal(t, regular())
	for i := range 300 {
		if _, err := db.Exec("INSERT INTO Files VALUES (?, 'HomeDomain', ?, 1, ?)", fmt.Sprintf("%040x", i), fmt.Sprintf("p%d", i), blob); err != nil {
			t.Fatal(err)
		}
	}
	count := func(t *testing.T, dir string) int {
		t.Helper()
		m, err := OpenManifest(ctx, filepath.Join(dir, manifestName))
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		rows, faults := collect(t, m)
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		if err := m.QuickCheck(ctx); err != nil {
			t.Error(err)
		}
		return len(rows)
	}
	copied := copyDir(t, filepath.Dir(path))
	if got := count(t, copied); got != 300 {
		t.Errorf("with the log: %d rows, want 300", got)
	}
	entries, err := os.ReadDir(copied)
	if err != nil || len(entries) > 3 {
		t.Errorf("reading made files: %v, %v", entries, err)
	}
	wal := filepath.Join(copied, manifestName+"-wal")
	raw, err := os.ReadFile(wal)
	if err != nil {
		t.Fatal(err)
	}
	for _, cut := range []int{0, 31, 32, 40, len(raw) / 2, len(raw) - 1} {
		if err := os.WriteFile(wal, raw[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		got := count(t, copied)
		if got >= 300 || cut > len(raw)/3 && got == 0 {
			t.Errorf("log cut at %d of %d: %d rows", cut, len(raw), got)
		}
	}
	raw[len(raw)/2] ^= 1 // a damaged frame ends the log
	if err := os.WriteFile(wal, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := count(t, copied); got == 0 || got >= 300 {
		t.Errorf("damaged log: %d rows", got)
	}
}

// copyDir copies the files of a folder without subfolders.
func copyDir(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

// iOS 10.0 encrypted every file column by itself.
func TestManifest_encryptedColumns(t *testing.T) {
	password := secret.NewBackupPassword("n\u00e4me")
	salt := []byte("0123456789abcdefghij")
	salted := append([]byte(password.Reveal()), salt...)
	hash, key := sha256.Sum256(salted), sha1.Sum(salted)
	block, err := aes.NewCipher(key[:16])
	if err != nil {
		t.Fatal(err)
	}
	plain := mustMarshal(t, regular())
	pad := 16 - len(plain)%16
	cell := append(plain, bytes.Repeat([]byte{byte(pad)}, pad)...)
	iv := []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(cell, cell)
	path := makeDB(t, "",
		fmt.Sprintf("INSERT INTO Properties VALUES ('salt', x'%x'), ('passwordHash', x'%x')", salt, hash),
		fmt.Sprintf("INSERT INTO Files VALUES ('%040x', 'HomeDomain', 'Library/SMS/sms.db', 1, x'%x')", 1, cell),
		fmt.Sprintf("INSERT INTO Files VALUES ('%040x', 'HomeDomain', 'odd', 1, x'010203')", 2),
	)
	m, err := OpenManifest(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	_, faults := collect(t, m)
	if len(faults) != 2 || !errors.Is(faults[0], ErrLocked) {
		t.Errorf("locked: %v", faults)
	}
	if err := m.unlockCells(secret.NewBackupPassword("other")); !errors.Is(err, keybag.ErrWrongPassword) {
		t.Errorf("wrong password: %v", err)
	}
	if err := m.unlockCells(secret.NewBackupPassword("na\u0308me")); err != nil {
		t.Fatal(err)
	}
	rows, faults := collect(t, m)
	if len(rows) != 1 || len(faults) != 1 {
		t.Fatalf("unlocked: %v, %v", rows, faults)
	}
	if diff := cmp.Diff(regular(), rows[0].File); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestRecords_endWithContext(t *testing.T) {
	m, err := OpenManifest(t.Context(), makeDB(t, "", fmt.Sprintf("INSERT INTO Files VALUES ('%040x', 'A', 'b', 1, x'%x')", 1, mustMarshal(t, regular()))))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range m.Records(ctx) {
		if !errors.Is(err, context.Canceled) || errors.Is(err, ErrMalformed) {
			t.Errorf("got %v", err)
		}
	}
}

func FuzzManifest(f *testing.F) {
	small := makeDB(f, "PRAGMA page_size = 512;"+manifestTables, fmt.Sprintf("INSERT INTO Files VALUES ('%040x', 'HomeDomain', 'a', 1, x'%x')", 1, mustMarshal(f, regular())))
	raw, err := os.ReadFile(small)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte(sqliteMagic))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<16 {
			return
		}
		m, err := openManifestAt(t.Context(), bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		defer m.Close()
		rows := 0
		for r, err := range m.Records(t.Context()) {
			if err == nil {
				if err := CheckPath(r.Domain, r.RelativePath); err != nil {
					t.Error(err)
				}
			}
			if rows++; rows > 1<<16 {
				t.Fatal("more rows than bytes")
			}
		}
	})
}

func FuzzApplyWAL(f *testing.F) {
	path := makeDB(f, "PRAGMA page_size = 512;"+manifestTables, "PRAGMA journal_mode = WAL")
	db, err := sql.Open("sqlite", fileURL(path)+"?_pragma=wal_autocheckpoint(0)")
	if err != nil {
		f.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("INSERT INTO Files VALUES ('a', 'b', 'c', 1, x'00')"); err != nil {
		f.Fatal(err)
	}
	base, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	wal, err := os.ReadFile(path + "-wal")
	if err != nil {
		f.Fatal(err)
	}
	if _, size, err := applyWAL(bytes.NewReader(base), int64(len(base)), wal); err != nil || size < int64(len(base)) {
		f.Fatalf("the seed is no log: size %d, %v", size, err)
	}
	f.Add(wal)
	f.Fuzz(func(t *testing.T, wal []byte) {
		r, size, err := applyWAL(bytes.NewReader(base), int64(len(base)), wal)
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 700)
		for _, off := range []int64{0, 100, 511, 1000, size - 1, size} {
			if off < 0 {
				continue
			}
			if n, err := r.ReadAt(buf, off); int64(n) > max(0, size-off) || n < len(buf) && err == nil {
				t.Errorf("%d bytes at %d of %d: %v", n, off, size, err)
			}
		}
	})
}
