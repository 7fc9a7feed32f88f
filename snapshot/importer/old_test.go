package importer_test

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/itunesbackup/itunesbackuptest"
	"github.com/keepsake-backup/keepsake/keybag"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/snapshot"
	"github.com/keepsake-backup/keepsake/snapshot/export"
	"github.com/keepsake-backup/keepsake/snapshot/importer"
)

const oldUDID = "0123456789abcdef0123456789abcdef01234567"

// oldFolder makes a backup as iOS 4 to 9 did: Manifest.mbdb in clear, contents
// flat (backup-format.md 1.2).
func oldFolder(t *testing.T, password secret.BackupPassword) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), oldUDID)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	encrypted := !password.IsZero()
	bag, err := keybag.New(t.Context(), keybag.Options{Encrypted: encrypted, Password: password, Rounds: 2, Iterations: 2})
	if err != nil {
		t.Fatal(err)
	}
	index := []byte("mbdb\x05\x00")
	for _, path := range []string{"", "Library", "Library/SMS"} {
		index = appendOldRow(index, path, itunesbackup.MBFile{Mode: 0o40755, Inode: 1}, "")
	}
	index = appendOldRow(index, "Library/Link", itunesbackup.MBFile{Mode: 0o120755, Inode: 2, Target: "SMS"}, "SMS")
	for path, text := range map[string]string{"Library/SMS/sms.db": "messages", "Library/empty": ""} {
		content := []byte(text)
		f := itunesbackup.MBFile{Mode: 0o100644, Inode: 3, UserID: 501, GroupID: 501, LastModified: 1_400_000_000, Size: int64(len(text)), ProtectionClass: keybag.ClassNone}
		if encrypted {
			key, err := keybag.RandomKey(nil)
			if err != nil {
				t.Fatal(err)
			}
			wrapped, err := bag.Wrap(keybag.ClassNone, key)
			if err != nil {
				t.Fatal(err)
			}
			f.EncryptionKey = wrapped.Bytes()
			if content, err = io.ReadAll(keybag.EncryptReader(key, bytes.NewReader(content))); err != nil {
				t.Fatal(err)
			}
		}
		sum := sha1.Sum(content)
		f.Digest = sum[:]
		index = appendOldRow(index, path, f, "")
		write(t, dir, itunesbackup.MakeFileID("HomeDomain", path).String(), content)
	}
	write(t, dir, "Manifest.mbdb", index)
	date := time.Date(2014, 5, 6, 7, 8, 9, 0, time.UTC)
	manifest, err := itunesbackup.ManifestPlist{Version: "9.1", Date: date, IsEncrypted: encrypted, BackupKeyBag: bag.Marshal(),
		Lockdown: map[string]any{"UniqueDeviceID": oldUDID, "ProductVersion": "7.1", "DeviceName": "Old Phone"}}.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, itunesbackup.ManifestListName, manifest)
	status, err := itunesbackup.StatusPlist{Version: "2.4", UUID: "A", Date: date, BackupState: itunesbackup.BackupNew, SnapshotState: itunesbackup.SnapshotFinished}.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, itunesbackup.StatusName, status)
	return dir
}

func write(t *testing.T, dir, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func appendOldRow(b []byte, path string, f itunesbackup.MBFile, target string) []byte {
	str := func(v []byte) {
		if v == nil {
			b = append(b, 0xFF, 0xFF)
			return
		}
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(v))), v...)
	}
	str([]byte("HomeDomain"))
	str([]byte(path))
	if target == "" {
		str(nil)
	} else {
		str([]byte(target))
	}
	str(f.Digest)
	str(f.EncryptionKey)
	b = binary.BigEndian.AppendUint16(b, uint16(f.Mode))
	b = binary.BigEndian.AppendUint64(b, uint64(f.Inode))
	for _, v := range []int64{int64(f.UserID), int64(f.GroupID), f.LastModified, f.LastStatusChange, f.Birth} {
		b = binary.BigEndian.AppendUint32(b, uint32(v))
	}
	b = binary.BigEndian.AppendUint64(b, uint64(f.Size))
	return append(b, byte(f.ProtectionClass), 0)
}

