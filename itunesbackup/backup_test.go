package itunesbackup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/itunesbackup/itunesbackuptest"
	"github.com/keepsake-backup/keepsake/keybag"
)

func specs() map[string]itunesbackuptest.Spec {
	return map[string]itunesbackuptest.Spec{"plain": itunesbackuptest.Plain(), "encrypted": itunesbackuptest.Encrypted()}
}

// open opens a backup and unlocks it with the spec's password.
func open(t *testing.T, dir string, password secret.BackupPassword) *itunesbackup.Backup {
	t.Helper()
	b, err := itunesbackup.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := b.Unlock(t.Context(), password); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBackup_contents(t *testing.T) {
	for name, spec := range specs() {
		t.Run(name, func(t *testing.T) {
			dir := itunesbackuptest.Build(t, spec)
			b := open(t, dir, spec.Password)
			if b.Encrypted() != !spec.Password.IsZero() || !b.Unlocked() {
				t.Errorf("encrypted %t, unlocked %t", b.Encrypted(), b.Unlocked())
			}
			for _, e := range spec.Entries {
				if e.Directory || e.Target != "" {
					continue
				}
				checkContent(t, b, e)
			}
			if n, err := b.Count(t.Context()); err != nil || n < int64(len(spec.Entries)) {
				t.Errorf("count %d, %v", n, err)
			}
			if b.ManifestPlist().LockdownText("UniqueDeviceID") != itunesbackuptest.UDID {
				t.Error("the phone is not named")
			}
			status, err := b.StatusPlist()
			if err != nil || status.SnapshotState != itunesbackup.SnapshotFinished {
				t.Errorf("status %+v, %v", status, err)
			}
			info, err := b.InfoPlist()
			if err != nil || info.TargetIdentifier != itunesbackuptest.UDID {
				t.Errorf("info %+v, %v", info, err)
			}
		})
	}
}

func checkContent(t *testing.T, b *itunesbackup.Backup, e itunesbackuptest.Entry) {
	t.Helper()
	f, err := b.Open(t.Context(), e.Domain, e.Path)
	if err != nil {
		t.Error(err)
		return
	}
	defer f.Close()
	got, err := io.ReadAll(f)
	if err != nil || !bytes.Equal(got, e.Content) || f.Size() != int64(len(e.Content)) {
		t.Errorf("%s: %d bytes, %v; want %d", e.Path, len(got), err, len(e.Content))
	}
	if n := int64(len(e.Content)); n > 5 {
		if _, err := f.Seek(-5, io.SeekEnd); err != nil {
			t.Fatal(err)
		}
		tail, err := io.ReadAll(f)
		if err != nil || !bytes.Equal(tail, e.Content[n-5:]) {
			t.Errorf("%s: tail %q, %v", e.Path, tail, err)
		}
	}
	class := e.Class
	if class == 0 {
		class = keybag.ClassCompleteUntilFirstAuth
	}
	r := f.Record()
	if r.File.ProtectionClass != class || (r.File.Digest != nil) != itunesbackup.HasDigest(e.Domain) {
		t.Errorf("%s: class %v, digest %x", e.Path, r.File.ProtectionClass, r.File.Digest)
	}
	if b.Encrypted() {
		if w, err := keybag.ParseWrappedKey(r.File.EncryptionKey); err != nil || w.Class() != class {
			t.Errorf("%s: key of class %v, %v", e.Path, w.Class(), err)
		}
	}
}

func TestBackup_locked(t *testing.T) {
	dir := itunesbackuptest.Build(t, itunesbackuptest.Encrypted())
	b, err := itunesbackup.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for _, err := range b.Records(t.Context()) {
		if !errors.Is(err, itunesbackup.ErrLocked) {
			t.Errorf("records: %v", err)
		}
	}
	if _, err := b.Open(t.Context(), "HomeDomain", "Library/SMS/sms.db"); !errors.Is(err, itunesbackup.ErrLocked) {
		t.Errorf("open: %v", err)
	}
	if _, err := b.FS(t.Context()); !errors.Is(err, itunesbackup.ErrLocked) {
		t.Errorf("FS: %v", err)
	}
	if _, _, err := b.Get(t.Context(), itunesbackup.FileID{}); !errors.Is(err, itunesbackup.ErrLocked) {
		t.Errorf("get: %v", err)
	}
	if err := b.Unlock(t.Context(), secret.NewBackupPassword("wrong")); !errors.Is(err, keybag.ErrWrongPassword) {
		t.Errorf("wrong password: %v", err)
	}
	if b.ManifestPlist().LockdownText("DeviceName") != "Test Phone" {
		t.Error("the name of a locked backup's phone cannot be read")
	}
	if err := b.Unlock(t.Context(), itunesbackuptest.Password); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Count(t.Context()); err != nil {
		t.Error(err)
	}
}

// Reading an encrypted backup must not leave its index in clear anywhere.
func TestBackup_noPlaintextOnDisk(t *testing.T) {
	dir := itunesbackuptest.Build(t, itunesbackuptest.Encrypted())
	temp := t.TempDir()
	for _, name := range []string{"TMPDIR", "TEMP", "TMP", "SQLITE_TMPDIR"} {
		t.Setenv(name, temp)
	}
	b := open(t, dir, itunesbackuptest.Password)
	for range b.Records(t.Context()) {
		entries, err := os.ReadDir(temp)
		if err != nil || len(entries) > 0 {
			t.Fatalf("temporary files: %v, %v", entries, err)
		}
	}
	raw, err := os.ReadFile(filepath.Join(dir, itunesbackup.ManifestName))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(raw, []byte("Library")) || bytes.Contains(raw, []byte("SQLite")) {
		t.Error("the index on disk is in clear")
	}
}

func TestBackup_missingAndDamaged(t *testing.T) {
	spec := itunesbackuptest.Encrypted()
	dir := itunesbackuptest.Build(t, spec)
	b := open(t, dir, spec.Password)
	if _, err := b.Open(t.Context(), "HomeDomain", "Library/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no row: %v", err)
	}
	if _, err := b.Open(t.Context(), "HomeDomain", "Library/Link"); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("a link: %v", err)
	}
	path := stored(dir, "HomeDomain", "Library/SMS/sms.db")
	if err := os.Truncate(path, 1000); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Open(t.Context(), "HomeDomain", "Library/SMS/sms.db"); !errors.Is(err, keybag.ErrCutShort) {
		t.Errorf("cut: %v", err)
	}
	r, _, err := b.Find(t.Context(), "HomeDomain", "Library/SMS/sms.db")
	if err != nil {
		t.Fatal(err)
	}
	f, err := b.OpenDamaged(r)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := io.ReadAll(f)
	if err != nil || len(got) != 992 || !errors.Is(f.Damage(), keybag.ErrCutShort) {
		t.Errorf("cut, tolerated: %d bytes, %v, %v", len(got), err, f.Damage())
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Open(t.Context(), "HomeDomain", "Library/SMS/sms.db"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
}

// stored is the host path of a file's content.
func stored(dir, domain, path string) string {
	return filepath.Join(dir, filepath.FromSlash(itunesbackup.MakeFileID(domain, path).Path()))
}

func TestOpen_refuses(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, dir string){
		"no Manifest.plist":    func(t *testing.T, dir string) { remove(t, dir, itunesbackup.ManifestListName) },
		"no Manifest.db":       func(t *testing.T, dir string) { remove(t, dir, itunesbackup.ManifestName) },
		"empty Manifest.plist": func(t *testing.T, dir string) { write(t, dir, itunesbackup.ManifestListName, "") },
		"text for a database": func(t *testing.T, dir string) {
			write(t, dir, itunesbackup.ManifestName, strings.Repeat("text ", 1000))
		},
	} {
		dir := itunesbackuptest.Build(t, itunesbackuptest.Plain())
		change(t, dir)
		if b, err := itunesbackup.Open(t.Context(), dir); err == nil {
			t.Errorf("%s: no error", name)
			b.Close()
		}
	}
	if _, err := itunesbackup.Open(t.Context(), filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
}

// A link in the folder must not lead the reader out of it.
func TestOpen_staysInside(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // making links needs a privilege there
	}
	outside := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(outside, []byte("outside"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := itunesbackuptest.Build(t, itunesbackuptest.Plain())
	path := stored(dir, "HomeDomain", "Library/SMS/sms.db")
	if err := errors.Join(os.Remove(path), os.Symlink(outside, path)); err != nil {
		t.Fatal(err)
	}
	b := open(t, dir, secret.BackupPassword{})
	if f, err := b.Open(t.Context(), "HomeDomain", "Library/SMS/sms.db"); err == nil {
		f.Close()
		t.Error("a link out of the folder was followed")
	}
}

func remove(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFS(t *testing.T) {
	for name, spec := range specs() {
		t.Run(name, func(t *testing.T) {
			b := open(t, itunesbackuptest.Build(t, spec), spec.Password)
			fsys, err := b.FS(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var expected []string
			for _, e := range spec.Entries {
				expected = append(expected, e.Domain+"/"+e.Path)
			}
			if err := fstest.TestFS(fsys, expected...); err != nil {
				t.Error(err)
			}
			for _, e := range spec.Entries {
				checkFSEntry(t, fsys, e)
			}
			if _, err := fsys.Open("HomeDomain/none"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("missing: %v", err)
			}
			if _, err := fsys.Open("../HomeDomain"); !errors.Is(err, fs.ErrInvalid) {
				t.Errorf("outside: %v", err)
			}
			linked, err := fs.ReadFile(fsys, "HomeDomain/Library/Link")
			if err != nil || string(linked) != "0123456789abcdef" {
				t.Errorf("through a link: %q, %v", linked, err)
			}
			if _, err := fsys.ReadDir("HomeDomain/Library/SMS/sms.db"); err == nil {
				t.Error("a file was listed")
			}
			if len(fsys.Skipped()) != 0 {
				t.Errorf("skipped %v", fsys.Skipped())
			}
		})
	}
}

func checkFSEntry(t *testing.T, fsys *itunesbackup.FS, e itunesbackuptest.Entry) {
	t.Helper()
	name := e.Domain + "/" + e.Path
	switch {
	case e.Target != "":
		if target, err := fsys.ReadLink(name); err != nil || target != e.Target {
			t.Errorf("%s: link to %q, %v", name, target, err)
		}
	case e.Directory:
		if list, err := fsys.ReadDir(name); err != nil || len(list) != 0 {
			t.Errorf("%s: %v, %v", name, list, err)
		}
	default:
		got, err := fs.ReadFile(fsys, name)
		if err != nil || !bytes.Equal(got, e.Content) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
		info, err := fs.Stat(fsys, name)
		if err != nil || info.Size() != int64(len(e.Content)) || info.Mode().Perm() != 0o644 || info.Sys() == nil {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}

// Links lead nowhere but to the domain they are in.
func TestFS_links(t *testing.T) {
	link := func(path, target string) itunesbackuptest.Entry {
		return itunesbackuptest.Entry{Domain: "HomeDomain", Path: path, Target: target}
	}
	dir := itunesbackuptest.Build(t, itunesbackuptest.Spec{Entries: []itunesbackuptest.Entry{
		{Domain: "HomeDomain", Path: "dir/file", Content: []byte("x")}, {Domain: "MediaDomain", Path: "file", Content: []byte("y")},
		link("up", "dir"), link("dir/back", "../up/../dir/file"), link("absolute", "/var/mobile/dir/file"), link("outside", "../MediaDomain/file"),
		link("loop", "loop"), link("dangling", "none"), link("top", "../.."),
	}})
	fsys, err := open(t, dir, secret.BackupPassword{}).FS(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if list, err := fsys.ReadDir("HomeDomain/up"); err != nil || len(list) != 2 {
		t.Errorf("a linked directory: %v, %v", list, err)
	}
	if got, err := fs.ReadFile(fsys, "HomeDomain/dir/back"); err != nil || string(got) != "x" {
		t.Errorf("a linked file: %q, %v", got, err)
	}
	for _, name := range []string{"absolute", "outside", "loop", "dangling", "top"} {
		if _, err := fsys.Open("HomeDomain/" + name); err == nil {
			t.Errorf("%s was opened", name)
		}
		if info, err := fsys.Lstat("HomeDomain/" + name); err != nil || info.Mode().Type() != fs.ModeSymlink {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}

// A directory that only its contents tell of must be listed once, also between
// names that sort around the slash.
func TestFS_directoriesWithoutRows(t *testing.T) {
	dir := t.TempDir()
	w, err := itunesbackup.NewWriter(t.Context(), dir, itunesbackup.WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"a/b/c", "a/b/d", "a-b", "a.b", "a0", "a/x", "\U0001F600/e"} {
		r := itunesbackup.Record{Domain: "HomeDomain", RelativePath: path, File: itunesbackup.MBFile{Mode: 0o100644}}
		if err := w.AddFile(t.Context(), r, strings.NewReader(path)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	fsys, err := open(t, dir, secret.BackupPassword{}).FS(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		".": "[HomeDomain]", "HomeDomain": "[a a-b a.b a0 \U0001F600]", "HomeDomain/a": "[b x]", "HomeDomain/a/b": "[c d]",
	} {
		list, err := fsys.ReadDir(name)
		var names []string
		for _, e := range list {
			names = append(names, e.Name())
		}
		if got := fmt.Sprint(names); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", name, got, err, want)
		}
	}
	if err := fstest.TestFS(fsys, "HomeDomain/a/b/c"); err != nil {
		t.Error(err)
	}
}

func TestBackup_concurrently(t *testing.T) {
	spec := itunesbackuptest.Encrypted()
	b := open(t, itunesbackuptest.Build(t, spec), spec.Password)
	fsys, err := b.FS(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for _, e := range spec.Entries {
				if !e.Directory && e.Target == "" {
					checkContent(t, b, e)
				}
			}
			err := fs.WalkDir(fsys, ".", func(_ string, _ fs.DirEntry, err error) error { return err })
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestUnlock_stopsWithContext(t *testing.T) {
	b, err := itunesbackup.Open(t.Context(), itunesbackuptest.Build(t, itunesbackuptest.Encrypted()))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Unlock(ctx, itunesbackuptest.Password); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
