package backupagent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/keybag"
	"github.com/keepsake-backup/keepsake/mobilebackup2"
)

// base is what a backup on the host holds, as its manifest says: the only thing
// a run compares the phone with (protocol.md 4.16).
type base struct {
	path    string // the manifest in clear, a copy of our own; "" when there is none
	rows    map[itunesbackup.FileID]baseRow
	domains []string
	index   map[string]uint16 // of domains
}

// baseRow is kept small: there may be a million.
type baseRow struct {
	mtime   int64 // Unix seconds
	domain  uint16
	kind    uint8 // itunesbackup.Flags
	seen    bool  // the scan found it on the phone
	present bool  // the host lists its file
}

func newBase() *base {
	return &base{rows: map[itunesbackup.FileID]baseRow{}, index: map[string]uint16{}}
}

func (m *base) domain(name string) (uint16, error) {
	if i, ok := m.index[name]; ok {
		return i, nil
	}
	if len(m.domains) > 1<<16-1 {
		return 0, fmt.Errorf("more than %d domains", 1<<16)
	}
	i := uint16(len(m.domains))
	m.domains = append(m.domains, strings.Clone(name))
	m.index[m.domains[i]] = i
	return i, nil
}

// load reads the manifest at m.path, after the check that phones do when they
// open one (backup-format.md 1.4).
func (m *base) load(ctx context.Context) error {
	manifest, err := itunesbackup.OpenManifest(ctx, m.path)
	if err != nil {
		return err
	}
	if err = manifest.QuickCheck(ctx); err == nil {
		err = m.read(ctx, manifest)
	}
	return errors.Join(err, manifest.Close())
}

func (m *base) read(ctx context.Context, manifest *itunesbackup.Manifest) error {
	for r, err := range manifest.Records(ctx) {
		if errors.Is(err, itunesbackup.ErrPlaceholder) {
			continue
		}
		if err != nil {
			return err
		}
		d, err := m.domain(r.Domain)
		if err != nil {
			return err
		}
		m.rows[r.ID] = baseRow{mtime: r.File.LastModified, domain: d, kind: uint8(r.Kind())}
	}
	return nil
}

func (m *base) close() error {
	if m.path == "" {
		return nil
	}
	if err := os.Remove(m.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// readExisting takes over the backup that the host has (steps 4 and 5), or
// decides that a full one is due: encryption was switched on or off, the
// password has changed, the format is an old one.
func (b *backup) readExisting(ctx context.Context) error {
	b.base = newBase()
	if b.full {
		return nil
	}
	var err error
	if b.props, err = b.readProperties(ctx, b.at("Manifest.plist"), 0); err != nil {
		return err
	}
	if v, err := parseVersion(b.props.Version); err != nil || v < 10 || b.props.IsEncrypted != b.encrypted {
		b.full = true
		return nil
	}
	switch b.bag, err = openBag(ctx, b.props, b.phone.BackupPassword()); {
	case errors.Is(err, keybag.ErrWrongPassword): // 207 inside the phone
		b.full = true
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return readFailed("Error reading backup properties", malformed(err))
	}
	path, err := b.fetchManifest(ctx, b.at("Manifest.db"), b.props, b.bag)
	if err != nil {
		return err
	}
	b.base.path = path
	if err := b.base.load(ctx); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return readFailed("Error reading manifest", malformed(err))
	}
	return nil
}

// openBag unlocks the keybag of a backup; that of an unencrypted one has the
// empty password.
func openBag(ctx context.Context, props itunesbackup.ManifestPlist, password secret.BackupPassword) (*keybag.Keybag, error) {
	bag, err := keybag.Parse(props.BackupKeyBag)
	if err != nil {
		return nil, err
	}
	if !props.IsEncrypted {
		return bag, nil
	}
	return bag, bag.Unlock(ctx, password)
}

// fetchManifest downloads a Manifest.db into the work folder, in clear, and
// gives its path.
func (a *agent) fetchManifest(ctx context.Context, name string, props itunesbackup.ManifestPlist, bag *keybag.Keybag) (string, error) {
	const text = "Error reading manifest"
	stored, clear := a.own("work", "Manifest.stored"), a.own("work", "Manifest.db")
	failed, err := a.link.download(ctx, []string{name}, 0, func(string) (fileSink, error) { return createSink(stored) })
	if err != nil {
		return "", err
	}
	if e := failed[name]; e != nil {
		return "", readFailed(text, e.mb())
	}
	if !props.IsEncrypted {
		return clear, os.Rename(stored, clear)
	}
	key, err := manifestKey(props, bag)
	if err != nil {
		return "", readFailed(text, malformed(err))
	}
	if err := decryptFile(clear, stored, key); err != nil {
		return "", readFailed(text, malformed(err))
	}
	return clear, os.Remove(stored)
}

func manifestKey(props itunesbackup.ManifestPlist, bag *keybag.Keybag) (keybag.Key, error) {
	wrapped, err := keybag.ParseWrappedKey(props.ManifestKey)
	if err != nil {
		return keybag.Key{}, err
	}
	return bag.Unwrap(wrapped)
}

func decryptFile(to, from string, key keybag.Key) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(out, keybag.DecryptReader(key, in), make([]byte, 256<<10))
	return errors.Join(err, out.Close())
}

// checkFiles lists the backup and tells whether every file of the manifest is
// there. unknown are files that the manifest does not have.
func (b *backup) checkFiles(ctx context.Context, progress float64) (complete bool, unknown []itunesbackup.FileID, err error) {
	top, err := b.list(ctx, b.folder, progress)
	if err != nil {
		return false, nil, err
	}
	for id, row := range b.base.rows {
		if row.present {
			row.present = false
			b.base.rows[id] = row
		}
	}
	found := 0
	for _, shard := range shards() {
		if !top[shard].folder {
			continue
		}
		names, err := b.list(ctx, b.at(shard), progress)
		if err != nil {
			return false, nil, err
		}
		for name, entry := range names {
			id, err := itunesbackup.ParseFileID(name)
			if err != nil || id.Shard() != shard || !entry.regular {
				continue
			}
			if row, ok := b.base.rows[id]; ok && itunesbackup.Flags(row.kind) == itunesbackup.FlagFile {
				row.present = true
				b.base.rows[id] = row
				found++
			} else {
				unknown = append(unknown, id)
			}
		}
	}
	return found == b.base.files(), unknown, nil
}

// files counts the rows that have a file.
func (m *base) files() int {
	n := 0
	for _, row := range m.rows {
		if itunesbackup.Flags(row.kind) == itunesbackup.FlagFile {
			n++
		}
	}
	return n
}

// parseVersion reads versions such as "3.3" and "10.0".
func parseVersion(s string) (float64, error) {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, &Error{Code: mobilebackup2.CodeMalformed, Text: fmt.Sprintf("Version %.20q is no number", s)}
	}
	return v, nil
}
