package export_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/itunesbackup/itunesbackuptest"
	"github.com/keepsake-backup/keepsake/keybag"
	"github.com/keepsake-backup/keepsake/snapshot/export"
)

var next = secret.NewBackupPassword("battery staple")

func TestFolder_exact(t *testing.T) {
	for _, tc := range []struct {
		name   string
		spec   itunesbackuptest.Spec
		sealed bool
	}{{"plain", itunesbackuptest.Plain(), false}, {"encrypted", itunesbackuptest.Encrypted(), false}, {"sealed", itunesbackuptest.Encrypted(), true}} {
		t.Run(tc.name, func(t *testing.T) {
			p, from := imported(t, tc.spec, tc.sealed)
			dir := filepath.Join(t.TempDir(), "made")
			r, err := export.Folder(t.Context(), p, dir, options(export.Exact), silent{})
			if err != nil {
				t.Fatal(err)
			}
			sameBytes(t, from, r.Folder)
			if r.Folder != filepath.Join(dir, itunesbackuptest.UDID) || r.Files != 7 || r.Verified != 7+4 || r.Resumed != 0 || r.KeychainLost {
				t.Errorf("%+v", r)
			}
			opens(t, r.Folder, tc.spec.Password)
			onlyFolder(t, dir)
			private(t, dir)
		})
	}
}

// onlyFolder: nothing of the work is left beside the folder.
func onlyFolder(t *testing.T, dir string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil || len(list) != 1 || list[0].Name() != itunesbackuptest.UDID {
		t.Errorf("%v, %v", list, err)
	}
}

// private: nobody else may read any of it.
func private(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v", p, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestFolder_forms(t *testing.T) {
	old, none := itunesbackuptest.Password, secret.BackupPassword{}
	for _, tc := range []struct {
		name         string
		spec         itunesbackuptest.Spec
		sealed       bool
		form         export.Form
		given        secret.BackupPassword
		opens        secret.BackupPassword
		onlyList     bool // nothing but Manifest.plist changes
		keychainLost bool
	}{
		{"encrypted, new password", itunesbackuptest.Encrypted(), false, export.NewPassword, old, next, true, false},
		{"sealed, new password", itunesbackuptest.Encrypted(), true, export.NewPassword, old, next, true, false},
		{"encrypted, lost password", itunesbackuptest.Encrypted(), false, export.NewPassword, none, next, false, true},
		{"plain, password", itunesbackuptest.Plain(), false, export.NewPassword, none, next, false, true},
		{"encrypted, decrypted", itunesbackuptest.Encrypted(), false, export.Decrypted, none, none, false, true},
		{"sealed, decrypted", itunesbackuptest.Encrypted(), true, export.Decrypted, old, none, false, true},
		{"plain, decrypted", itunesbackuptest.Plain(), false, export.Decrypted, none, none, true, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, from := imported(t, tc.spec, tc.sealed)
			o := options(tc.form)
			o.Password, o.NewPassword = tc.given, next
			dir := t.TempDir()
			r, err := export.Folder(t.Context(), p, dir, o, silent{})
			if err != nil {
				t.Fatal(err)
			}
			if r.KeychainLost != tc.keychainLost || r.Encrypted == tc.opens.IsZero() || r.Verified < 7 {
				t.Errorf("%+v", r)
			}
			b := opens(t, r.Folder, tc.opens)
			if f, err := b.Open(t.Context(), "HomeDomain", "Library/SMS/sms.db"); err != nil {
				t.Error(err)
			} else if f.Size() != 72_000 {
				t.Errorf("%d bytes", f.Size())
			}
			if tc.onlyList {
				sameBytes(t, from, r.Folder, itunesbackup.ManifestListName)
			}
			onlyFolder(t, dir)
			private(t, r.Folder)
		})
	}
}

func TestFolder_passwords(t *testing.T) {
	for _, tc := range []struct {
		name        string
		form        export.Form
		given, next secret.BackupPassword
		want        error
	}{
		{"wrong, decrypted", export.Decrypted, next, next, keybag.ErrWrongPassword},
		{"none, decrypted", export.Decrypted, secret.BackupPassword{}, next, export.ErrPasswordNeeded},
		{"wrong, new", export.NewPassword, next, next, keybag.ErrWrongPassword},
		{"none, new", export.NewPassword, secret.BackupPassword{}, next, export.ErrPasswordNeeded},
		{"no new one", export.NewPassword, itunesbackuptest.Password, secret.BackupPassword{}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, _ := imported(t, itunesbackuptest.Encrypted(), true)
			o := options(tc.form)
			o.Password, o.NewPassword = tc.given, tc.next
			dir := t.TempDir()
			_, err := export.Folder(t.Context(), p, dir, o, silent{})
			if err == nil || tc.want != nil && !errors.Is(err, tc.want) {
				t.Errorf("error %v, want %v", err, tc.want)
			}
			if list, err := os.ReadDir(dir); err != nil || len(list) > 0 {
				t.Errorf("something was written: %v, %v", list, err)
			}
		})
	}
}

