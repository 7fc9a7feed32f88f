package catalog

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/internal/secret"
)

// onClock is a fresh catalog with a clock that is set by hand.
func onClock(t *testing.T) (*DB, *time.Time) {
	t.Helper()
	now := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	db, err := Open(t.Context(), filepath.Join(t.TempDir(), "k.db"), Options{Key: testKey(1), Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db, &now
}

func (db *DB) count(t *testing.T, query string, args ...any) (n int) {
	t.Helper()
	if err := db.read.QueryRowContext(t.Context(), query, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// fillAudit adds n entries at once, without the bounds.
func fillAudit(t *testing.T, db *DB, n int, at time.Time) {
	t.Helper()
	if _, err := db.write.Exec(`WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < ?)
		INSERT INTO audit (at, address, what, udid, detail) SELECT ?, '', 'x', '', '' FROM i`, n, at.UnixMilli()); err != nil {
		t.Fatal(err)
	}
}

func TestAudit_bounds(t *testing.T) {
	ctx := t.Context()
	add := func(db *DB, n int) {
		for range n {
			if err := db.AddAudit(ctx, AuditEntry{What: "signed in"}); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Run("by count", func(t *testing.T) {
		db, now := onClock(t)
		fillAudit(t, db, maxAudit+5000, *now)
		add(db, 100)
		if n := db.count(t, "SELECT count(*) FROM audit"); n > maxAudit {
			t.Errorf("%d entries", n)
		}
	})
	t.Run("by age", func(t *testing.T) {
		db, now := onClock(t)
		fillAudit(t, db, 3000, *now)
		*now = now.Add(auditAge + time.Hour)
		add(db, 100)
		if n := db.count(t, "SELECT count(*) FROM audit"); n != alwaysAudit {
			t.Errorf("%d entries, want %d", n, alwaysAudit)
		}
		if e, err := db.Audit(ctx, 0, 1); err != nil || len(e) != 1 || e[0].What != "signed in" {
			t.Errorf("the newest is %+v, %v", e, err)
		}
	})
	t.Run("by length", func(t *testing.T) {
		db, _ := onClock(t)
		if err := db.AddAudit(ctx, AuditEntry{What: "x", Detail: strings.Repeat("ü", 1<<20), Address: "\xff"}); err != nil {
			t.Fatal(err)
		}
		if e, err := db.Audit(ctx, 0, 1); err != nil || e[0].Detail != strings.Repeat("ü", maxAuditText/2) || e[0].Address != "\ufffd" {
			t.Errorf("%d bytes, %v", len(e[0].Detail), err)
		}
	})
}

func TestAttempts_bounds(t *testing.T) {
	ctx := t.Context()
	db, now := onClock(t)
	attempt := func(subject string) (n int) {
		t.Helper()
		if err := db.Attempts(ctx, subject, &n, func() error { n++; return nil }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	attempt("anna")
	if n := attempt("anna"); n != 2 {
		t.Errorf("anna has %d", n)
	}
	refused := errors.New("refused")
	var n int
	if err := db.Attempts(ctx, "anna", &n, func() error { n = 99; return refused }); !errors.Is(err, refused) {
		t.Error(err)
	}
	// More subjects than there may be: the ones that were changed last stay.
	if _, err := db.write.Exec(`WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < ?)
		INSERT INTO attempt (subject, state, changed) SELECT 'flood ' || n, '1', ? FROM i`, maxAttempts-1, now.UnixMilli()); err != nil {
		t.Fatal(err)
	}
	if n := attempt("anna"); n != 3 {
		t.Errorf("anna has %d after a flood", n)
	}
	for i := range 50 {
		attempt(fmt.Sprint("more ", i))
	}
	if n := db.count(t, "SELECT count(*) FROM attempt"); n > maxAttempts {
		t.Errorf("%d subjects", n)
	}
	if n := attempt("anna"); n != 4 {
		t.Errorf("anna has %d after all", n)
	}
	*now = now.Add(attemptAge + time.Second)
	if n := attempt("anna"); n != 1 {
		t.Errorf("anna has %d after a day", n)
	}
	if n := db.count(t, "SELECT count(*) FROM attempt"); n != 1 {
		t.Errorf("%d subjects after a day", n)
	}
}

func TestKnown(t *testing.T) {
	ctx := t.Context()
	db, now := onClock(t)
	anna, err := db.CreateAccount(ctx, Account{Login: "anna", Admin: true}, true)
	if err != nil {
		t.Fatal(err)
	}
	for i := range maxKnown + 3 {
		if err := db.AddKnown(ctx, anna, fmt.Sprint("10.0.0.", i)); err != nil {
			t.Fatal(err)
		}
		*now = now.Add(time.Minute)
	}
	known := func(network string) bool {
		t.Helper()
		is, err := db.Known(ctx, anna, network)
		if err != nil {
			t.Fatal(err)
		}
		return is
	}
	if known("10.0.0.2") || !known("10.0.0.3") || !known(fmt.Sprint("10.0.0.", maxKnown+2)) || known("10.9.9.9") {
		t.Error("not the newest are kept")
	}
	*now = now.Add(knownAge)
	if known("10.0.0.3") {
		t.Error("known after a year")
	}
	if err := db.AddKnown(ctx, 99, "10.0.0.1"); err == nil {
		t.Error("a network of nobody was kept")
	}
}

// A file of the first layout is brought up to date, with what is in it.
func TestOpen_older(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "k.db")
	raw, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	first, err := migrations.ReadFile("migrations/001_first.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{string(first), "PRAGMA user_version = 1",
		"INSERT INTO account (id, login, name, admin, password_hash, created) VALUES (7, 'anna', 'Anna', 1, 'h', 1)",
		"INSERT INTO session (digest, account, signed_in, used, expires, address) VALUES (zeroblob(32), 7, 1, " + fmt.Sprint(time.Now().UnixMilli()) + ", 1, '10.0.0.1')"} {
		if _, err := raw.Exec(s); err != nil {
			t.Fatal(err)
		}
	}
	if err := raw.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	db := open(t, path)
	if a, err := db.Account(ctx, 7); err != nil || a.Login != "anna" {
		t.Errorf("account %+v, %v", a, err)
	}
	if known, err := db.Known(ctx, 7, "10.0.0.1"); err != nil || !known {
		t.Errorf("known %v, %v", known, err)
	}
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		if info, err := os.Stat(name); err != nil || filepath.Separator == '/' && info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v", filepath.Base(name), err)
		}
	}
}

func TestOpen_anotherProgram(t *testing.T) {
	path := filepath.Join(t.TempDir(), "k.db")
	raw, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := raw.Exec("CREATE TABLE bookmarks (x)"); err != nil {
		t.Fatal(err)
	}
	if err := raw.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var corrupt *CorruptError
	if _, err := Open(t.Context(), path, Options{Key: testKey(1)}); !errors.As(err, &corrupt) {
		t.Errorf("err = %v", err)
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Errorf("the file was written to (%v)", err)
	}
}

func TestOpen_wrongKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "k.db")
	db := open(t, path)
	if err := db.Seal(t.Context(), "repository", secret.NewBytes([]byte("x"))); err != nil {
		t.Fatal(err)
	}
	// That somebody takes the canary away does not make any key a good one.
	if err := errors.Join(db.DeleteSecret(t.Context(), canary), db.Close()); err != nil {
		t.Fatal(err)
	}
	var hinter interface{ Hint() string }
	if _, err := Open(t.Context(), path, Options{Key: testKey(2)}); !errors.Is(err, ErrWrongKey) || !errors.As(err, &hinter) || hinter.Hint() == "" {
		t.Errorf("err = %v", err)
	}
	if _, err := Open(t.Context(), path, Options{Key: secret.NewBytes([]byte("short"))}); err == nil {
		t.Error("a key of 5 bytes was taken")
	}
	open(t, path)
}

func TestBackup_keepsWhatIsThere(t *testing.T) {
	db := fresh(t)
	to := filepath.Join(t.TempDir(), "copy.db")
	if err := os.WriteFile(to, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := db.Backup(t.Context(), to); err == nil {
		t.Error("a file was overwritten")
	}
	if b, err := os.ReadFile(to); err != nil || string(b) != "precious" {
		t.Errorf("it holds %q, %v", b, err)
	}
}
