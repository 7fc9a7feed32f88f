package backupagent

import (
	"bytes"
	"crypto/sha1"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/keybag"
)

// openBackup decrypts the host's manifest and gives its rows.
func openBackup(t *testing.T, h *testHost, password string) (itunesbackup.ManifestPlist, *keybag.Keybag, map[string]itunesbackup.Record) {
	t.Helper()
	props, err := itunesbackup.ParseManifestPlist(h.files[testUDID+"/Manifest.plist"])
	if err != nil {
		t.Fatal(err)
	}
	bag, err := keybag.Parse(props.BackupKeyBag)
	if err != nil {
		t.Fatal(err)
	}
	if err := bag.Unlock(t.Context(), secret.NewBackupPassword(password)); err != nil {
		t.Fatal(err)
	}
	db := h.files[testUDID+"/Manifest.db"]
	if props.IsEncrypted {
		key, err := manifestKey(props, bag)
		if err != nil {
			t.Fatal(err)
		}
		if db, err = io.ReadAll(keybag.DecryptReader(key, bytes.NewReader(db))); err != nil {
			t.Fatal(err)
		}
	}
	at := filepath.Join(t.TempDir(), "Manifest.db")
	if err := os.WriteFile(at, db, 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := itunesbackup.OpenManifest(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	rows := map[string]itunesbackup.Record{}
	for r, err := range m.Records(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		rows[r.Key()] = r
	}
	return props, bag, rows
}

// Every row of an encrypted backup decrypts to the phone's own bytes; digests
// stand in system domains only and cover what is stored.
func TestEncryptedContents(t *testing.T) {
	p, h := newPhone(t), newHost(t)
	p.password = secret.NewBackupPassword("pässword-1")
	p.fill()
	wantSuccess(t, backupOnce(t, h, p))
	props, bag, rows := openBackup(t, h, "pässword-1")
	if !props.IsEncrypted || !props.WasPasscodeSet || props.Version != "10.0" || len(props.ManifestKey) != 44 ||
		props.LockdownText("UniqueDeviceID") != testUDID || props.LockdownText("DeviceClass") != "" || props.Applications["com.example.app"] == nil {
		t.Errorf("properties: %+v", props)
	}
	if dpic, _ := bag.Rounds(); dpic != 10 {
		t.Errorf("keybag of %d rounds", dpic)
	}
	files := 0
	for name, r := range rows {
		if !r.Flags.Finished() || r.File.Inode == 0 {
			t.Errorf("%s: flags %d, inode %d", name, r.Flags, r.File.Inode)
		}
		data, stored := h.files[testUDID+"/"+r.ID.Path()]
		if r.Kind() != itunesbackup.FlagFile {
			if stored || r.File.EncryptionKey != nil || r.File.Digest != nil || r.File.ProtectionClass != 0 || r.File.Size != 0 {
				t.Errorf("%s: %+v", name, r.File)
			}
			continue
		}
		files++
		wrapped, err := keybag.ParseWrappedKey(r.File.EncryptionKey)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if wrapped.Class() != r.File.ProtectionClass || r.File.ProtectionClass != keybag.Class(p.rules.ProtectionClass(r.Domain, r.RelativePath)) {
			t.Errorf("%s: key of %v, file of %v", name, wrapped.Class(), r.File.ProtectionClass)
		}
		key, err := bag.Unwrap(wrapped)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		plain, err := io.ReadAll(keybag.DecryptReader(key, bytes.NewReader(data)))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if want, err := os.ReadFile(p.at(name)); err != nil || !bytes.Equal(plain, want) {
			t.Errorf("%s: decrypts to something else, %v", name, err)
		}
		sum := sha1.Sum(data)
		if p.rules.HasDigest(r.Domain) != (r.File.Digest != nil) || r.File.Digest != nil && !bytes.Equal(r.File.Digest, sum[:]) {
			t.Errorf("%s: digest %x", name, r.File.Digest)
		}
	}
	if files != len(p.stored()) {
		t.Errorf("%d files of %d", files, len(p.stored()))
	}
	for _, want := range []string{"HomeDomain", "HomeDomain/Library", "HomeDomain/Library/SMS", "AppDomain-com.example.app/Documents/link", "AppDomain-com.example.app/Documents/empty folder", "HealthDomain/Health/healthdb.sqlite"} {
		if _, ok := rows[want]; !ok {
			t.Errorf("no row for %s", want)
		}
	}
	if r := rows["AppDomain-com.example.app/Documents/link"]; r.Flags != itunesbackup.FlagSymlink || r.File.Target != "note.txt" {
		t.Errorf("link: %+v", r)
	}
}

// An incremental backup keeps the keybag and the keys of what did not change; a
// changed password makes a new bag and a full backup.
func TestKeysBetweenBackups(t *testing.T) {
	p, h := newPhone(t), newHost(t)
	p.password = secret.NewBackupPassword("one")
	p.fill()
	wantSuccess(t, backupOnce(t, h, p))
	first, _, before := openBackup(t, h, "one")

	p.write("HomeDomain/Library/SMS/sms.db", []byte("changed"))
	wantSuccess(t, backupOnce(t, h, p))
	if diff := cmp.Diff([]string{"HomeDomain/Library/SMS/sms.db"}, h.sent(p)); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
	second, _, after := openBackup(t, h, "one")
	if !bytes.Equal(first.BackupKeyBag, second.BackupKeyBag) || !bytes.Equal(first.ManifestKey, second.ManifestKey) {
		t.Error("incremental backup with other keys")
	}
	for name, r := range before {
		same := bytes.Equal(r.File.EncryptionKey, after[name].File.EncryptionKey)
		if changed := name == "HomeDomain/Library/SMS/sms.db"; same == changed {
			t.Errorf("%s: same key %t", name, same)
		}
	}

	for _, password := range []string{"two", "", "three"} {
		p.password = secret.NewBackupPassword(password)
		wantSuccess(t, backupOnce(t, h, p))
		if got, want := len(h.sent(p)), len(p.stored()); got != want {
			t.Errorf("password %q: sent %d of %d files", password, got, want)
		}
		props, _, _ := openBackup(t, h, password)
		if props.IsEncrypted != (password != "") || (props.ManifestKey != nil) != props.IsEncrypted || bytes.Equal(props.BackupKeyBag, second.BackupKeyBag) {
			t.Errorf("password %q: properties %+v", password, props)
		}
		if diff := cmp.Diff(p.stored(), h.stored()); diff != "" {
			t.Errorf("password %q: host folder (-want +got):\n%s", password, diff)
		}
		second = props
	}
	wantRestored(t, h, p)
}

// An unencrypted backup has a keybag too, and leaves out what Apple does.
func TestUnencryptedContents(t *testing.T) {
	p, h := newPhone(t), newHost(t)
	p.fill()
	wantSuccess(t, backupOnce(t, h, p))
	props, bag, rows := openBackup(t, h, "")
	if props.IsEncrypted || props.ManifestKey != nil || !bag.Unlocked() {
		t.Errorf("properties: %+v", props)
	}
	if _, ok := rows["HealthDomain/Health/healthdb.sqlite"]; ok {
		t.Error("health data in an unencrypted backup")
	}
	r := rows["HomeDomain/Library/SMS/sms.db"]
	data := h.files[testUDID+"/"+r.ID.Path()]
	if sum := sha1.Sum(data); r.File.EncryptionKey != nil || !bytes.Equal(r.File.Digest, sum[:]) || string(data) != "not really a database" {
		t.Errorf("sms.db: %+v", r.File)
	}
	if r := rows["HomeDomain/Library/Preferences/empty.plist"]; r.Kind() != itunesbackup.FlagFile || len(h.files[testUDID+"/"+r.ID.Path()]) != 0 {
		t.Errorf("empty file: %+v", r)
	}
}
