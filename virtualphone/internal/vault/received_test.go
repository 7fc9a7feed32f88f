package vault

import (
	"crypto/sha256"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keepsake-backup/keepsake/itunesbackup"
)

func record(path string, mode uint32, target string) itunesbackup.Record {
	r := itunesbackup.Record{Domain: "HomeDomain", RelativePath: path, Flags: itunesbackup.FlagFile,
		File: itunesbackup.MBFile{Mode: mode, Inode: 1, LastModified: 1_000_000, Target: target}}
	switch mode & 0o170000 {
	case 0o040000:
		r.Flags = itunesbackup.FlagDirectory
	case 0o120000:
		r.Flags = itunesbackup.FlagSymlink
	}
	r.ID = itunesbackup.MakeFileID(r.Domain, path)
	return r
}

// stage makes a vault with a restore of these rows, of which files have content.
func stage(t *testing.T, content map[string]string, rows ...itunesbackup.Record) *Vault {
	t.Helper()
	at := filepath.Join(t.TempDir(), "Manifest.db")
	m, err := itunesbackup.CreateManifest(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Put(t.Context(), rows); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(at)
	if err != nil {
		t.Fatal(err)
	}
	v := New(t.TempDir())
	t.Cleanup(func() { v.Close() })
	r, err := v.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Manifest().Write(data); err != nil {
		t.Fatal(err)
	}
	for path, text := range content {
		f := r.File(t.Context(), itunesbackup.MakeFileID("HomeDomain", path))
		for _, b := range []byte(text) { // as small as pieces can be
			if _, err := f.Write([]byte{b}); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.Close(true); err != nil {
			t.Fatal(err)
		}
	}
	if err := v.Stage(r, About{Source: "source"}); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestVault_commit(t *testing.T) {
	v := stage(t, map[string]string{"a/file": "some text, longer than a head"},
		record("", 0o040755, ""), record("a", 0o042700, ""), record("a/file", 0o104644, ""), record("a/link", 0o120777, "file"))
	if got, err := v.Received(); got != nil || err != nil {
		t.Error("in place before the boot")
	}
	if ok, err := v.Commit(t.Context()); !ok || err != nil {
		t.Fatal(ok, err)
	}
	got, err := v.Received()
	if err != nil || got.Files != 1 || got.Directories != 2 || got.Links != 1 || got.Bytes != 29 || len(got.Problems) != 0 || got.Source != "source" {
		t.Fatalf("%+v, %v", got, err)
	}
	modes := map[string]fs.FileMode{}
	for e, err := range got.Entries(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		modes[e.Key()] = e.Mode
		if !e.ModTime.Equal(time.Unix(1_000_000, 0)) || e.Mode.Type() == fs.ModeSymlink && e.Target != "file" || e.Mode.IsRegular() && e.SHA256 != sha256.Sum256([]byte("some text, longer than a head")) {
			t.Errorf("%+v", e)
		}
	}
	want := map[string]fs.FileMode{"HomeDomain": fs.ModeDir | 0o755, "HomeDomain/a": fs.ModeDir | fs.ModeSetgid | 0o700, "HomeDomain/a/file": fs.ModeSetuid | 0o644, "HomeDomain/a/link": fs.ModeSymlink | 0o777}
	if diff := cmp.Diff(want, modes); diff != "" {
		t.Error(diff)
	}
	if ok, err := v.Commit(t.Context()); ok || err != nil {
		t.Errorf("committed twice: %t, %v", ok, err)
	}
}

func TestVault_problems(t *testing.T) {
	twice := record("a", 0o100644, "")
	twice.ID = itunesbackup.FileID{9} // another hash of the same name
	v := stage(t, map[string]string{"a/file": "x"}, record("", 0o040755, ""), record("a", 0o040755, ""), twice,
		record("a/file", 0o100644, ""), record("a/lost", 0o100644, ""), record("a/link", 0o120777, ""),
		record("b/file", 0o100644, ""), record("a/file/below", 0o040755, ""))
	if ok, err := v.Commit(t.Context()); !ok || err != nil {
		t.Fatal(ok, err)
	}
	got, _ := v.Received()
	seen := map[string]bool{}
	for _, p := range got.Problems {
		seen[p.Path+": "+p.Text] = true
	}
	for _, want := range []string{"HomeDomain/a: is in the list twice", "HomeDomain/a: its content has not come", "HomeDomain/a/lost: its content has not come",
		"HomeDomain/a/link: is a link to nowhere", "HomeDomain/b/file: the list lacks the folder that it lies in", "HomeDomain/a/file/below: what it lies in is no folder"} {
		if !seen[want] {
			t.Errorf("not seen: %s in %v", want, got.Problems)
		}
	}
}

func TestVault_drop(t *testing.T) {
	v := New(t.TempDir())
	defer v.Close()
	r, err := v.Begin()
	if err != nil {
		t.Fatal(err)
	}
	f := r.File(t.Context(), itunesbackup.FileID{1})
	if _, err := f.Write([]byte(sqliteMagic + "half")); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(false); err != nil || len(r.files) != 0 {
		t.Errorf("half a file: %v, %v", err, r.files)
	}
	if err := v.Drop(r); err != nil {
		t.Fatal(err)
	}
	if err := v.Stage(r, About{}); err == nil {
		t.Error("staged what was dropped")
	}
	if ok, err := v.Commit(t.Context()); ok || err != nil {
		t.Errorf("committed what was dropped: %t, %v", ok, err)
	}
	// A list that is none: the boot says so, and goes on saying so.
	if r, err = v.Begin(); err != nil {
		t.Fatal(err)
	}
	if err := v.Stage(r, About{}); err != nil {
		t.Fatal(err)
	}
	if ok, err := v.Commit(t.Context()); ok || err == nil {
		t.Error("committed without a list")
	}
	if got, err := v.Received(); got != nil || err == nil {
		t.Error("nobody hears of it")
	}
}
