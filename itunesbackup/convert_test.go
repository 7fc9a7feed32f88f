package itunesbackup_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/itunesbackup/itunesbackuptest"
	"github.com/keepsake-backup/keepsake/keybag"
)

var otherPassword = secret.NewBackupPassword("battery staple")

func convertOptions(password secret.BackupPassword) itunesbackup.ConvertOptions {
	return itunesbackup.ConvertOptions{Password: password, Rounds: itunesbackuptest.Rounds, Iterations: itunesbackuptest.Iterations}
}

func TestConvert(t *testing.T) {
	for name, spec := range specs() {
		for target, password := range map[string]secret.BackupPassword{"to plain": {}, "to encrypted": otherPassword} {
			t.Run(name+" "+target, func(t *testing.T) {
				src := open(t, itunesbackuptest.Build(t, spec), spec.Password)
				dir := filepath.Join(t.TempDir(), "converted")
				rows := int64(0)
				opts := convertOptions(password)
				opts.Progress = func(n, total int64) { rows = n }
				if err := itunesbackup.Convert(t.Context(), src, dir, opts); err != nil {
					t.Fatal(err)
				}
				if report := verify(t, dir, password, everything); !report.OK() || len(report.Problems) > 0 || report.Rows != rows || report.Encrypted != !password.IsZero() {
					t.Errorf("%+v", report)
				}
				dst := open(t, dir, password)
				for _, e := range spec.Entries {
					if !e.Directory && e.Target == "" {
						checkContent(t, dst, e)
					}
				}
				sameRows(t, src, dst)
			})
		}
	}
}

// sameRows compares everything but keys and digests.
func sameRows(t *testing.T, a, b *itunesbackup.Backup) {
	t.Helper()
	all := func(b *itunesbackup.Backup) map[string]itunesbackup.Record {
		m := map[string]itunesbackup.Record{}
		for r, err := range b.Records(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			m[r.Key()] = r
		}
		return m
	}
	if diff := cmp.Diff(all(a), all(b), cmpopts.IgnoreFields(itunesbackup.MBFile{}, "EncryptionKey", "Digest")); diff != "" {
		t.Errorf("(-source +converted)\n%s", diff)
	}
	before, err := a.InfoPlist()
	if err != nil {
		t.Fatal(err)
	}
	after, err := b.InfoPlist()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("Info.plist (-source +converted)\n%s", diff)
	}
}

// A row's ID and the form of its digest are kept, whatever its name hashes to.
func TestConvert_keepsOddRows(t *testing.T) {
	id := itunesbackup.MakeFileID("HomeDomain", "Gr\u00fc\u00dfe") // of the composed form
	spec := itunesbackuptest.Spec{Entries: []itunesbackuptest.Entry{{Domain: "HomeDomain", Path: "Gru\u0308\u00dfe", Content: []byte("x"), Change: func(r *itunesbackup.Record) {
		r.ID = id
		r.File.DigestForm = itunesbackup.DataInline
		r.File.ExtendedAttributes, r.File.AttributesForm = []byte("bplist"), itunesbackup.DataBoxed
		r.File.Extra = []itunesbackup.ExtraInt{{Key: "New", Value: 3}}
	}}}}
	src := open(t, itunesbackuptest.Build(t, spec), secret.BackupPassword{})
	dir := t.TempDir()
	if err := itunesbackup.Convert(t.Context(), src, dir, convertOptions(otherPassword)); err != nil {
		t.Fatal(err)
	}
	r, ok, err := open(t, dir, otherPassword).Get(t.Context(), id)
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	if r.File.DigestForm != itunesbackup.DataInline || r.File.AttributesForm != itunesbackup.DataBoxed || len(r.File.Extra) != 1 {
		t.Errorf("%+v", r.File)
	}
}

func TestConvert_refuses(t *testing.T) {
	dir := itunesbackuptest.Build(t, itunesbackuptest.Encrypted())
	locked, err := itunesbackup.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer locked.Close()
	if err := itunesbackup.Convert(t.Context(), locked, t.TempDir(), convertOptions(otherPassword)); !errors.Is(err, itunesbackup.ErrLocked) {
		t.Errorf("locked: %v", err)
	}
	src := open(t, dir, itunesbackuptest.Password)
	if err := itunesbackup.Convert(t.Context(), src, dir, convertOptions(otherPassword)); err == nil {
		t.Error("onto itself: no error")
	}
	if err := os.Remove(stored(dir, "HomeDomain", "Library/SMS/sms.db")); err != nil {
		t.Fatal(err)
	}
	half := t.TempDir()
	if err := itunesbackup.Convert(t.Context(), src, half, convertOptions(otherPassword)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("content missing: %v", err)
	}
	if _, err := os.Stat(filepath.Join(half, itunesbackup.StatusName)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("half a backup says it is one: %v", err)
	}
}

func TestChangePassword(t *testing.T) {
	spec := itunesbackuptest.Encrypted()
	dir := itunesbackuptest.Build(t, spec)
	change := func(from, to secret.BackupPassword) error {
		return itunesbackup.ChangePassword(t.Context(), dir, from, to, itunesbackuptest.Rounds, itunesbackuptest.Iterations)
	}
	if err := change(otherPassword, otherPassword); !errors.Is(err, keybag.ErrWrongPassword) {
		t.Errorf("wrong password: %v", err)
	}
	if err := change(spec.Password, secret.BackupPassword{}); err == nil {
		t.Error("an empty password was accepted")
	}
	if err := change(spec.Password, otherPassword); err != nil {
		t.Fatal(err)
	}
	b, err := itunesbackup.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Unlock(t.Context(), spec.Password); !errors.Is(err, keybag.ErrWrongPassword) {
		t.Errorf("the old password: %v", err)
	}
	if report := verify(t, dir, otherPassword, everything); !report.OK() || len(report.Problems) > 0 {
		t.Errorf("%+v", report)
	}
	if err := itunesbackup.ChangePassword(t.Context(), itunesbackuptest.Build(t, itunesbackuptest.Plain()), spec.Password, otherPassword, 1, 1); err == nil {
		t.Error("an unencrypted backup has got a password")
	}
}

func TestWriter_refuses(t *testing.T) {
	w, err := itunesbackup.NewWriter(t.Context(), t.TempDir(), itunesbackup.WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	file := itunesbackup.Record{Domain: "HomeDomain", RelativePath: "a", File: itunesbackup.MBFile{Mode: 0o100644}}
	for name, err := range map[string]error{
		"a file as an entry":    w.AddEntry(t.Context(), file),
		"a directory as a file": w.AddFile(t.Context(), itunesbackup.Record{Domain: "HomeDomain", Flags: itunesbackup.FlagDirectory}, nil),
		"a path upwards":        w.AddFile(t.Context(), itunesbackup.Record{Domain: "HomeDomain", RelativePath: "../a", File: file.File}, nil),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := w.Abort(); err != nil {
		t.Error(err)
	}
	if err := w.Finish(t.Context()); err == nil {
		t.Error("finished after Abort")
	}
	bag, err := keybag.Parse(itunesbackuptest.Bag(t, otherPassword).Marshal())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := itunesbackup.NewWriter(t.Context(), t.TempDir(), itunesbackup.WriterOptions{Keybag: bag}); !errors.Is(err, keybag.ErrLocked) {
		t.Errorf("a locked bag: %v", err)
	}
}
