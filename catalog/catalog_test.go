package catalog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keepsake-backup/keepsake/internal/secret"
)

func testKey(b byte) secret.Bytes { return secret.NewBytes(bytes.Repeat([]byte{b}, KeySize)) }

func open(t *testing.T, path string) *DB {
	t.Helper()
	db, err := Open(t.Context(), path, Options{Key: testKey(1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func fresh(t *testing.T) *DB {
	return open(t, filepath.Join(t.TempDir(), "a folder with ?#% in its name.db"))
}

func TestOpen_again(t *testing.T) {
	path := filepath.Join(t.TempDir(), "k.db")
	db := open(t, path)
	if err := db.Set(t.Context(), "name", "Home"); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %v, %v", info.Mode(), err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), path, Options{Key: testKey(2)}); !errors.Is(err, ErrWrongKey) {
		t.Errorf("with another key: %v", err)
	}
	var name string
	if found, err := open(t, path).Get(t.Context(), "name", &name); !found || err != nil || name != "Home" {
		t.Errorf("setting is %q, %v, %v", name, found, err)
	}
}

func TestOpen_newer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "k.db")
	db := open(t, path)
	if _, err := db.write.Exec("PRAGMA user_version = 99"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	var newer *NewerError
	if _, err := Open(t.Context(), path, Options{Key: testKey(1)}); !errors.As(err, &newer) || newer.Has != 99 {
		t.Errorf("err = %v", err)
	}
}

func TestOpen_corrupt(t *testing.T) {
	for name, damage := range map[string]func([]byte) []byte{
		"text":    func([]byte) []byte { return []byte(strings.Repeat("this is no database\n", 500)) },
		"zeroes":  func(b []byte) []byte { clear(b[4096:]); return b },
		"cut off": func(b []byte) []byte { return b[:len(b)/2+100] },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "k.db")
			db := open(t, path)
			for i := range 200 {
				if err := db.Set(t.Context(), fmt.Sprint(i), strings.Repeat("x", 500)); err != nil {
					t.Fatal(err)
				}
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			data = damage(data)
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			var corrupt *CorruptError
			if _, err := Open(t.Context(), path, Options{Key: testKey(1)}); !errors.As(err, &corrupt) || corrupt.Hint() == "" {
				t.Errorf("err = %v", err)
			}
			after, err := os.ReadFile(path)
			if err != nil || !bytes.Equal(after, data) {
				t.Errorf("the damaged file was written to (%v)", err)
			}
		})
	}
}

func TestSecretsAreSealed(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	db := open(t, filepath.Join(dir, "k.db"))
	planted := "correct horse battery staple"
	if err := db.Seal(ctx, "repository", secret.NewBytes([]byte(planted))); err != nil {
		t.Fatal(err)
	}
	got, err := db.Unseal(ctx, "repository")
	if err != nil || string(got.Reveal()) != planted {
		t.Fatalf("unsealed %v, %v", got, err)
	}
	if err := db.Backup(ctx, filepath.Join(dir, "copy.db")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"k.db", "k.db-wal", "copy.db"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(data, []byte(planted)) {
			t.Errorf("%s holds the secret in the clear", name)
		}
	}
	other := open(t, filepath.Join(dir, "copy.db"))
	if got, err := other.Unseal(ctx, "repository"); err != nil || string(got.Reveal()) != planted {
		t.Errorf("from the copy: %v, %v", got, err)
	}
	// A sealed value in the place of another one is not taken for it.
	if _, err := db.write.Exec("INSERT INTO secret SELECT 'other', sealed FROM secret WHERE name = 'repository'"); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Unseal(ctx, "other"); !errors.Is(err, ErrWrongKey) {
		t.Errorf("moved secret: %v", err)
	}
	if names, err := db.Secrets(ctx, "rep"); err != nil || !cmp.Equal(names, []string{"repository"}) {
		t.Errorf("names %q, %v", names, err)
	}
}

