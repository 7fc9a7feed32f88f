package cli

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/keepsake-backup/keepsake/internal/place"
	"github.com/keepsake-backup/keepsake/itunesbackup"
)

// maxPlist bounds the property lists read here, in bytes. Info.plist holds
// icons of all apps; the largest seen are some tens of megabytes.
const maxPlist = 256 << 20

// stored is one iTunes backup in a folder: what its property lists say.
type stored struct {
	path string // the folder that holds Manifest.plist
	name string // of the folder: the UDID
	info itunesbackup.InfoPlist
}

// title names the backup for people.
func (s stored) title() string {
	if s.info.DeviceName == "" {
		return s.name
	}
	return s.info.DeviceName
}

// findBackups looks for backups in dir, which is one itself or holds one
// folder for each phone.
func findBackups(dir string) ([]stored, error) {
	if place.IsBackup(dir) {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return nil, err
		}
		return []stored{openStored(abs)}, nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, &hintError{err: fmt.Errorf("look for backups: %w", err), hint: "is the disk connected, and the folder's name right?"}
	}
	var found []stored
	for _, e := range entries {
		if path := filepath.Join(dir, e.Name()); place.IsBackup(path) {
			found = append(found, openStored(path))
		}
	}
	if len(found) == 0 {
		return nil, &hintError{err: fmt.Errorf("look for backups in %s: there is none", dir),
			hint: "give the folder that \"keepsake backup --folder\" was given, or one named by a UDID with Manifest.plist in it"}
	}
	slices.SortFunc(found, func(a, b stored) int { return cmp.Compare(a.name, b.name) })
	return found, nil
}

// openStored reads what Info.plist says. A backup without a readable one is still a
// backup; check says what is wrong with it.
func openStored(path string) stored {
	s := stored{path: path, name: filepath.Base(path)}
	if data, err := readBounded(filepath.Join(path, "Info.plist")); err == nil {
		if info, err := itunesbackup.ParseInfoPlist(data); err == nil {
			s.info = info
		}
	}
	return s
}

// encrypted reads from Manifest.plist whether the backup needs a password.
func (s stored) encrypted() (bool, error) {
	data, err := readBounded(filepath.Join(s.path, "Manifest.plist"))
	var manifest itunesbackup.ManifestPlist
	if err == nil {
		manifest, err = itunesbackup.ParseManifestPlist(data)
	}
	if err != nil {
		return false, &hintError{err: fmt.Errorf("open backup %s: %w", s.name, err),
			hint: "this folder is no complete backup: finish it by backing the phone up once more, or restore another version of it"}
	}
	return manifest.IsEncrypted, nil
}

// choose picks one of the backups: the one that wanted names (a UDID, the
// beginning of one, or a name), else that of the phone udid, else the only one.
func choose(found []stored, wanted, udid string) (stored, error) {
	var fits []stored
	for _, s := range found {
		if wanted == "" && s.name == udid {
			return s, nil
		}
		if wanted == "" || strings.HasPrefix(strings.ToLower(s.name), strings.ToLower(wanted)) || strings.EqualFold(s.info.DeviceName, wanted) {
			fits = append(fits, s)
		}
	}
	var names []string
	for _, s := range found {
		names = append(names, fmt.Sprintf("%s (%s)", s.name, s.title()))
	}
	hint := "say which with --source: " + strings.Join(names, ", ")
	switch len(fits) {
	case 1:
		return fits[0], nil
	case 0:
		return stored{}, &hintError{err: fmt.Errorf("choose backup: none is called %q", wanted), hint: hint}
	default:
		return stored{}, &hintError{err: fmt.Errorf("choose backup: %d are possible", len(fits)), hint: hint}
	}
}

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxPlist+1))
	if err == nil && len(data) > maxPlist {
		err = fmt.Errorf("read %s: larger than %d bytes", path, maxPlist)
	}
	return data, err
}
