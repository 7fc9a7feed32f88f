package importer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/mobilebackup2/dirstore"
	"github.com/keepsake-backup/keepsake/usbmux"
)

const (
	oldIndexName = "Manifest.mbdb"
	walName      = itunesbackup.ManifestName + "-wal"

	// maxDepth is how deep below the folder given backups are looked for:
	// DIR/2024-05-01/Backup/<UDID>.
	maxDepth = 3
	// maxFolders bounds a search that somebody started at the wrong place.
	maxFolders = 20_000
	// maxList bounds property lists; the largest Info.plist seen has 9.5 MB.
	maxList = 256 << 20
	// maxOldIndex bounds a Manifest.mbdb, which is read whole.
	maxOldIndex = 1 << 30
)

// Found is one backup in a folder, as its property lists describe it.
type Found struct {
	Path      string // absolute
	UDID      string // of the phone; "" when nothing names it
	Name      string // of the phone; "" when unknown
	IOS       string // "18.6"; "" when unknown
	Date      time.Time
	Encrypted bool
	// Old: the index is a Manifest.mbdb, as up to iOS 9.
	Old bool
	// Previous: the last run into the folder was cut off while it changed the
	// backup before. That one was kept and is meant.
	Previous bool
	// Err is why the folder cannot be imported; nil is none that can be seen from
	// its lists. It is an *UnfinishedError or *DamagedError.
	Err error
}

// Title names the backup for people.
func (f Found) Title() string {
	if f.Name == "" {
		return cmp.Or(f.UDID, filepath.Base(f.Path))
	}
	return f.Name
}

// Find looks for backups in dir: it is one itself, or they lie up to three
// folders below, such as <UDID>, <UDID>-YYYYMMDD-HHMMSS (what Finder calls
// archived) or copies in dated folders. They come by phone, the oldest first. None is an error that
// wraps fs.ErrNotExist. Links are not followed.
func Find(ctx context.Context, dir string) ([]Found, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("look for backups: %w", err)
	}
	s := finder{ctx: ctx}
	if err := s.look(abs, 0); err != nil {
		return nil, fmt.Errorf("look for backups: %w", err)
	}
	if len(s.found) == 0 {
		return nil, &noBackupError{abs}
	}
	slices.SortStableFunc(s.found, func(a, b Found) int {
		return cmp.Or(cmp.Compare(a.UDID, b.UDID), a.Date.Compare(b.Date), cmp.Compare(a.Path, b.Path))
	})
	return s.found, nil
}

type finder struct {
	ctx     context.Context
	found   []Found
	folders int
}

func (s *finder) look(dir string, depth int) error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	if s.folders++; s.folders > maxFolders {
		return fmt.Errorf("more than %d folders: give a folder nearer to the backups", maxFolders)
	}
	if isBackup(dir) {
		f, err := describe(dir)
		if err != nil {
			return err
		}
		s.found = append(s.found, f)
		return nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		if depth > 0 && errors.Is(err, fs.ErrPermission) {
			return nil // somebody else's, beside the backups
		}
		return err
	}
	if depth == maxDepth {
		return nil
	}
	for _, e := range entries {
		if !e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if err := s.look(filepath.Join(dir, e.Name()), depth+1); err != nil {
			return err
		}
	}
	return nil
}

// isBackup: Info.plist alone is no sign, since every app has one.
func isBackup(dir string) bool {
	for _, name := range []string{itunesbackup.ManifestListName, itunesbackup.StatusName, itunesbackup.ManifestName, oldIndexName} {
		if info, err := os.Lstat(filepath.Join(dir, name)); err == nil && info.Mode().IsRegular() {
			return true
		}
	}
	return false
}

// describe reads the lists of the folder. Only a folder that cannot be looked at
// is an error; what is wrong with the backup is told in Err.
func describe(dir string) (f Found, err error) {
	f.Path = dir
	fsys, previous, err := dirstore.Previous(dir)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, fsys.Close()) }()
	f.Previous = previous
	f.read(fsys)
	return f, nil
}

// read fills in what the lists in fsys say.
func (f *Found) read(fsys fs.FS) {
	var manifest itunesbackup.ManifestPlist
	raw, err := readList(fsys, itunesbackup.ManifestListName)
	if err == nil {
		manifest, err = itunesbackup.ParseManifestPlist(raw)
	}
	if err != nil {
		f.Err = &DamagedError{f.Path, []string{err.Error()}}
	}
	f.Encrypted = manifest.IsEncrypted
	var info itunesbackup.InfoPlist // made by hosts of all kinds: a bad one harms nothing
	if raw, err := readList(fsys, itunesbackup.InfoName); err == nil {
		info, _ = itunesbackup.ParseInfoPlist(raw)
	}
	status := f.readStatus(fsys)
	if _, err := fs.Stat(fsys, oldIndexName); err == nil {
		_, err = fs.Stat(fsys, itunesbackup.ManifestName)
		f.Old = errors.Is(err, fs.ErrNotExist)
	}
	f.Name = cmp.Or(manifest.LockdownText("DeviceName"), info.DeviceName, info.DisplayName)
	f.IOS = cmp.Or(manifest.LockdownText("ProductVersion"), info.ProductVersion)
	f.UDID = firstUDID(manifest.LockdownText("UniqueDeviceID"), info.TargetIdentifier, info.UniqueIdentifier, folderUDID(f.Path))
	for _, t := range []time.Time{status.Date, manifest.Date, info.LastBackupDate} {
		if f.Date.IsZero() {
			f.Date = t
		}
	}
	if f.Err == nil && f.UDID == "" {
		f.Err = &DamagedError{f.Path, []string{"nothing names the phone: neither Manifest.plist nor Info.plist, nor the folder's name"}}
	}
}

// readStatus reads Status.plist, which says whether the backup is finished.
func (f *Found) readStatus(fsys fs.FS) itunesbackup.StatusPlist {
	raw, err := readList(fsys, itunesbackup.StatusName)
	var status itunesbackup.StatusPlist
	if err == nil {
		status, err = itunesbackup.ParseStatusPlist(raw)
	}
	switch {
	case f.Err != nil:
	case errors.Is(err, fs.ErrNotExist):
		f.Err = &UnfinishedError{Path: f.Path}
	case err != nil:
		f.Err = &DamagedError{f.Path, []string{fmt.Sprintf("%s: %v", itunesbackup.StatusName, err)}}
	case status.SnapshotState != itunesbackup.SnapshotFinished:
		f.Err = &UnfinishedError{f.Path, status.SnapshotState}
	}
	return status
}

func firstUDID(candidates ...string) string {
	for _, c := range candidates {
		if udid, err := usbmux.ParseUDID(c); err == nil {
			return udid.String()
		}
	}
	return ""
}

// folderUDID takes the UDID from the name of a folder, which may have the date
// of an archived backup or more behind it.
func folderUDID(path string) string {
	name := filepath.Base(path)
	for _, n := range []int{40, 25} {
		if len(name) == n || len(name) > n && strings.ContainsRune("-_ .", rune(name[n])) {
			if udid := firstUDID(name[:n]); udid != "" {
				return udid
			}
		}
	}
	return ""
}

// readList reads a property list of bounded size.
func readList(fsys fs.FS, name string) ([]byte, error) {
	return readBounded(fsys, name, maxList)
}

func readBounded(fsys fs.FS, name string, limit int64) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	err = errors.Join(err, f.Close())
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("larger than %d bytes", limit)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return data, nil
}
