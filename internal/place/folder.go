package place

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/repository/backend/location"
)

const connectDisk = "connect or mount the disk, or make the folder above it first"

// MakeFolder makes dir if only dir itself is missing. A missing parent is more
// likely a disk that is not there than a wish.
func MakeFolder(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrExist) {
		info, err := os.Stat(dir)
		if err == nil && !info.IsDir() {
			err = &device.HintError{Err: fmt.Errorf("open folder %s: it is a file", dir), Remedy: "choose a folder"}
		}
		return err
	}
	if errors.Is(err, fs.ErrNotExist) {
		return &device.HintError{Err: fmt.Errorf("make folder %s: the folder above it is not there", dir), Remedy: connectDisk}
	}
	if err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	return nil
}

// FolderAbove wants the folder above a place to be there. A missing one is more
// likely a disk that is not there than a wish. doing says what it is wanted for.
func FolderAbove(at location.Location, doing string) error {
	if at.Kind != location.Local {
		return nil
	}
	abs, err := filepath.Abs(at.Path)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	if _, err := os.Stat(filepath.Dir(abs)); errors.Is(err, fs.ErrNotExist) {
		return &device.HintError{Err: fmt.Errorf("%s %s: the folder above it is not there", doing, abs), Remedy: connectDisk}
	}
	return nil
}

// IsBackup tells whether dir looks like an iTunes folder.
func IsBackup(dir string) bool {
	for _, name := range []string{"Manifest.plist", "Status.plist", "Manifest.db", "Info.plist"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && info.Mode().IsRegular() {
			return true
		}
	}
	return false
}
