package itunesbackup

import (
	"bytes"
	"fmt"
	"io"
	"testing"
	"testing/fstest"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/keybag"
)

// A backup of the mbdb generation: contents flat, index in clear even when the
// files are encrypted.
func TestBackup_mbdb(t *testing.T) {
	for _, encrypted := range []bool{false, true} {
		t.Run(fmt.Sprintf("encrypted %t", encrypted), func(t *testing.T) {
			fsys, password := mbdbBackup(t, encrypted)
			b, err := OpenFS(t.Context(), fsys)
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			if n, err := b.Count(t.Context()); n != 4 || err != nil {
				t.Errorf("count %d, %v", n, err)
			}
			locked, err := b.Verify(t.Context(), VerifyOptions{Digests: true, Decrypt: true})
			if err != nil || !locked.OK() || locked.Unlocked == encrypted || (locked.Statement != "") != encrypted {
				t.Errorf("before the password: %+v, %v", locked, err)
			}
			if err := b.Unlock(t.Context(), password); err != nil {
				t.Fatal(err)
			}
			f, err := b.Open(t.Context(), "HomeDomain", "Library/SMS/sms.db")
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if got, err := io.ReadAll(f); err != nil || string(got) != "messages" {
				t.Errorf("content %q, %v", got, err)
			}
			report, err := b.Verify(t.Context(), VerifyOptions{Digests: true, Decrypt: true})
			if err != nil || !report.OK() || report.Files != 1 {
				t.Errorf("%+v, %v", report, err)
			}
			fsys["0000000000000000000000000000000000000001"] = &fstest.MapFile{}
			if report, err = b.Verify(t.Context(), VerifyOptions{}); err != nil || report.Warnings == 0 {
				t.Errorf("a stray file: %+v, %v", report, err)
			}
		})
	}
}

func mbdbBackup(t *testing.T, encrypted bool) (fstest.MapFS, secret.BackupPassword) {
	t.Helper()
	password := secret.NewBackupPassword("old")
	bag, err := keybag.New(t.Context(), keybag.Options{Encrypted: encrypted, Password: password, Rounds: 2, Iterations: 2})
	if err != nil {
		t.Fatal(err)
	}
	content := []byte("messages")
	file := regular()
	if encrypted {
		key, err := keybag.RandomKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		wrapped, err := bag.Wrap(keybag.ClassCompleteUntilFirstAuth, key)
		if err != nil {
			t.Fatal(err)
		}
		file.EncryptionKey = wrapped.Bytes()
		if content, err = io.ReadAll(keybag.EncryptReader(key, bytes.NewReader(content))); err != nil {
			t.Fatal(err)
		}
	}
	index := []byte(mbdbMagic)
	for _, path := range []string{"", "Library", "Library/SMS"} {
		index = appendMBDB(index, Record{Domain: "HomeDomain", RelativePath: path, File: MBFile{Mode: 0o40755, Inode: 1}}, nil)
	}
	index = appendMBDB(index, Record{Domain: "HomeDomain", RelativePath: file.RelativePath, File: file}, nil)
	manifest, err := ManifestPlist{Version: "9.1", IsEncrypted: encrypted, BackupKeyBag: bag.Marshal()}.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	status, err := StatusPlist{Version: "2.4", BackupState: BackupNew, SnapshotState: SnapshotFinished}.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return fstest.MapFS{
		ManifestListName: {Data: manifest}, StatusName: {Data: status}, oldIndexName: {Data: index},
		MakeFileID("HomeDomain", file.RelativePath).String(): {Data: content},
	}, password
}