func TestFolder_occupied(t *testing.T) {
	p, from := imported(t, itunesbackuptest.Plain(), false)
	dir := t.TempDir()
	place := filepath.Join(dir, itunesbackuptest.UDID)
	if err := os.Mkdir(place, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(place, "mine"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var occupied *export.OccupiedError
	if _, err := export.Folder(t.Context(), p, dir, options(export.Exact), silent{}); !errors.As(err, &occupied) || occupied.Hint() == "" {
		t.Errorf("error %v", err)
	}
	onlyFolder(t, dir)
	// An empty one is nobody's.
	if err := os.Remove(filepath.Join(place, "mine")); err != nil {
		t.Fatal(err)
	}
	if _, err := export.Folder(t.Context(), p, dir, options(export.Exact), silent{}); err != nil {
		t.Fatal(err)
	}
	sameBytes(t, from, place)
	if _, err := export.Folder(t.Context(), p, filepath.Join(dir, "no", "such"), options(export.Exact), silent{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder above is missing: %v", err)
	}
}

// An export that was interrupted leaves nothing that looks like a backup; the
// next one of the same snapshot completes it, one of another form starts anew.
func TestFolder_interrupted(t *testing.T) {
	p, from := imported(t, itunesbackuptest.Encrypted(), false)
	for _, form := range []export.Form{export.Exact, export.Decrypted} {
		dir := t.TempDir()
		for _, phase := range []string{"write", "sync", "verify"} {
			ctx, cancel := context.WithCancel(t.Context())
			o := options(form)
			if phase == "write" {
				o.Workers = 1
			}
			_, err := export.Folder(ctx, p, dir, o, silent{phase: func(name string) {
				if name == phase {
					cancel()
				}
			}})
			cancel()
			if form == export.Decrypted && phase == "sync" && err == nil {
				break // there all is done then
			}
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("%s at %s: %v", form, phase, err)
			}
			if _, err := os.Stat(filepath.Join(dir, itunesbackuptest.UDID)); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s at %s: there is a folder: %v", form, phase, err)
			}
		}
		if form == export.Decrypted {
			continue
		}
		r, err := export.Folder(t.Context(), p, dir, options(form), silent{})
		if err != nil {
			t.Fatal(err)
		}
		sameBytes(t, from, r.Folder)
		onlyFolder(t, dir)
	}
}

// What was durable is not written again.
func TestFolder_resumed(t *testing.T) {
	p, from := imported(t, itunesbackuptest.Encrypted(), false)
	dir := t.TempDir()
	o := options(export.Exact)
	o.Checkpoint, o.Workers = 1, 1
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := export.Folder(ctx, p, dir, o, silent{update: func(c progress.Counters) {
		if c.Files == 4 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	r, err := export.Folder(t.Context(), p, dir, o, silent{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Resumed != 3 {
		t.Errorf("%d files resumed, want the 3 before the one at which it stopped", r.Resumed)
	}
	sameBytes(t, from, r.Folder)
	onlyFolder(t, dir)
}

// What the disk gives back wrong is found.
func TestFolder_verifyFindsDamage(t *testing.T) {
	p, _ := imported(t, itunesbackuptest.Encrypted(), false)
	for _, form := range []export.Form{export.Exact, export.Decrypted} {
		dir := t.TempDir()
		id := itunesbackup.MakeFileID("CameraRollDomain", "Media/DCIM/100APPLE/IMG_0001.JPG")
		if form == export.Decrypted { // has no digest of its own there
			id = itunesbackup.MakeFileID("HomeDomain", "Library/SMS/sms.db")
		}
		_, err := export.Folder(t.Context(), p, dir, options(form), silent{phase: func(name string) {
			if name != "verify" {
				return
			}
			path := filepath.Join(dir, ".keepsake-export-"+itunesbackuptest.UDID, id.Path())
			data, err := os.ReadFile(path)
			if err == nil {
				data[3] ^= 1
				err = os.WriteFile(path, data, 0o600)
			}
			if err != nil {
				t.Error(err)
			}
		}})
		var wrong *export.VerifyError
		if !errors.As(err, &wrong) || len(wrong.Problems) != 1 || !strings.Contains(err.Error(), "is not what was written") {
			t.Errorf("%s: error %v", form, err)
		}
		if _, err := os.Stat(filepath.Join(dir, itunesbackuptest.UDID)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: there is a folder: %v", form, err)
		}
	}
}

// A folder that takes nothing is said so, whoever runs the test.
func TestFolder_noFolder(t *testing.T) {
	p, _ := imported(t, itunesbackuptest.Plain(), false)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := export.Folder(t.Context(), p, file, options(export.Exact), silent{}); err == nil {
		t.Error("a file took a folder")
	}
}
