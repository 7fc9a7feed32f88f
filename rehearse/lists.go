package rehearse

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/keybag"
	"github.com/keepsake-backup/keepsake/rehearse/receipt"
	"github.com/keepsake-backup/keepsake/snapshot"
)

// maxList bounds Info.plist, the largest list, which is some 10 MB.
const maxList = 64 << 20

// backup is what is restored: an iTunes folder, and what opens it.
type backup struct {
	fsys     fs.FS
	password secret.BackupPassword
	ios      string // of the backup
	class    string // "iPhone", "iPad"; "" when the backup does not say
}

// lists looks at what lies beside the files. It gives what can be restored; nil
// when there is no sense in trying.
func (r *rehearsal) lists(ctx context.Context, meta *snapshot.Meta) (*backup, error) {
	folder, err := r.p.Folder(ctx)
	if err != nil {
		return nil, r.blame("", err)
	}
	if _, err := folder.Stat("Manifest.mbdb"); err == nil {
		return nil, ErrTooOld
	}
	b := &backup{fsys: folder}
	data, err := r.readList(folder, itunesbackup.ManifestListName)
	if data == nil || err != nil {
		return nil, err
	}
	list, err := itunesbackup.ParseManifestPlist(data)
	if err != nil {
		r.fail(itunesbackup.ManifestListName, err.Error())
		return nil, nil
	}
	b.ios, b.class = list.LockdownText("ProductVersion"), list.LockdownText("DeviceClass")
	r.checkManifestList(list, meta)
	if err := r.checkInfo(folder, list); err != nil {
		return nil, err
	}
	if err := r.checkStatus(folder); err != nil {
		return nil, err
	}
	ok, err := r.openKeys(ctx, b, list, meta)
	if !ok || err != nil {
		return nil, err
	}
	return b, nil
}

// readList reads a list; nil when it is missing or damaged, which is noted.
func (r *rehearsal) readList(folder fs.FS, name string) ([]byte, error) {
	f, err := folder.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		r.fail(name, "is missing")
		return nil, nil
	}
	if err != nil {
		return nil, r.blame(name, err)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxList+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, r.blame(name, err)
	}
	if len(data) > maxList {
		r.fail(name, fmt.Sprintf("has more than %d bytes", maxList))
		return nil, nil
	}
	return data, nil
}

func (r *rehearsal) checkManifestList(list itunesbackup.ManifestPlist, meta *snapshot.Meta) {
	const name = itunesbackup.ManifestListName
	if v, err := strconv.ParseFloat(list.Version, 64); err != nil || v < 10 || v >= 11 {
		r.fail(name, fmt.Sprintf("has the version %q, which no phone takes", list.Version))
	}
	if list.IsEncrypted != meta.Encrypted {
		r.fail(name, fmt.Sprintf("says encrypted: %t, and keepsake.json %t", list.IsEncrypted, meta.Encrypted))
	}
	if udid := list.LockdownText("UniqueDeviceID"); udid != "" && !strings.EqualFold(udid, meta.UDID) {
		r.fail(name, fmt.Sprintf("is of the phone %s, and keepsake.json of %s", udid, meta.UDID))
	}
	if ios := list.LockdownText("ProductVersion"); ios != meta.ProductVersion && ios != "" {
		r.fail(name, fmt.Sprintf("is of iOS %s, and keepsake.json of %s", ios, meta.ProductVersion))
	}
}

// checkInfo: Info.plist tells hosts whose backup it is, and phones of which
// version.
func (r *rehearsal) checkInfo(folder fs.FS, list itunesbackup.ManifestPlist) error {
	const name = itunesbackup.InfoName
	data, err := r.readList(folder, name)
	if data == nil || err != nil {
		return err
	}
	info, err := itunesbackup.ParseInfoPlist(data)
	if err != nil {
		r.fail(name, err.Error())
		return nil
	}
	for _, udid := range []string{info.TargetIdentifier, info.UniqueIdentifier} {
		if udid != "" && !strings.EqualFold(udid, r.info.UDID) {
			r.fail(name, fmt.Sprintf("is of the phone %s, and not of %s", udid, r.info.UDID))
			break
		}
	}
	for _, x := range []struct{ what, here, there string }{
		{"iOS", info.ProductVersion, list.LockdownText("ProductVersion")}, {"the model", info.ProductType, list.LockdownText("ProductType")},
		{"the serial number", info.SerialNumber, list.LockdownText("SerialNumber")},
	} {
		if x.here != "" && x.there != "" && x.here != x.there {
			r.fail(name, fmt.Sprintf("names %s %q, and Manifest.plist %q", x.what, x.here, x.there))
		}
	}
	if info.ProductVersion == "" {
		r.fail(name, "does not name the version of iOS")
	}
	return nil
}

