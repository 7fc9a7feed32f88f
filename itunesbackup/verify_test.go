package itunesbackup_test

import (
	"context"
	"crypto/sha1"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/itunesbackup/itunesbackuptest"
)

var everything = itunesbackup.VerifyOptions{Digests: true, Decrypt: true}

func verify(t *testing.T, dir string, password secret.BackupPassword, opts itunesbackup.VerifyOptions) *itunesbackup.Report {
	t.Helper()
	b, err := itunesbackup.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if !password.IsZero() {
		if err := b.Unlock(t.Context(), password); err != nil {
			t.Fatal(err)
		}
	}
	report, err := b.Verify(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestVerify_goodBackups(t *testing.T) {
	for name, spec := range specs() {
		t.Run(name, func(t *testing.T) {
			dir := itunesbackuptest.Build(t, spec)
			var last itunesbackup.VerifyProgress
			calls := int64(0)
			opts := everything
			opts.Progress = func(p itunesbackup.VerifyProgress) { last, calls = p, calls+1 }
			report := verify(t, dir, spec.Password, opts)
			if !report.OK() || len(report.Problems) > 0 || report.Statement != "" {
				t.Errorf("statement %q, problems %v", report.Statement, report.Problems)
			}
			var plain int64
			for _, e := range spec.Entries {
				plain += int64(len(e.Content))
			}
			const files, links, digests = 7, 1, 3
			if report.Files != files || report.Symlinks != links || report.DigestsChecked != digests || report.PlainBytes != plain ||
				report.Rows != report.Files+report.Symlinks+report.Directories || report.StoredBytes < plain {
				t.Errorf("counts %+v", report)
			}
			if want := map[bool]int64{true: files, false: 0}[report.Encrypted]; report.Decrypted != want || report.Unlocked != true {
				t.Errorf("decrypted %d, want %d", report.Decrypted, want)
			}
			if calls != files || last.Files != files || last.FilesTotal != files || last.Bytes != report.StoredBytes {
				t.Errorf("progress ended at %+v after %d calls", last, calls)
			}
			shallow := verify(t, dir, spec.Password, itunesbackup.VerifyOptions{})
			if !shallow.OK() || shallow.PlainBytes != 0 || shallow.DigestsChecked != 0 || shallow.StoredBytes != report.StoredBytes {
				t.Errorf("structure only: %+v", shallow)
			}
		})
	}
}

func TestVerify_withoutPassword(t *testing.T) {
	dir := itunesbackuptest.Build(t, itunesbackuptest.Encrypted())
	report := verify(t, dir, secret.BackupPassword{}, everything)
	if !report.OK() || report.Unlocked || !strings.Contains(report.Statement, "password") || report.Rows != 0 {
		t.Errorf("%+v", report)
	}
}

// Each kind of harm must be found, with the right weight and place.
func TestVerify_findsHarm(t *testing.T) {
	const domain, path = "HomeDomain", "Library/SMS/sms.db"
	flip := func(t *testing.T, name string, at int) {
		t.Helper()
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if at < 0 {
			at += len(b)
		}
		b[at] ^= 0x40
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	must := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	both, plainOnly, encryptedOnly := "both", "plain", "encrypted"
	for _, tt := range []struct {
		name     string
		which    string
		harm     func(t *testing.T, dir string)
		severity itunesbackup.Severity
		path     string
		what     string
	}{
		{"content changed", both, func(t *testing.T, dir string) { flip(t, stored(dir, domain, path), 100) }, itunesbackup.Failure, domain + "/" + path, "SHA-1"},
		{"padding changed", encryptedOnly, func(t *testing.T, dir string) {
			flip(t, stored(dir, "AppDomain-org.example.notes", "Documents/a/b"), -1)
		}, itunesbackup.Failure, "AppDomain-org.example.notes/Documents/a/b", "padding"},
		{"content cut", encryptedOnly, func(t *testing.T, dir string) { must(t, os.Truncate(stored(dir, domain, path), 1000)) }, itunesbackup.Failure, domain + "/" + path, "cut short"},
		{"content emptied", both, func(t *testing.T, dir string) {
			must(t, os.Truncate(stored(dir, "CameraRollDomain", "Media/DCIM/100APPLE/IMG_0001.JPG"), 0))
		}, itunesbackup.Warning, "CameraRollDomain/Media/DCIM/100APPLE/IMG_0001.JPG", "stored empty"},
		{"content missing", both, func(t *testing.T, dir string) { must(t, os.Remove(stored(dir, domain, path))) }, itunesbackup.Failure, domain + "/" + path, "missing"},
		{"content is a folder", both, func(t *testing.T, dir string) {
			name := stored(dir, domain, path)
			must(t, os.Remove(name))
			must(t, os.Mkdir(name, 0o700))
		}, itunesbackup.Failure, "3d/3d0d7e5fb2ce288813306e4d4636395e047a3d28", "no regular file"},
		{"a stray file", both, func(t *testing.T, dir string) {
			id := itunesbackup.MakeFileID("HomeDomain", "stray")
			must(t, os.MkdirAll(filepath.Join(dir, id.Shard()), 0o700))
			must(t, os.WriteFile(filepath.Join(dir, filepath.FromSlash(id.Path())), nil, 0o600))
		}, itunesbackup.Warning, itunesbackup.MakeFileID("HomeDomain", "stray").Path(), "no row"},
		{"a file in the wrong folder", both, func(t *testing.T, dir string) {
			name := stored(dir, domain, path)
			must(t, os.MkdirAll(filepath.Join(dir, "fe"), 0o700))
			must(t, os.Rename(name, filepath.Join(dir, "fe", filepath.Base(name))))
		}, itunesbackup.Warning, "fe/3d0d7e5fb2ce288813306e4d4636395e047a3d28", "wrong folder"},
		{"something else", both, func(t *testing.T, dir string) {
			must(t, os.WriteFile(filepath.Join(dir, "3d", "desktop.ini"), nil, 0o600))
		}, itunesbackup.Note, "3d/desktop.ini", "no part"},
		{"a run that did not end", both, func(t *testing.T, dir string) { must(t, os.Mkdir(filepath.Join(dir, "Snapshot"), 0o700)) }, itunesbackup.Warning, "Snapshot", "did not end"},
		{"Status.plist missing", both, func(t *testing.T, dir string) { remove(t, dir, itunesbackup.StatusName) }, itunesbackup.Failure, itunesbackup.StatusName, ""},
		{"Status.plist broken", both, func(t *testing.T, dir string) { write(t, dir, itunesbackup.StatusName, "x") }, itunesbackup.Failure, itunesbackup.StatusName, "malformed"},
		{"not finished", both, func(t *testing.T, dir string) {
			b, err := itunesbackup.StatusPlist{Version: "3.3", SnapshotState: itunesbackup.SnapshotMoving}.Marshal()
			must(t, err)
			write(t, dir, itunesbackup.StatusName, string(b))
		}, itunesbackup.Failure, itunesbackup.StatusName, "not finished"},
		{"Info.plist missing", both, func(t *testing.T, dir string) { remove(t, dir, itunesbackup.InfoName) }, itunesbackup.Warning, itunesbackup.InfoName, "missing"},
		{"Info.plist broken", both, func(t *testing.T, dir string) { write(t, dir, itunesbackup.InfoName, "<plist>") }, itunesbackup.Warning, itunesbackup.InfoName, "malformed"},
		{"a parent without row", plainOnly, edit(func(m *itunesbackup.Manifest, t *testing.T) error {
			return m.Delete(t.Context(), []itunesbackup.FileID{itunesbackup.MakeFileID(domain, "Library/SMS")})
		}), itunesbackup.Failure, domain + "/Library/SMS", "no row of its own"},
		{"an ID of another name", plainOnly, edit(func(m *itunesbackup.Manifest, t *testing.T) error {
			return m.Put(t.Context(), []itunesbackup.Record{{ID: itunesbackup.FileID{1}, Domain: domain, RelativePath: "wrong", Flags: itunesbackup.FlagDirectory,
				File: itunesbackup.MBFile{Mode: 0o40755, Inode: 1}}})
		}), itunesbackup.Failure, domain + "/wrong", "not that of the name"},
		{"an ID of another non-ASCII name", plainOnly, edit(func(m *itunesbackup.Manifest, t *testing.T) error {
			return m.Put(t.Context(), []itunesbackup.Record{{ID: itunesbackup.FileID{1}, Domain: domain, RelativePath: "fal\u017fch", Flags: itunesbackup.FlagDirectory,
				File: itunesbackup.MBFile{Mode: 0o40755, Inode: 1}}})
		}), itunesbackup.Note, domain + "/fal\u017fch", "Unicode"},
		{"flags of an unfinished run", plainOnly, edit(func(m *itunesbackup.Manifest, t *testing.T) error {
			return m.Put(t.Context(), []itunesbackup.Record{{Domain: domain, RelativePath: "Library/Empty", Flags: itunesbackup.FlagDirectory | 32, File: itunesbackup.MBFile{Mode: 0o40755, Inode: 1}}})
		}), itunesbackup.Warning, domain + "/Library/Empty", "unfinished"},
		{"a key in a plain backup", plainOnly, edit(func(m *itunesbackup.Manifest, t *testing.T) error {
			return m.Put(t.Context(), []itunesbackup.Record{{Domain: domain, RelativePath: path, Flags: itunesbackup.FlagFile, File: itunesbackup.MBFile{Mode: 0o100644, Inode: 1, EncryptionKey: make([]byte, 44)}}})
		}), itunesbackup.Failure, domain + "/" + path, "encryption key"},
		{"no inode", plainOnly, edit(func(m *itunesbackup.Manifest, t *testing.T) error {
			return m.Put(t.Context(), []itunesbackup.Record{{Domain: domain, RelativePath: "Library/Empty", Flags: itunesbackup.FlagDirectory, File: itunesbackup.MBFile{Mode: 0o40755}}})
		}), itunesbackup.Warning, domain + "/Library/Empty", "inode"},
	} {
		for kind, spec := range specs() {
			if tt.which != both && tt.which != kind {
				continue
			}
			t.Run(tt.name+"/"+kind, func(t *testing.T) {
				dir := itunesbackuptest.Build(t, spec)
				tt.harm(t, dir)
				report := verify(t, dir, spec.Password, everything)
				found := false
				for _, p := range report.Problems {
					found = found || p.Severity == tt.severity && p.Path == tt.path && strings.Contains(p.What, tt.what)
				}
				if !found || report.OK() != (report.Failures == 0) {
					t.Errorf("no %v %q at %s in %v", tt.severity, tt.what, tt.path, report.Problems)
				}
				if tt.severity == itunesbackup.Failure && report.OK() {
					t.Error("the report says OK")
				}
			})
		}
	}
}

// edit changes the index of an unencrypted backup.
func edit(change func(*itunesbackup.Manifest, *testing.T) error) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		t.Helper()
		m, err := itunesbackup.EditManifest(t.Context(), filepath.Join(dir, itunesbackup.ManifestName))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(change(m, t), m.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestVerify_endsWithContext(t *testing.T) {
	b := open(t, itunesbackuptest.Build(t, itunesbackuptest.Plain()), secret.BackupPassword{})
	ctx, cancel := context.WithCancel(t.Context())
	opts := everything
	opts.Workers = 1
	opts.Progress = func(itunesbackup.VerifyProgress) { cancel() }
	if _, err := b.Verify(ctx, opts); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// The digest in the index is that of the stored bytes.
func TestWriter_digests(t *testing.T) {
	for name, spec := range specs() {
		dir := itunesbackuptest.Build(t, spec)
		b := open(t, dir, spec.Password)
		r, ok, err := b.Find(t.Context(), "HomeDomain", "Library/empty.txt")
		if !ok || err != nil {
			t.Fatal(ok, err)
		}
		raw, err := os.ReadFile(stored(dir, r.Domain, r.RelativePath))
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha1.Sum(raw); string(sum[:]) != string(r.File.Digest) {
			t.Errorf("%s: digest %x of %x", name, r.File.Digest, raw)
		}
		if want := map[string]int{"plain": 0, "encrypted": 16}[name]; len(raw) != want {
			t.Errorf("%s: an empty file takes %d bytes, want %d", name, len(raw), want)
		}
	}
}
