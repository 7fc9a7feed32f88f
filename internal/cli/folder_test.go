package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/internal/place"

	"github.com/keepsake-backup/keepsake/itunesbackup"
)

// store makes a folder that looks like the backup of a phone.
func store(t *testing.T, dir, udid, phone string) string {
	t.Helper()
	path := filepath.Join(dir, udid)
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
	data, err := itunesbackup.InfoPlist{DeviceName: phone, UniqueIdentifier: udid}.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(path, "Info.plist"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFindBackups(t *testing.T) {
	dir := t.TempDir()
	anna := store(t, dir, "00008101-000F6E93752ECD42", "Anna's iPhone")
	store(t, dir, "00008120-001C25D81A3B401E", "iPad")
	if err := os.Mkdir(filepath.Join(dir, "holiday pictures"), 0o700); err != nil {
		t.Fatal(err)
	}
	found, err := findBackups(dir)
	if err != nil || len(found) != 2 || found[0].title() != "Anna's iPhone" || found[1].title() != "iPad" {
		t.Fatalf("findBackups: %+v, %v", found, err)
	}
	one, err := findBackups(anna)
	if err != nil || len(one) != 1 || one[0].name != "00008101-000F6E93752ECD42" {
		t.Fatalf("findBackups of one: %+v, %v", one, err)
	}
	if _, err := findBackups(filepath.Join(dir, "holiday pictures")); err == nil {
		t.Error("a folder without backups: no error")
	}

	for name, c := range map[string]struct{ wanted, udid, want string }{
		"the phone's own":  {"", "00008120-001C25D81A3B401E", "iPad"},
		"by name":          {"anna's iphone", "", "Anna's iPhone"},
		"by beginning":     {"00008120", "", "iPad"},
		"several":          {"0000", "", ""},
		"none":             {"Ben", "", ""},
		"of another phone": {"", "00008140-001C25D81A3B401E", ""},
	} {
		got, err := choose(found, c.wanted, c.udid)
		if c.want == "" {
			if err == nil || !strings.Contains(remedy(err, 1), "iPad") {
				t.Errorf("%s: %v: want an error that lists what is there", name, err)
			}
			continue
		}
		if err != nil || got.title() != c.want {
			t.Errorf("%s: %s, %v, want %s", name, got.title(), err, c.want)
		}
	}
	// The only backup is the right one for any phone.
	if got, err := choose(found[:1], "", "00008140-001C25D81A3B401E"); err != nil || got.title() != "Anna's iPhone" {
		t.Errorf("the only one: %s, %v", got.title(), err)
	}
}

func TestMakeFolder(t *testing.T) {
	dir := t.TempDir()
	for path, wantErr := range map[string]bool{"a": false, "b/c": true, "file": true} {
		if path == "file" {
			if err := os.WriteFile(filepath.Join(dir, path), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		err := place.MakeFolder(filepath.Join(dir, path))
		if (err != nil) != wantErr {
			t.Errorf("place.MakeFolder(%s): %v", path, err)
		}
		if err != nil && remedy(err, 1) == "" {
			t.Errorf("place.MakeFolder(%s): %v: no remedy", path, err)
		}
		if err == nil && place.MakeFolder(filepath.Join(dir, path)) != nil {
			t.Errorf("place.MakeFolder(%s) a second time fails", path)
		}
	}
}
