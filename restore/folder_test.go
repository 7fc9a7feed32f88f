package restore_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keepsake-backup/keepsake/backup"
	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/keybag"
	"github.com/keepsake-backup/keepsake/mobilebackup2"
	"github.com/keepsake-backup/keepsake/restore"
	"github.com/keepsake-backup/keepsake/virtualphone"
)

func levels(r *restore.Report) map[string]restore.Level {
	m := map[string]restore.Level{}
	for _, f := range r.Findings {
		if m[f.Check] == "" || f.Level == restore.Blocker {
			m[f.Check] = f.Level
		}
	}
	return m
}

func TestFromFolder_erasedPhone(t *testing.T) {
	t.Parallel()
	for _, password := range []string{"", "pässword"} {
		t.Run("password="+password, func(t *testing.T) {
			phone, dev := start(t, virtualphone.Config{RebootTime: 1e8}, "")
			dir, rep := t.TempDir(), &reporter{}
			pw := secret.NewBackupPassword(password)
			if password != "" {
				if err := backup.SetEncryption(t.Context(), dev, secret.BackupPassword{}, pw, rep); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := backup.ToFolder(t.Context(), dev, dir, backup.Options{}, rep); err != nil {
				t.Fatal(err)
			}
			before := digest(t, phone)
			if err := phone.Erase(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := dev.Pair(t.Context(), device.PairOptions{Renew: true}); err != nil {
				t.Fatal(err)
			}
			opt := restore.Options{Password: pw, DryRun: true}
			report, err := restore.FromFolder(t.Context(), dev, dir, opt, rep)
			if err != nil || report.Blocked() || report.Files == 0 || report.Choice != (restore.Choice{SystemFiles: true, RemoveItemsNotRestored: true, Reboot: true}) {
				t.Fatalf("dry run: %+v, %v", report, err)
			}
			if after := digest(t, phone); after == before {
				t.Fatal("the phone was not erased")
			}
			opt.DryRun = false
			if report, err = restore.FromFolder(t.Context(), dev, dir, opt, rep); err != nil {
				t.Fatal(err)
			}
			if err := phone.Await(t.Context(), "restored", 1); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Split(before, "\n"), strings.Split(digest(t, phone), "\n")); diff != "" {
				t.Errorf("restored phone differs (-before +after)\n%.2000s", diff)
			}
			if len(report.Apps) == 0 {
				t.Error("no apps listed")
			}
			if names, err := os.ReadDir(dir); err != nil || len(names) != 1 {
				t.Errorf("left beside the backup: %v, %v", names, err)
			}
		})
	}
}

func TestFromFolder_blocked(t *testing.T) {
	t.Parallel()
	phone, dev := start(t, virtualphone.Config{IOS: "17.3"}, "")
	dir, rep := t.TempDir(), &reporter{}
	if _, err := backup.ToFolder(t.Context(), dev, dir, backup.Options{}, rep); err != nil {
		t.Fatal(err)
	}
	src := folder(dir, phone)
	blocked := func(t *testing.T, check string, opt restore.Options) {
		t.Helper()
		report, err := restore.FromFolder(t.Context(), dev, dir, opt, rep)
		var b *restore.BlockedError
		if !errors.As(err, &b) || report == nil || levels(report)[check] != restore.Blocker || b.Hint() == "" {
			t.Errorf("%s: %v, %+v", check, err, report)
		}
	}
	t.Run("find my", func(t *testing.T) {
		set(t, phone, "find-my=on")
		blocked(t, "find_my", restore.Options{})
		set(t, phone, "find-my=off")
	})
	t.Run("older iOS", func(t *testing.T) {
		set(t, phone, "ios=16.7.10")
		blocked(t, "ios_version", restore.Options{})
		set(t, phone, "ios=17.10")
		if report, err := restore.FromFolder(t.Context(), dev, dir, restore.Options{DryRun: true}, rep); err != nil || levels(report)["ios_version"] != restore.OK {
			t.Errorf("17.10 after 17.3: %v", err)
		}
	})
	t.Run("no space", func(t *testing.T) {
		// The phone's own refusal is the real check.
		set(t, phone, "free-space=1000")
		_, err := restore.FromFolder(t.Context(), dev, dir, restore.Options{}, rep)
		var d *mobilebackup2.DeviceError
		if !errors.As(err, &d) || d.Hint() == "" || d.Code != mobilebackup2.CodeNoSpaceOnDevice && d.Code != mobilebackup2.CodeNoSpaceOnHost {
			t.Errorf("phone without room: %v", err)
		}
		set(t, phone, "free-space=0")
	})
	t.Run("in use", func(t *testing.T) {
		report, err := restore.FromFolder(t.Context(), dev, dir, restore.Options{DryRun: true}, rep)
		if err != nil || levels(report)["setup"] != restore.Warning || report.Choice != (restore.Choice{SystemFiles: true, PreserveSettings: true, Reboot: true}) {
			t.Errorf("%v %+v", err, report)
		}
	})
	t.Run("renamed folder", func(t *testing.T) {
		other := filepath.Join(dir, "Anna's old phone")
		if err := os.Rename(src, other); err != nil {
			t.Fatal(err)
		}
		report, err := restore.FromFolder(t.Context(), dev, other, restore.Options{}, rep)
		if err != nil || report.Source != phone.UDID() {
			t.Errorf("%v %+v", err, report)
		}
		if err := phone.Await(t.Context(), "restored", 1); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(other, src); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("missing file", func(t *testing.T) {
		shard := filepath.Join(src, "3d")
		if err := os.Rename(shard, shard+".away"); err != nil {
			t.Fatal(err)
		}
		blocked(t, "backup_files", restore.Options{})
		if err := os.Rename(shard+".away", shard); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("first backup unfinished", func(t *testing.T) {
		rewriteStatus(t, src, "empty", "uploading")
		blocked(t, "backup_state", restore.Options{})
		rewriteStatus(t, src, "new", "moving")
		blocked(t, "backup_state", restore.Options{})
		rewriteStatus(t, src, "new", "uploading")
		if report, err := restore.FromFolder(t.Context(), dev, dir, restore.Options{DryRun: true}, rep); err != nil || levels(report)["backup_state"] != restore.Warning {
			t.Errorf("interrupted after a finished one: %v", err)
		}
	})
	t.Run("no backup", func(t *testing.T) {
		var none *restore.NoBackupError
		for _, opt := range []restore.Options{{}, {Source: "other"}, {Source: "../x"}} {
			if _, err := restore.FromFolder(t.Context(), dev, t.TempDir(), opt, rep); !errors.As(err, &none) || none.Hint() == "" {
				t.Errorf("%+v: %v", opt, err)
			}
		}
	})
}

func TestFromFolder_wrongPassword(t *testing.T) {
	t.Parallel()
	_, dev := start(t, virtualphone.Config{}, "")
	dir, rep := t.TempDir(), &reporter{}
	if err := backup.SetEncryption(t.Context(), dev, secret.BackupPassword{}, secret.NewBackupPassword("right"), rep); err != nil {
		t.Fatal(err)
	}
	if _, err := backup.ToFolder(t.Context(), dev, dir, backup.Options{}, rep); err != nil {
		t.Fatal(err)
	}
	for _, password := range []string{"", "wrong"} {
		report, err := restore.FromFolder(t.Context(), dev, dir, restore.Options{Password: secret.NewBackupPassword(password)}, rep)
		if !errors.Is(err, keybag.ErrWrongPassword) || levels(report)["password"] != restore.Blocker {
			t.Errorf("%q: %v", password, err)
		}
	}
}

func set(t *testing.T, p *virtualphone.Phone, pair string) {
	t.Helper()
	if err := p.Set(pair); err != nil {
		t.Fatal(err)
	}
}
