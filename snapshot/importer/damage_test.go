package importer_test

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/keepsake-backup/keepsake/backup"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/itunesbackup/itunesbackuptest"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend/fault"
	"github.com/keepsake-backup/keepsake/repository/backend/memory"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/snapshot/export"
	"github.com/keepsake-backup/keepsake/snapshot/importer"
	"github.com/keepsake-backup/keepsake/virtualphone"
)

type formatID = format.ID

func smsPath() string { return itunesbackup.MakeFileID("HomeDomain", "Library/SMS/sms.db").Path() }

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// Whatever is wrong with a folder is said, and nothing of it becomes a snapshot.
func TestFolder_refuses(t *testing.T) {
	for _, tc := range []struct {
		name   string
		damage func(t *testing.T, dir string)
		want   string
	}{
		{"a missing file", func(t *testing.T, dir string) { remove(t, filepath.Join(dir, smsPath())) }, "HomeDomain/Library/SMS/sms.db: is missing"},
		{"a changed file", func(t *testing.T, dir string) { write(t, dir, smsPath(), []byte("something else")) }, "digest"},
		{"no status", func(t *testing.T, dir string) { remove(t, filepath.Join(dir, itunesbackup.StatusName)) }, "never finished"},
		{"an unfinished run", func(t *testing.T, dir string) { setState(t, dir, itunesbackup.SnapshotUploading) }, `ended while "uploading"`},
		{"a broken status", func(t *testing.T, dir string) { write(t, dir, itunesbackup.StatusName, []byte("x")) }, "Status.plist"},
		{"a broken list", func(t *testing.T, dir string) { write(t, dir, itunesbackup.ManifestListName, []byte("x")) }, "damaged"},
		{"a broken index", func(t *testing.T, dir string) { write(t, dir, itunesbackup.ManifestName, []byte("x")) }, "damaged"},
		{"no index", func(t *testing.T, dir string) { remove(t, filepath.Join(dir, itunesbackup.ManifestName)) }, "damaged"},
		{"a folder in the place of a file", func(t *testing.T, dir string) {
			remove(t, filepath.Join(dir, smsPath()))
			if err := os.Mkdir(filepath.Join(dir, smsPath()), 0o700); err != nil {
				t.Fatal(err)
			}
		}, "no regular file"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := itunesbackuptest.Build(t, itunesbackuptest.Plain())
			tc.damage(t, dir)
			r := inMemory(t)
			s := begin(t, r, repository.Shared)
			_, err := importer.Folder(t.Context(), s, dir, importer.Options{}, &silent{})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
			var hint interface{ Hint() string }
			if !errors.As(err, &hint) || hint.Hint() == "" {
				t.Errorf("no remedy: %v", err)
			}
			noSnapshots(t, r)
		})
	}
}

func noSnapshots(t *testing.T, r *repository.Repository) {
	t.Helper()
	s := begin(t, r, repository.Shared)
	defer s.Close()
	if list, err := s.Snapshots(t.Context()); err != nil || len(list) > 0 {
		t.Errorf("%d snapshots, %v", len(list), err)
	}
}

func setState(t *testing.T, dir string, state itunesbackup.SnapshotState) {
	t.Helper()
	data, err := itunesbackup.StatusPlist{Version: "3.3", UUID: "A", Date: itunesbackuptest.Date, BackupState: itunesbackup.BackupNew, SnapshotState: state}.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, itunesbackup.StatusName, data)
}

// One that is damaged does not keep the others out.
func TestFolder_oneOfSeveral(t *testing.T) {
	top := t.TempDir()
	good, bad := filepath.Join(top, "good", itunesbackuptest.UDID), filepath.Join(top, "bad", itunesbackuptest.UDID)
	copyFolder(t, itunesbackuptest.Build(t, itunesbackuptest.Plain()), good)
	copyFolder(t, good, bad)
	remove(t, filepath.Join(bad, smsPath()))
	r := inMemory(t)
	s := begin(t, r, repository.Shared)
	result, err := importer.Folder(t.Context(), s, top, importer.Options{}, &silent{})
	if err != nil || len(result.Backups) != 2 {
		t.Fatalf("%+v, %v", result, err)
	}
	var damaged *importer.DamagedError
	if b := result.Backups[0]; b.Path != bad || !errors.As(b.Err, &damaged) {
		t.Errorf("%s: %v", b.Path, b.Err)
	}
	if b := result.Backups[1]; b.Path != good || b.Err != nil || b.Snapshot.UDID == "" {
		t.Errorf("%s: %v", b.Path, b.Err)
	}
}