// A backup of iOS 4 to 9 is imported, can be looked into, and comes out as it was;
// sealed, it can be unsealed later.
func TestFolder_mbdb(t *testing.T) {
	password := secret.NewBackupPassword("old")
	for _, tc := range []struct {
		name      string
		on, given secret.BackupPassword
	}{{"plain", noPassword, noPassword}, {"encrypted", password, password}, {"sealed", password, noPassword}} {
		t.Run(tc.name, func(t *testing.T) {
			folder := oldFolder(t, tc.on)
			r := inMemory(t)
			one := importInto(t, r, folder, tc.given).Backups[0]
			if !one.Old || one.Sealed != (!tc.on.IsZero() && tc.given.IsZero()) || one.Files != 2 || one.Snapshot.IOS != "7.1" {
				t.Fatalf("%+v", one)
			}
			if again := importInto(t, r, folder, tc.given).Backups[0]; !again.Known {
				t.Error("imported twice")
			}
			sameFolder(t, folder, exportOf(t, r, "latest", export.Options{Verify: true}))
			if one.Sealed {
				unseal(t, r, one.Snapshot.ID.String(), password)
				sameFolder(t, folder, exportOf(t, r, "latest", export.Options{Verify: true}))
			}
			s := begin(t, r, repository.Shared)
			fsys := openSnapshot(t, s, "latest").FS(t.Context())
			if got, err := fs.ReadFile(fsys, "HomeDomain/Library/SMS/sms.db"); err != nil || string(got) != "messages" {
				t.Errorf("%q, %v", got, err)
			}
			if !tc.on.IsZero() {
				plain := exportOf(t, r, "latest", export.Options{Form: export.Decrypted, Verify: true})
				if _, err := os.Stat(filepath.Join(plain, itunesbackup.ManifestName)); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// unseal unseals and forgets the sealed one.
func unseal(t *testing.T, r *repository.Repository, id string, password secret.BackupPassword) *importer.Imported {
	t.Helper()
	s := begin(t, r, repository.Shared)
	p := openSnapshot(t, s, id)
	one, err := importer.Unseal(t.Context(), s, p, password, &silent{})
	if err != nil {
		t.Fatal(err)
	}
	sealed := p.Info()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	switch sn := one.Snapshot; {
	case sn.Sealed, !sn.Time.Equal(sealed.Time), sn.Original == nil || *sn.Original != sealed.ID, sn.UDID != sealed.UDID, sn.Name != sealed.Name:
		t.Errorf("%+v", one.Snapshot)
	}
	s = begin(t, r, repository.Exclusive)
	defer s.Close()
	if err := s.Forget(t.Context(), []formatID{sealed.ID}); err != nil {
		t.Fatal(err)
	}
	return one
}

func TestUnseal(t *testing.T) {
	folder := itunesbackuptest.Build(t, itunesbackuptest.Encrypted())
	r := inMemory(t)
	one := importInto(t, r, folder, noPassword).Backups[0]
	s := begin(t, r, repository.Shared)
	_, err := importer.Unseal(t.Context(), s, openSnapshot(t, s, "latest"), secret.NewBackupPassword("wrong"), &silent{})
	if !errors.Is(err, keybag.ErrWrongPassword) {
		t.Errorf("wrong password: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	unseal(t, r, one.Snapshot.ID.String(), itunesbackuptest.Password)
	if _, err := r.Prune(t.Context(), repository.PruneOptions{}); err != nil {
		t.Fatal(err)
	}
	sameFolder(t, folder, exportOf(t, r, "latest", export.Options{Verify: true}))
	s = begin(t, r, repository.Shared)
	p := openSnapshot(t, s, "latest")
	if _, err := importer.Unseal(t.Context(), s, p, itunesbackuptest.Password, &silent{}); !errors.Is(err, importer.ErrNotSealed) {
		t.Errorf("not sealed: %v", err)
	}
	if list, err := snapshot.List(t.Context(), s); err != nil || len(list) != 1 {
		t.Errorf("%d snapshots, %v", len(list), err)
	}
}