func (r *rehearsal) checkStatus(folder fs.FS) error {
	const name = itunesbackup.StatusName
	data, err := r.readList(folder, name)
	if data == nil || err != nil {
		return err
	}
	status, err := itunesbackup.ParseStatusPlist(data)
	switch {
	case err != nil:
		r.fail(name, err.Error())
	case status.SnapshotState != itunesbackup.SnapshotFinished:
		r.fail(name, fmt.Sprintf("the backup is not finished (%q)", status.SnapshotState))
	}
	return nil
}

// openKeys finds the password to restore with. ok is false when nothing opens the
// backup.
func (r *rehearsal) openKeys(ctx context.Context, b *backup, list itunesbackup.ManifestPlist, meta *snapshot.Meta) (ok bool, err error) {
	const name = itunesbackup.ManifestListName
	if !list.IsEncrypted {
		r.out.Password = receipt.NoPassword
		return true, nil
	}
	bag, err := keybag.Parse(list.BackupKeyBag)
	if err != nil {
		r.fail(name, err.Error())
		return false, nil
	}
	if r.opt.Password.IsZero() {
		r.out.Password = receipt.PasswordUnproven
		return r.makeUpPassword(ctx, b, list, meta)
	}
	switch err := bag.Unlock(ctx, r.opt.Password); {
	case errors.Is(err, keybag.ErrMalformed):
		r.fail(name, err.Error())
		return false, nil
	case err != nil: // a wrong password is not the snapshot's fault
		return false, err
	}
	r.out.Password = receipt.PasswordProven
	b.password = r.opt.Password
	if !meta.Sealed {
		r.compareKeys(bag, list, meta)
	}
	return true, nil
}

// compareKeys compares the keys that the password opens with those that the
// snapshot keeps.
func (r *rehearsal) compareKeys(bag *keybag.Keybag, list itunesbackup.ManifestPlist, meta *snapshot.Meta) {
	const list1, list2 = itunesbackup.ManifestListName, "keepsake.json"
	keys, err := bag.FileKeys()
	if err != nil {
		r.fail(list1, err.Error())
		return
	}
	for class, kept := range meta.Keys.Classes() {
		switch key, ok := keys[class]; {
		case !ok:
			r.fail(list1, fmt.Sprintf("its keybag has no key for the class %s", class))
		case !key.Equal(kept):
			r.fail(list2, fmt.Sprintf("keeps another key of the class %s than the keybag", class))
		}
	}
	for class := range keys {
		if _, ok := meta.Keys.Classes()[class]; !ok {
			r.fail(list2, fmt.Sprintf("lacks the key of the class %s", class))
		}
	}
	if list.ManifestKey == nil {
		return
	}
	wrapped, err := keybag.ParseWrappedKey(list.ManifestKey)
	if err != nil {
		r.fail(list1, fmt.Sprintf("key of Manifest.db: %v", err))
		return
	}
	switch key, err := bag.Unwrap(wrapped); {
	case err != nil:
		r.fail(list1, fmt.Sprintf("key of Manifest.db: %v", err))
	case !key.Equal(meta.Keys.Manifest()):
		r.fail(list2, "keeps another key of Manifest.db than Manifest.plist")
	}
}

// makeUpPassword lets the phone see the same folder under another password: the
// keys of the files stay, the keybag around them is new. Only Manifest.plist
// differs.
func (r *rehearsal) makeUpPassword(ctx context.Context, b *backup, list itunesbackup.ManifestPlist, meta *snapshot.Meta) (ok bool, err error) {
	var text [24]byte
	if _, err := rand.Read(text[:]); err != nil {
		return false, err
	}
	b.password = secret.NewBackupPassword(base64.RawStdEncoding.EncodeToString(text[:]))
	// Few rounds: nobody but this process ever sees the bag.
	bag, err := keybag.NewWithKeys(ctx, keybag.Options{Encrypted: true, Password: b.password, Rounds: 1, Iterations: 1}, meta.Keys.Classes())
	if err != nil {
		return false, r.blame("keepsake.json", err)
	}
	list.BackupKeyBag = bag.Marshal()
	data, err := list.Marshal()
	if err != nil {
		return false, err
	}
	b.fsys = replaced{b.fsys, itunesbackup.ManifestListName, data}
	return true, nil
}