func TestAccounts(t *testing.T) {
	ctx, db := t.Context(), fresh(t)
	anna, err := db.CreateAccount(ctx, Account{Login: "Anna", Name: "Anna", Admin: true, PasswordHash: secret.NewText("h")}, true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.CreateAccount(ctx, Account{Login: "eve", Admin: true}, true); !errors.Is(err, ErrNotFirst) {
		t.Errorf("second first account: %v", err)
	}
	if _, err := db.CreateAccount(ctx, Account{Login: "ANNA"}, false); !errors.Is(err, ErrLoginTaken) {
		t.Errorf("same login: %v", err)
	}
	ben, err := db.CreateAccount(ctx, Account{Login: "ben", Name: "Ben"}, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.DeleteAccount(ctx, anna); !errors.Is(err, ErrLastAdmin) {
		t.Errorf("delete the last admin: %v", err)
	}
	if err := db.UpdateAccount(ctx, anna, func(a *Account) error { a.Disabled = true; return nil }); !errors.Is(err, ErrLastAdmin) {
		t.Errorf("disable the last admin: %v", err)
	}
	if err := db.UpdatePhone(ctx, "U", func(p *Phone) error { p.Owner = ben; return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := db.AddSession(ctx, Session{Digest: Digest{1}, Account: ben, Expires: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if err := db.DeleteAccount(ctx, ben); err != nil {
		t.Fatal(err)
	}
	if p, err := db.Phone(ctx, "U"); err != nil || p.Owner != 0 {
		t.Errorf("the phone of somebody who left: %+v, %v", p, err)
	}
	if _, err := db.Session(ctx, Digest{1}); !errors.Is(err, ErrNotFound) {
		t.Errorf("the session of somebody who left: %v", err)
	}
	if a, err := db.AccountByLogin(ctx, "aNNa"); err != nil || a.ID != anna || a.PasswordHash.Reveal() != "h" {
		t.Errorf("account %+v, %v", a, err)
	}
}

// What goes in comes out, for everything that is stored field by field.
func TestRoundTrips(t *testing.T) {
	ctx, db := t.Context(), fresh(t)
	now := time.Date(2026, 11, 23, 1, 2, 3, 4e6, time.UTC)
	anna, err := db.CreateAccount(ctx, Account{Login: "anna", Admin: true}, true)
	if err != nil {
		t.Fatal(err)
	}
	yes := true
	phone := Phone{UDID: "U1", Owner: anna, Name: "Anna's", Encrypted: &yes, Battery: 7, Usage: map[string]int64{"Photos": 1 << 40}, LastUnlock: now}
	if err := db.UpdatePhone(ctx, "U1", func(p *Phone) error { *p = phone; return nil }); err != nil {
		t.Fatal(err)
	}
	if got, err := db.Phone(ctx, "U1"); err != nil || !cmp.Equal(got, phone) {
		t.Errorf("phone: %v %s", err, cmp.Diff(phone, got))
	}
	version := Version{UDID: "U1", ID: "ab", Time: now, Repository: "r", Size: 1 << 40, Verified: now, Copies: []string{"usb"}}
	if err := db.SaveVersion(ctx, version); err != nil {
		t.Fatal(err)
	}
	if got, err := db.Version(ctx, "U1", "ab"); err != nil || !cmp.Equal(got, version) {
		t.Errorf("version: %v %s", err, cmp.Diff(version, got))
	}
	token := Token{Digest: Digest{9}, Account: anna, Name: "Shortcut", Scopes: []string{"signal"}, Phones: []string{}, Expires: now}
	if token.ID, err = db.AddToken(ctx, token); err != nil {
		t.Fatal(err)
	}
	got, err := db.Token(ctx, Digest{9})
	token.Created = got.Created
	if err != nil || !cmp.Equal(got, token) {
		t.Errorf("token: %v %s", err, cmp.Diff(token, got))
	}
	prompt := Prompt{UDID: "U1", At: now, Window: "w", Answer: "no", Answered: now}
	if prompt.ID, err = db.AddPrompt(ctx, prompt); err != nil {
		t.Fatal(err)
	}
	if got, err := db.Prompts(ctx, "U1", now); err != nil || !cmp.Equal(got, []Prompt{prompt}) {
		t.Errorf("prompts: %v %v", err, got)
	}
}

func TestJobs(t *testing.T) {
	ctx, db := t.Context(), fresh(t)
	first, existing, err := db.Enqueue(ctx, Job{Kind: "backup", UDID: "U", Trigger: "nightly", Request: []byte(`{"full":true}`)})
	if err != nil || existing {
		t.Fatal(first, existing, err)
	}
	if again, existing, err := db.Enqueue(ctx, Job{Kind: "backup", UDID: "U"}); err != nil || !existing || again != first {
		t.Errorf("a second one: %d, %v, %v", again, existing, err)
	}
	if other, existing, err := db.Enqueue(ctx, Job{Kind: "copy", Target: "usb"}); err != nil || existing || other == first {
		t.Errorf("another one: %d, %v, %v", other, existing, err)
	}
	if err := db.Start(ctx, first); err != nil {
		t.Fatal(err)
	}
	if err := db.Start(ctx, first); !errors.Is(err, ErrNotFound) {
		t.Errorf("start twice: %v", err)
	}
	again, err := db.Interrupted(ctx)
	if err != nil || len(again) != 1 || again[0].ID != first || string(again[0].Request) != `{"full":true}` {
		t.Errorf("interrupted: %+v, %v", again, err)
	}
	if err := db.Finish(ctx, first, End{State: Running}); err == nil {
		t.Error("running is an end")
	}
	if err := db.Finish(ctx, first, End{State: "done", Version: "v"}); err != nil {
		t.Fatal(err)
	}
	if err := db.Finish(ctx, first, End{State: "failed"}); !errors.Is(err, ErrNotFound) {
		t.Errorf("finish twice: %v", err)
	}
	if _, existing, err := db.Enqueue(ctx, Job{Kind: "backup", UDID: "U"}); err != nil || existing {
		t.Errorf("after its end: %v, %v", existing, err)
	}
	open, err := db.Jobs(ctx, JobFilter{Open: true})
	if err != nil || len(open) != 2 {
		t.Errorf("open: %+v, %v", open, err)
	}
	if mine, err := db.Jobs(ctx, JobFilter{UDIDs: []string{}}); err != nil || len(mine) != 0 {
		t.Errorf("of no phone: %+v, %v", mine, err)
	}
	if err := db.TrimJobs(ctx, time.Now().Add(time.Hour), 100); err != nil {
		t.Fatal(err)
	}
	if all, err := db.Jobs(ctx, JobFilter{}); err != nil || len(all) != 2 {
		t.Errorf("after trimming: %+v, %v", all, err)
	}
}

// However many ask at a time, one job comes of it.
func TestEnqueue_atOnce(t *testing.T) {
	db := fresh(t)
	var made, wait = make(chan int64, 64), sync.WaitGroup{}
	for range 64 {
		wait.Go(func() {
			id, existing, err := db.Enqueue(context.Background(), Job{Kind: "backup", UDID: "U"})
			if err != nil {
				t.Error(err)
			}
			if !existing {
				made <- id
			}
		})
	}
	wait.Wait()
	if len(made) != 1 {
		t.Errorf("%d jobs were made", len(made))
	}
}

func TestAppendLog_bounded(t *testing.T) {
	ctx, db := t.Context(), fresh(t)
	id, _, err := db.Enqueue(ctx, Job{Kind: "backup"})
	if err != nil {
		t.Fatal(err)
	}
	lines := make([]LogLine, maxLog+50)
	for i := range lines {
		lines[i] = LogLine{time.UnixMilli(int64(i)).UTC(), "phase", fmt.Sprint(i)}
	}
	if err := errors.Join(db.AppendLog(ctx, id, lines[:10]), db.AppendLog(ctx, id, lines[10:]), db.AppendLog(ctx, id, lines[:1])); err != nil {
		t.Fatal(err)
	}
	got, err := db.Log(ctx, id)
	if err != nil || len(got) != maxLog+1 || got[11] != lines[11] || !strings.Contains(got[maxLog].Text, "too long") {
		t.Errorf("%d lines, %v", len(got), err)
	}
}
