package backupagent

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/keybag"
)

// rowsPerPut is how many rows go into one transaction of the manifest.
const rowsPerPut = 5000

// sentSums are the SHA-256 of the files that the phone downloads again at the
// end, by name.
type sentSums map[string][sha256.Size]byte

func (s *sentSums) note(name string, data []byte) {
	if *s == nil {
		*s = sentSums{}
	}
	(*s)[name] = sha256.Sum256(data)
}

// uploadManifest is step 10: it makes the new manifest, sends it, and lets the
// host know that all files have arrived.
func (b *backup) uploadManifest(ctx context.Context) error {
	f, due := b.due("manifest", 1)
	if due && f.Action != "nomanifest" {
		if err := b.act(ctx, f); err != nil {
			return err
		}
	}
	path, err := b.makeManifest(ctx)
	if err != nil {
		return fmt.Errorf("make manifest: %w", err)
	}
	b.base.path = path
	if !due || f.Action != "nomanifest" {
		if err := b.sendManifest(ctx, path); err != nil {
			return err
		}
	}
	return b.saveStatus(ctx, itunesbackup.SnapshotMoving, progressManifest)
}

// makeManifest writes the rows of this run over those of the existing backup.
// The rows of the base, which verification compares with, follow.
func (b *backup) makeManifest(ctx context.Context) (path string, err error) {
	var m *itunesbackup.Manifest
	path = b.base.path
	if path != "" {
		m, err = itunesbackup.EditManifest(ctx, path)
	} else {
		path = b.own("work", "Manifest.db")
		m, err = itunesbackup.CreateManifest(ctx, path)
	}
	if err != nil {
		return "", err
	}
	if err := errors.Join(b.putRows(ctx, m), m.Close()); err != nil {
		return "", err
	}
	return path, nil
}

func (b *backup) putRows(ctx context.Context, m *itunesbackup.Manifest) error {
	if len(b.changes.gone) > 0 {
		if err := m.Delete(ctx, b.changes.gone); err != nil {
			return err
		}
		for _, id := range b.changes.gone {
			delete(b.base.rows, id)
		}
	}
	records := make([]itunesbackup.Record, 0, min(rowsPerPut, len(b.changes.entries)))
	put := func() error {
		err := m.Put(ctx, records)
		records = records[:0]
		return err
	}
	// In the order of the primary key, which is random for SQLite otherwise.
	entries := slices.SortedFunc(slices.Values(b.changes.entries), func(x, y *entry) int { return bytes.Compare(x.id[:], y.id[:]) })
	for _, e := range entries {
		if e.failed {
			continue
		}
		d, err := b.base.domain(e.domain)
		if err != nil {
			return err
		}
		b.base.rows[e.id] = baseRow{mtime: e.seconds(), domain: d, kind: uint8(e.kind)}
		if records = append(records, b.record(e)); len(records) == rowsPerPut {
			if err := put(); err != nil {
				return err
			}
		}
	}
	return put()
}

// record is the row of an entry. Owners are those of a phone: nothing on this
// computer has them. The inode number comes from the ID, so that it is the
// row's own and the same every time.
func (b *backup) record(e *entry) itunesbackup.Record {
	f := itunesbackup.MBFile{
		Target:           e.target,
		Mode:             e.mode,
		Inode:            int64(binary.BigEndian.Uint64(e.id[:8])>>16) | 1,
		UserID:           501,
		GroupID:          501,
		LastModified:     e.seconds(),
		LastStatusChange: e.seconds(),
		Birth:            e.seconds(),
		Size:             e.size,
	}
	if e.kind == itunesbackup.FlagFile {
		f.ProtectionClass = b.protectionClass(e)
		if e.stored.hasKey {
			f.EncryptionKey = e.stored.key[:]
		}
		if e.stored.hasDigest {
			f.Digest = e.stored.digest[:]
		}
	}
	return itunesbackup.Record{ID: e.id, Domain: e.domain, RelativePath: e.rel, Flags: e.kind, File: f}
}

