package targets

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	state "github.com/keepsake-backup/keepsake/internal/station"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/format"
)

func TestBook(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	documents, err := state.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	b := OpenBook(documents)
	if list, err := b.All(); err != nil || len(list) != 0 {
		t.Fatalf("an empty one: %v, %v", list, err)
	}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	usb := Target{Name: "usb", Location: "/media/usb/keepsake", Inside: "keepsake", Password: Source{File: "/home/ada/pw"}, Added: at,
		Copies: []Copy{{Source: format.ID{1}, Repository: format.ID{2}, Config: format.ID{3}, Sealed: []byte("x"), Free: -1, Held: []Held{{format.ID{4}, format.ID{5}}}}}}
	if err := b.Add(usb); err != nil {
		t.Fatal(err)
	}
	if err := b.Add(usb); !errors.Is(err, ErrExists) {
		t.Errorf("twice: %v", err)
	}
	if err := b.Add(Target{Name: "a b"}); err == nil {
		t.Error("a bad name: no error")
	}
	if info, err := os.Stat(filepath.Join(dir, "targets.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	var wait sync.WaitGroup
	for range 20 {
		wait.Go(func() {
			if err := OpenBook(documents).Update("usb", func(t *Target) error { t.Copies[0].Size++; return nil }); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	got, err := b.Find("usb")
	usb.Copies[0].Size = 20
	if x, _ := json.Marshal(got); err != nil || string(x) != mustJSON(t, usb) {
		t.Errorf("%s, %v; want %s", x, err, mustJSON(t, usb))
	}
	refused := errors.New("no")
	if err := b.Update("usb", func(t *Target) error { t.Location = "/x"; return refused }); !errors.Is(err, refused) {
		t.Errorf("%v", err)
	}
	if got, _ := b.Find("usb"); got.Location != usb.Location {
		t.Error("a change that failed was kept")
	}
	if err := b.Update("none", func(*Target) error { return nil }); !errors.Is(err, ErrUnknown) {
		t.Errorf("%v", err)
	}
	if err := errors.Join(b.Remove("usb")); err != nil {
		t.Error(err)
	}
	if err := b.Remove("usb"); !errors.Is(err, ErrUnknown) {
		t.Errorf("%v", err)
	}
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// A book that was edited cannot lead anywhere else.
func TestBookRefuses(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"newer":          `{"version":2,"targets":[]}`,
		"no version":     `{"targets":[]}`,
		"bad name":       `{"version":1,"targets":[{"name":"../x","copies":[]}]}`,
		"twice":          `{"version":1,"targets":[{"name":"x"},{"name":"x"}]}`,
		"out of disk":    `{"version":1,"targets":[{"name":"x","inside":"../../etc"}]}`,
		"absolute":       `{"version":1,"targets":[{"name":"x","inside":"/etc"}]}`,
		"phone's folder": `{"version":1,"targets":[{"name":"x","copies":[{"phone":"../x"}]}]}`,
		"parts":          `{"version":1,"targets":[{"name":"x","copies":[{"parts_read":["2026-03-01T12:00:00Z"]}]}]}`,
		"damaged":        `{"version":1,"targets":[`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "state")
			documents, err := state.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(dir, "targets.json")
			if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			b := OpenBook(documents)
			_, err = b.All()
			if name == "no version" { // what is not said is as it would be written now
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil {
				t.Error("no error")
			}
			if err := b.Add(Target{Name: "new"}); err == nil {
				t.Error("added to it")
			}
			if data, _ := os.ReadFile(file); string(data) != content {
				t.Error("it was written over")
			}
		})
	}
}

func TestSealedPassword(t *testing.T) {
	t.Parallel()
	s := newStation(t)
	s.store(s.main, "one")
	s.Remember = true
	s.add("usb")
	data, err := os.ReadFile(filepath.Join(s.path("state"), "targets.json"))
	if err != nil || strings.Contains(string(data), targetPassword) {
		t.Errorf("%s, %v", data, err)
	}
	got, err := s.Book.Find("usb")
	if err != nil || got.PasswordKind() != "sealed" {
		t.Errorf("%+v, %v", got, err)
	}
	s.Password = nil // nobody is asked
	s.copy("usb")
	if r, err := s.Check(t.Context(), "usb", "", s.main, CheckOptions{}); err != nil || r.Stats.Damage != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	// Sealed for something else, or by another repository.
	for name, sealed := range map[string][]byte{
		"something else": s.main.Seal("password of something", []byte(targetPassword)),
		"another":        s.make("other", mainPassword).Seal(sealFor, []byte(targetPassword)),
	} {
		if err := s.Book.Update("usb", func(t *Target) error { t.Copies[0].Sealed = sealed; return nil }); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Copy(t.Context(), "usb", Main{Repo: s.main}, CopyOptions{}); !errors.Is(err, repository.ErrNotSealed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestInsideOf(t *testing.T) {
	t.Parallel()
	mounts := []string{"/", "/media/usb", "/media/usb/deep", "/media/us"}
	for path, want := range map[string]string{
		"/media/usb/keepsake": "keepsake", "/media/usb": ".", "/media/usb/deep/a/b": filepath.Join("a", "b"), "/home/ada": "", "/media/usbx": "",
	} {
		if got := insideOf(mounts, filepath.FromSlash(path)); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	if got := insideOf(nil, "/x"); got != "" {
		t.Errorf("%q", got)
	}
}
