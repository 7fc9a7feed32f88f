package restore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/mobilebackup2"
	"github.com/keepsake-backup/keepsake/mobilebackup2/dirstore"
)

// FromFolder restores the backup dir/<Source> onto dev; dir may also be the
// backup's own folder. All else is as [FromFS] says.
func FromFolder(ctx context.Context, dev Phone, dir string, opt Options, rep progress.Reporter) (*Report, error) {
	report, err := fromFolder(ctx, dev, dir, opt, rep)
	if err != nil {
		return report, fmt.Errorf("restore %s: %w", dev.Name(), err)
	}
	return report, nil
}

func fromFolder(ctx context.Context, dev Phone, dir string, opt Options, rep progress.Reporter) (_ *Report, err error) {
	rep.Phase("preflight", "Looking at the backup and the iPhone")
	folder, err := find(dir, opt.Source, dev.UDID().String())
	if err != nil {
		return nil, err
	}
	parent, name := filepath.Split(folder)
	disk, err := dirstore.Open(filepath.Clean(parent), dirstore.Options{})
	if err != nil {
		return nil, &mobilebackup2.HostError{Op: "open", Path: parent, Err: err}
	}
	defer func() { err = errors.Join(err, disk.Close()) }()
	// A copy beside the backup is written by the phone's command.
	var busy *dirstore.LockedError
	switch _, err := disk.Lock(name, !opt.CopyFirst); {
	case errors.As(err, &busy):
		return nil, err
	case err != nil:
		return nil, &mobilebackup2.HostError{Op: "use", Path: parent, Err: err}
	}
	fsys, previous, err := dirstore.Previous(folder)
	if err != nil {
		return nil, fmt.Errorf("open backup: %w", err)
	}
	defer func() { err = errors.Join(err, fsys.Close()) }()
	return run(ctx, dev, origin{fsys: fsys, name: name, folder: folder, previous: previous, disk: &copier{Store: disk, folder: name}}, opt, rep)
}

// NoBackupError says that there is no backup where one was looked for.
type NoBackupError struct {
	Dir, Source string
	Found       []string // names of the backups that are there
}

func (e *NoBackupError) Error() string {
	switch {
	case e.Source != "":
		return fmt.Sprintf("no backup %s in %s", e.Source, e.Dir)
	case len(e.Found) > 1:
		return fmt.Sprintf("%d backups in %s, none of them of this phone", len(e.Found), e.Dir)
	}
	return "no backup in " + e.Dir
}

// Hint lists what is there.
func (e *NoBackupError) Hint() string {
	if len(e.Found) == 0 {
		return "Name the folder that contains the backup's own folder, which is named like the phone's UDID and holds Manifest.plist."
	}
	text := "Say which one:"
	for _, name := range e.Found {
		text += " " + name
	}
	return text
}

// find gives the whole path of the backup's folder.
func find(dir, source, target string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find backup: %w", err)
	}
	if isBackup(abs) && (source == "" || source == filepath.Base(abs)) {
		return abs, nil
	}
	if source != "" {
		if filepath.Base(source) != source || source == "." || source == ".." || !isBackup(filepath.Join(abs, source)) {
			return "", &NoBackupError{Dir: dir, Source: source}
		}
		return filepath.Join(abs, source), nil
	}
	if isBackup(filepath.Join(abs, target)) {
		return filepath.Join(abs, target), nil
	}
	entries, err := os.ReadDir(abs)
	if err != nil {
		return "", fmt.Errorf("find backup: %w", err)
	}
	var found []string
	for _, e := range entries {
		if isBackup(filepath.Join(abs, e.Name())) {
			found = append(found, e.Name())
		}
	}
	if len(found) != 1 {
		return "", &NoBackupError{Dir: dir, Found: found}
	}
	return filepath.Join(abs, found[0]), nil
}

func isBackup(folder string) bool {
	info, err := os.Stat(filepath.Join(folder, "Manifest.plist"))
	return err == nil && info.Mode().IsRegular()
}
