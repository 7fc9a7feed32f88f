package restore_test

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keepsake-backup/keepsake/backup"
	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/keybag"
	"github.com/keepsake-backup/keepsake/restore"
	"github.com/keepsake-backup/keepsake/virtualphone"
)

// backedUp gives a phone, the folder of its backup and its digest then.
func backedUp(t *testing.T, cfg virtualphone.Config, password string) (*virtualphone.Phone, *device.Device, string, string) {
	t.Helper()
	cfg.RebootTime = 1e8
	phone, dev := start(t, cfg, "")
	dir, rep := t.TempDir(), &reporter{}
	if password != "" {
		if err := backup.SetEncryption(t.Context(), dev, secret.BackupPassword{}, secret.NewBackupPassword(password), rep); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := backup.ToFolder(t.Context(), dev, dir, backup.Options{}, rep); err != nil {
		t.Fatal(err)
	}
	return phone, dev, folder(dir, phone), digest(t, phone)
}

func erase(t *testing.T, phone *virtualphone.Phone, dev *device.Device) {
	t.Helper()
	if err := phone.Erase(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := dev.Pair(t.Context(), device.PairOptions{Renew: true}); err != nil {
		t.Fatal(err)
	}
}

func fromFS(t *testing.T, phone *virtualphone.Phone, dev *device.Device, fsys fs.FS, source string, opt restore.Options) *restore.Report {
	t.Helper()
	n := phone.Count("restored")
	report, err := restore.FromFS(t.Context(), dev, fsys, source, opt, &reporter{})
	if err != nil {
		t.Fatalf("%v\n%+v", err, report)
	}
	if err := phone.Await(t.Context(), "restored", n+1); err != nil {
		t.Fatal(err)
	}
	return report
}

func TestFromFS(t *testing.T) {
	t.Parallel()
	for _, password := range []string{"", "pässword"} {
		t.Run("password="+password, func(t *testing.T) {
			t.Parallel()
			phone, dev, dir, before := backedUp(t, virtualphone.Config{}, password)
			opt := restore.Options{Password: secret.NewBackupPassword(password), VerifyData: true}
			erase(t, phone, dev)
			report := fromFS(t, phone, dev, os.DirFS(dir), phone.UDID(), opt)
			if diff := cmp.Diff(strings.Split(before, "\n"), strings.Split(digest(t, phone), "\n")); diff != "" {
				t.Errorf("restored phone differs (-before +after)\n%.2000s", diff)
			}
			if report.LeftOut.Any() || report.Folder != "" || report.Source != phone.UDID() {
				t.Errorf("%+v", report)
			}

			if password == "" {
				return
			}
			opt.Password = secret.NewBackupPassword("wrong")
			if report, err := restore.FromFS(t.Context(), dev, os.DirFS(dir), phone.UDID(), opt, &reporter{}); !errors.Is(err, keybag.ErrWrongPassword) || levels(report)["password"] != restore.Blocker {
				t.Errorf("wrong password: %v", err)
			}
		})
	}
}

// lossy lacks a part of some files, as a snapshot in a damaged repository does.
type lossy struct {
	fs.FS
	lost map[string]error
}

func (l lossy) Lacking(context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for name, err := range l.lost {
			if !yield(name, err) {
				return
			}
		}
	}
}

func TestFromFS_lost(t *testing.T) {
	t.Parallel()
	phone, dev, dir, _ := backedUp(t, virtualphone.Config{IOS: "18.6"}, "")
	id := itunesbackup.MakeFileID("HomeDomain", "Library/SMS/sms.db")
	lost := lossy{os.DirFS(dir), map[string]error{id.Path(): errors.New("blob 0a1b2c3d is in no pack")}}
	report, err := restore.FromFS(t.Context(), dev, lost, phone.UDID(), restore.Options{}, &reporter{})
	if err == nil || levels(report)["backup_files"] != restore.Blocker || !strings.Contains(err.Error(), "HomeDomain/Library/SMS/sms.db: blob 0a1b2c3d is in no pack") {
		t.Errorf("a lost blob: %v", err)
	}
	report, err = restore.FromFS(t.Context(), dev, lost, phone.UDID(), restore.Options{SkipDamaged: true, DryRun: true}, &reporter{})
	if err != nil || len(report.LeftOut.Damaged) != 1 || report.LeftOut.Damaged[0] != "HomeDomain/Library/SMS/sms.db" || report.LeftOut.Rows != 1 {
		t.Errorf("left out: %+v, %v", report, err)
	}
	lost.lost = map[string]error{"Manifest.db": errors.New("blob is lost")}
	if report, err = restore.FromFS(t.Context(), dev, lost, phone.UDID(), restore.Options{SkipDamaged: true}, &reporter{}); err == nil || levels(report)["backup_files"] != restore.Blocker {
		t.Errorf("a lost index: %v", err)
	}
	broken := errors.New("the repository is away")
	lost.lost = map[string]error{"": broken}
	if _, err = restore.FromFS(t.Context(), dev, lost, phone.UDID(), restore.Options{}, &reporter{}); !errors.Is(err, broken) {
		t.Errorf("no answer: %v", err)
	}
	if _, err = restore.FromFS(t.Context(), dev, os.DirFS(dir), phone.UDID(), restore.Options{CopyFirst: true}, &reporter{}); !errors.Is(err, restore.ErrNoPlace) {
		t.Errorf("copy of what is in no folder: %v", err)
	}
}

// copies are made beside the folder, by the backup's UDID even if it is renamed.
func TestFromFolder_copyFirst(t *testing.T) {
	t.Parallel()
	phone, dev, dir, _ := backedUp(t, virtualphone.Config{}, "")
	renamed := filepath.Join(filepath.Dir(dir), "my phone")
	if err := os.Rename(dir, renamed); err != nil {
		t.Fatal(err)
	}
	if _, err := restore.FromFolder(t.Context(), dev, renamed, restore.Options{CopyFirst: true}, &reporter{}); err != nil {
		t.Fatal(err)
	}
	if err := phone.Await(t.Context(), "restored", 1); err != nil {
		t.Fatal(err)
	}
	copies, err := filepath.Glob(dir + "-*")
	if err != nil || len(copies) != 1 {
		t.Fatalf("copies: %v, %v", copies, err)
	}
	b, err := itunesbackup.Open(t.Context(), copies[0])
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if v, err := b.Verify(t.Context(), itunesbackup.VerifyOptions{Digests: true}); err != nil || !v.OK() {
		t.Errorf("the copy: %+v, %v", v, err)
	}
}

func TestFromFS_cancel(t *testing.T) {
	t.Parallel()
	phone, dev, dir, before := backedUp(t, virtualphone.Config{}, "")
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("enough")
	rep := &cancelling{after: 3, cancel: func() { cancel(stop) }}
	fsys := countingFS{os.DirFS(dir), rep}
	if _, err := restore.FromFS(ctx, dev, fsys, phone.UDID(), restore.Options{}, rep); !errors.Is(err, stop) {
		t.Errorf("cancelled: %v", err)
	}
	if after := digest(t, phone); after != before {
		t.Error("the phone has changed")
	}
	fromFS(t, phone, dev, os.DirFS(dir), phone.UDID(), restore.Options{})
}

// cancelling ends the restore while it sends.
type cancelling struct {
	reporter
	after  int
	cancel func()
}

type countingFS struct {
	fs.FS
	rep *cancelling
}

func (c countingFS) Open(name string) (fs.File, error) {
	if strings.Contains(name, "/") {
		c.rep.mu.Lock()
		if c.rep.after--; c.rep.after == 0 {
			c.rep.cancel()
		}
		c.rep.mu.Unlock()
	}
	return c.FS.Open(name)
}