// With SkipDamaged the rest comes in, and the snapshot says what it lacks.
func TestFolder_skipDamaged(t *testing.T) {
	dir := itunesbackuptest.Build(t, itunesbackuptest.Encrypted())
	remove(t, filepath.Join(dir, smsPath()))
	r := inMemory(t)
	s := begin(t, r, repository.Shared)
	o := with(itunesbackuptest.Password)
	o.SkipDamaged = true
	result, err := importer.Folder(t.Context(), s, dir, o, &silent{})
	if err != nil {
		t.Fatal(err)
	}
	one := result.Backups[0]
	if len(one.Unread) != 1 || !strings.HasPrefix(one.Unread[0], "HomeDomain/Library/SMS/sms.db: ") {
		t.Errorf("%q", one.Unread)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = begin(t, r, repository.Shared)
	if unread := openSnapshot(t, s, "latest").Meta().Unread; len(unread) != 1 || unread[0].Path != "HomeDomain/Library/SMS/sms.db" {
		t.Errorf("%+v", unread)
	}
	sameFolder(t, dir, exportOf(t, r, "latest", export.Options{}))
}

// Files that no row names are kept; what is no part of a backup is left out and
// told.
func TestFolder_strays(t *testing.T) {
	for _, spec := range []itunesbackuptest.Spec{itunesbackuptest.Plain(), itunesbackuptest.Encrypted()} {
		dir := itunesbackuptest.Build(t, spec)
		stray := itunesbackup.MakeFileID("HomeDomain", "no such row")
		if err := os.MkdirAll(filepath.Join(dir, stray.Shard()), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, dir, stray.Path(), []byte("left over"))
		write(t, dir, ".DS_Store", []byte("finder"))
		write(t, dir, filepath.Join(stray.Shard(), "desktop.ini"), []byte("explorer"))
		r := inMemory(t)
		one := importInto(t, r, dir, spec.Password).Backups[0]
		if len(one.Notices) != 1 || !strings.Contains(one.Notices[0], ".DS_Store") {
			t.Errorf("notices %q", one.Notices)
		}
		sameFolder(t, dir, exportOf(t, r, "latest", export.Options{Verify: true}), ".DS_Store", stray.Shard()+"/desktop.ini")
	}
}

// A log beside the index holds rows that the index does not.
func TestFolder_writeAheadLog(t *testing.T) {
	dir := itunesbackuptest.Build(t, itunesbackuptest.Plain())
	path := filepath.Join(dir, itunesbackup.ManifestName)
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	for _, q := range []string{"PRAGMA journal_mode = WAL", "PRAGMA wal_autocheckpoint = 0", "DELETE FROM Files WHERE relativePath = 'Library/SMS/sms.db'"} {
		if _, err := db.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	copied := filepath.Join(t.TempDir(), itunesbackuptest.UDID)
	copyFolder(t, dir, copied) // as it lies there while somebody has it open
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(copied, "Manifest.db-wal")); err != nil || info.Size() == 0 {
		t.Fatalf("no log: %v", err)
	}
	r := inMemory(t)
	one := importInto(t, r, copied, noPassword).Backups[0]
	if len(one.Notices) == 0 || !strings.Contains(one.Notices[0], "folded") {
		t.Errorf("notices %q", one.Notices)
	}
	s := begin(t, r, repository.Shared)
	fsys := openSnapshot(t, s, "latest").FS(t.Context())
	if _, err := fs.Stat(fsys, "HomeDomain/Library/SMS/sms.db"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the removed row is there: %v", err)
	}
	if again := importInto(t, r, copied, noPassword).Backups[0]; !again.Known {
		t.Error("imported twice")
	}
}

// After an interrupted run the backup before it is imported, if it was kept.
func TestFolder_previous(t *testing.T) {
	p := startPhone(t)
	dir := t.TempDir()
	folder := p.backup(t, dir)
	keep := filepath.Join(t.TempDir(), "copy")
	copyFolder(t, folder, keep)
	p.use(t)
	p.AddFaults(parseFaults(t, "cut@move:1")...)
	if _, err := backup.ToFolder(t.Context(), p.dev, dir, backup.Options{}, &silent{}); err == nil {
		t.Fatal("the run ended well")
	}
	r := inMemory(t)
	one := importInto(t, r, folder, noPassword).Backups[0]
	if !one.Previous || len(one.Notices) == 0 {
		t.Errorf("%+v", one)
	}
	got := exportOf(t, r, "latest", export.Options{})
	sameFolder(t, keep, got)
}

func parseFaults(t *testing.T, specs string) []virtualphone.Fault {
	t.Helper()
	f, err := virtualphone.ParseFaults(specs)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Whenever an import dies, no snapshot is there or a whole one; the next one
// completes.
func TestFolder_killed(t *testing.T) {
	dir := itunesbackuptest.Build(t, itunesbackuptest.Encrypted())
	for n := 0; ; n++ {
		store := memory.New()
		newRepository(t, store)
		be := fault.New(store)
		r, err := repository.Open(t.Context(), be, repositoryPassword, repository.Options{})
		if err != nil {
			t.Fatal(err)
		}
		be.KillAfterChanges(n)
		s, err := r.Begin(t.Context(), repository.Shared, 0)
		if err == nil {
			_, err = importer.Folder(t.Context(), s, dir, with(itunesbackuptest.Password), &silent{})
			s.Close() // of a store that is gone
		}
		if err == nil && n < 3 {
			t.Errorf("killed after %d changes, and nothing was wrong", n)
		}
		after, oerr := repository.Open(t.Context(), store.Clone(), repositoryPassword, repository.Options{})
		if oerr != nil {
			t.Fatal(oerr)
		}
		if _, uerr := after.Unlock(t.Context(), true); uerr != nil {
			t.Fatal(uerr)
		}
		if one := importInto(t, after, dir, itunesbackuptest.Password).Backups[0]; err != nil && one.Known && n < 3 {
			t.Errorf("killed after %d changes: there is a snapshot", n)
		}
		sameFolder(t, dir, exportOf(t, after, "latest", export.Options{}))
		if err == nil {
			return
		}
	}
}

func TestFolder_cancelled(t *testing.T) {
	dir := itunesbackuptest.Build(t, itunesbackuptest.Encrypted())
	r := inMemory(t)
	s := begin(t, r, repository.Shared)
	ctx, cancel := context.WithCancel(t.Context())
	o := importer.Options{Password: func(context.Context, importer.Found, int) (secret.BackupPassword, error) {
		cancel()
		return itunesbackuptest.Password, nil
	}}
	if _, err := importer.Folder(ctx, s, dir, o, &silent{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	noSnapshots(t, r)
}
