package station

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/internal/secret"
)

func open(t *testing.T) *Station {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "a", "state"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestOnlyTheOwnerReads(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Log("modes mean nothing here")
		return
	}
	s := open(t)
	var list []string
	if err := s.Update("targets", &list, func() error { list = append(list, "x"); return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Folder("runs", "0a1b", "00008101-000A1B2C3D4E001E"); err != nil {
		t.Fatal(err)
	}
	err := filepath.Walk(s.Dir(), func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		if want := map[bool]os.FileMode{true: 0o700, false: 0o600}[info.IsDir()]; info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, want %v", path, info.Mode().Perm(), want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(s.Dir(), 0o777); err != nil {
		t.Fatal(err)
	}
	var refused *PermissionError
	if _, err := Open(s.Dir()); !errors.As(err, &refused) || refused.Hint() == "" {
		t.Errorf("a folder that everybody writes into: %v", err)
	}
}

func TestNamesAreNoPaths(t *testing.T) {
	s := open(t)
	for _, name := range []string{"", ".", "..", "../x", "a/b", `a\b`, "C:", ".hidden", "nul\x00", strings.Repeat("a", 129), "ä"} {
		if _, err := s.Folder("runs", name); err == nil {
			t.Errorf("Folder(%q) was made", name)
		}
		if err := s.Load(name, new(int)); err == nil {
			t.Errorf("Load(%q) was tried", name)
		}
	}
}

func TestMissingDocumentLeavesTheValue(t *testing.T) {
	v := 7
	if err := open(t).Load("none", &v); err != nil || v != 7 {
		t.Errorf("got %d, %v", v, err)
	}
}

func TestDamagedDocumentIsKept(t *testing.T) {
	for _, damage := range []string{"", "{", "[1", `{"a":1} {"a":2}`, `"text"`, "\x00\x00\x00"} {
		s := open(t)
		path := filepath.Join(s.Dir(), "targets.json")
		if err := os.WriteFile(path, []byte(damage), 0o600); err != nil {
			t.Fatal(err)
		}
		v := map[string]int{}
		var corrupt *CorruptError
		if err := s.Load("targets", &v); !errors.As(err, &corrupt) || corrupt.Path != path || corrupt.Hint() == "" {
			t.Errorf("%q loads: %v", damage, err)
		}
		if err := s.Update("targets", &v, func() error { t.Error("change was called"); return nil }); !errors.As(err, &corrupt) {
			t.Errorf("%q is updated: %v", damage, err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != damage {
			t.Errorf("%q became %q, %v", damage, got, err)
		}
	}
}

func TestFailedChangeWritesNothing(t *testing.T) {
	s := open(t)
	v := []int{1}
	no := errors.New("no")
	if err := s.Update("d", &v, func() error { return no }); !errors.Is(err, no) {
		t.Fatal(err)
	}
	// What cannot be encoded leaves the old document and no other file.
	if err := s.Update("d", &v, func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	var bad any = map[string]any{"f": func() {}}
	if err := s.Update("d2", &bad, func() error { return nil }); err == nil {
		t.Error("a function was encoded")
	}
	entries, err := os.ReadDir(s.Dir())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "d.json" && e.Name() != "lock" {
			t.Errorf("left behind: %s", e.Name())
		}
	}
}

// TestNoChangeIsLost: each opener has a lock of its own, as processes do.
func TestNoChangeIsLost(t *testing.T) {
	dir := open(t).Dir()
	const writers, times = 8, 10
	var wait sync.WaitGroup
	for w := range writers {
		wait.Go(func() {
			s, err := Open(dir)
			if err != nil {
				t.Error(err)
				return
			}
			for i := range times {
				var list []string
				if err := s.Update("list", &list, func() error { list = append(list, fmt.Sprint(w, i)); return nil }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	var list []string
	if err := open2(t, dir).Load("list", &list); err != nil || len(list) != writers*times {
		t.Errorf("%d entries, want %d; %v", len(list), writers*times, err)
	}
}

func open2(t *testing.T, dir string) *Station {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// xor is a sealer whose key tells repositories apart.
type xor byte

func (x xor) Seal(purpose string, data []byte) []byte {
	out := []byte{byte(x)}
	for _, b := range append([]byte(purpose+"\x00"), data...) {
		out = append(out, b^byte(x))
	}
	return out
}

func (x xor) Unseal(purpose string, sealed []byte) ([]byte, error) {
	if len(sealed) == 0 || sealed[0] != byte(x) {
		return nil, errors.New("not sealed by this repository")
	}
	var out []byte
	for _, b := range sealed[1:] {
		out = append(out, b^byte(x))
	}
	data, ok := bytes.CutPrefix(out, []byte(purpose+"\x00"))
	if !ok {
		return nil, errors.New("sealed for something else")
	}
	return data, nil
}

func TestPasswords(t *testing.T) {
	s := open(t)
	anna := Remembered{Repository: "aa", Location: "/media/usb", UDID: "00008101-000A1B2C3D4E001E", Name: "Anna", Keybag: "0011", Saved: time.Unix(1, 0).UTC()}
	other := anna
	other.Keybag = "2233"
	word := func(text string) secret.BackupPassword { return secret.NewBackupPassword(text) }
	for _, r := range []struct {
		Remembered
		text string
	}{{anna, "old"}, {other, "second"}, {anna, "first"}} {
		if err := s.Remember(r.Remembered, xor(1), word(r.text)); err != nil {
			t.Fatal(err)
		}
	}
	if list, err := s.Remembered(); err != nil || len(list) != 2 || list[1] != anna {
		t.Fatalf("remembered %v, %v", list, err)
	}
	upper := anna
	upper.UDID = strings.ToLower(upper.UDID)
	if p, ok, err := s.Recall(upper, xor(1)); err != nil || !ok || p.Reveal() != "first" {
		t.Errorf("recall: %q, %v, %v", p.Reveal(), ok, err)
	}
	if _, ok, err := s.Recall(anna, xor(2)); err == nil || ok || strings.Contains(err.Error(), "first") {
		t.Errorf("another repository opens it: %v, %v", ok, err)
	}
	stranger := anna
	stranger.UDID = "other"
	if _, ok, err := s.Recall(stranger, xor(1)); ok || err != nil {
		t.Errorf("recall of what is not there: %v, %v", ok, err)
	}
	raw, err := os.ReadFile(filepath.Join(s.Dir(), "passwords.json"))
	if err != nil || bytes.Contains(raw, []byte("first")) {
		t.Errorf("the password lies open: %s, %v", raw, err)
	}
	if n, err := s.Forget(func(r Remembered) bool { return r.Keybag == "2233" }); n != 1 || err != nil {
		t.Errorf("forgot %d, %v", n, err)
	}
	if list, err := s.Remembered(); err != nil || len(list) != 1 {
		t.Errorf("left: %v, %v", list, err)
	}
}

// TestEntriesCannotChangePlaces: who can write the file cannot make a password
// stand for another phone.
func TestEntriesCannotChangePlaces(t *testing.T) {
	s := open(t)
	r := Remembered{Repository: "aa", UDID: "one", Keybag: "0011"}
	if err := s.Remember(r, xor(1), secret.NewBackupPassword("x")); err != nil {
		t.Fatal(err)
	}
	var all []entry
	err := s.Update(passwordsDocument, &all, func() error { all[0].UDID = "two"; return nil })
	if err != nil {
		t.Fatal(err)
	}
	r.UDID = "two"
	if _, ok, err := s.Recall(r, xor(1)); ok || err == nil {
		t.Errorf("recalled for another phone: %v, %v", ok, err)
	}
	err = s.Update(passwordsDocument, &all, func() error { all[0].Sealed = nil; return nil })
	if err != nil {
		t.Fatal(err)
	}
	var corrupt *CorruptError
	if _, _, err := s.Recall(r, xor(1)); !errors.As(err, &corrupt) {
		t.Errorf("an entry without its password: %v", err)
	}
}

func FuzzDocument(f *testing.F) {
	f.Add([]byte(`[{"repository":"aa","udid":"one","keybag":"00","sealed":"AAAA"}]`))
	f.Add([]byte(`[{}]`))
	f.Add([]byte(`null`))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		s := &Station{dir}
		if err := os.WriteFile(filepath.Join(dir, "passwords.json"), data, 0o600); err != nil {
			t.Fatal(err)
		}
		list, err := s.Remembered()
		if err == nil && !json.Valid(data) {
			t.Errorf("%q gives %v", data, list)
		}
	})
}