// sendManifest uploads both manifests into Snapshot; that of an encrypted backup
// is encrypted as a whole with a key of its own.
func (b *backup) sendManifest(ctx context.Context, path string) error {
	props, key, err := b.properties()
	if err != nil {
		return err
	}
	data, err := props.Marshal()
	if err != nil {
		return err
	}
	b.sent.note("Manifest.plist", data)
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	var body io.Reader = f
	size := info.Size()
	if b.encrypted {
		body, size = keybag.EncryptReader(key, f), keybag.EncryptedSize(size)
	}
	sum := sha256.New()
	body = io.TeeReader(body, sum)
	err = b.link.sendFiles(ctx, progressUpload, "Error uploading manifest",
		small("/.b/7/Manifest.plist", b.at("Snapshot", "Manifest.plist"), data),
		outgoing{"/.b/7/Manifest.db", b.at("Snapshot", "Manifest.db"), size, body})
	b.sent["Manifest.db"] = [sha256.Size]byte(sum.Sum(nil))
	return err
}

// properties makes Manifest.plist, and the key of an encrypted Manifest.db. An
// incremental run keeps the key of the existing one.
func (b *backup) properties() (itunesbackup.ManifestPlist, keybag.Key, error) {
	id := b.phone.Identity()
	p := itunesbackup.ManifestPlist{
		Version:              itunesbackup.ManifestVersion,
		SystemDomainsVersion: systemDomainsVersion(id.ProductVersion),
		Date:                 b.start,
		IsEncrypted:          b.encrypted,
		BackupKeyBag:         b.bag.Marshal(),
		WasPasscodeSet:       b.policy.PasscodeSet,
		Lockdown: map[string]any{
			"BuildVersion":   id.BuildVersion,
			"DeviceName":     id.DeviceName,
			"ProductType":    id.ProductType,
			"ProductVersion": id.ProductVersion,
			"SerialNumber":   id.SerialNumber,
			"UniqueDeviceID": id.UDID,
		},
	}
	// Seen in backups of 2026 only; a backup that has it overrides an option of
	// the restore (protocol.md 4.2).
	if major(id.ProductVersion) >= 26 {
		p.Lockdown["DeviceClass"] = id.DeviceClass
	}
	var err error
	if p.Applications, err = b.applications(); err != nil {
		return p, keybag.Key{}, err
	}
	if !b.encrypted {
		return p, keybag.Key{}, nil
	}
	if !b.full {
		p.ManifestKey = b.props.ManifestKey
		key, err := manifestKey(p, b.bag)
		return p, key, err
	}
	key, err := keybag.RandomKey(nil)
	if err != nil {
		return p, key, err
	}
	wrapped, err := b.bag.Wrap(keybag.ClassNone, key)
	p.ManifestKey = wrapped.Bytes()
	return p, key, err
}

// applications is the dictionary of that name: apps, their extensions and groups.
func (b *backup) applications() (map[string]any, error) {
	apps, err := b.rules.Apps(b.dir)
	if err != nil {
		return nil, fmt.Errorf("list apps: %w", err)
	}
	dict := map[string]any{}
	for _, app := range apps {
		dict[app.BundleID] = map[string]any{
			"CFBundleIdentifier":    app.BundleID,
			"CFBundleVersion":       app.Version,
			"ContainerContentClass": "Data/Application",
			"Path":                  app.Path,
		}
		for _, id := range app.Plugins {
			dict[id] = map[string]any{
				"CFBundleIdentifier":    id,
				"CFBundleVersion":       app.Version,
				"ContainerContentClass": "Data/PluginKitPlugin",
				"Path":                  app.Path + "/PlugIns/" + id + ".appex",
			}
		}
		for _, id := range app.Groups {
			dict[id] = map[string]any{"CFBundleIdentifier": id, "ContainerContentClass": "Shared/AppGroup"}
		}
	}
	return dict, nil
}

// systemDomainsVersion by the version of iOS (backup-format.md 2.1).
func systemDomainsVersion(ios string) string {
	switch v := major(ios); {
	case v >= 26:
		return "24.0"
	case v == 14:
		return "17.0"
	case v == 15:
		return "19.0"
	}
	return "20.0"
}

// major is the first number of a version, 0 when there is none.
func major(version string) int {
	first, _, _ := strings.Cut(version, ".")
	n, err := strconv.Atoi(first)
	if err != nil {
		return 0
	}
	return n
}
