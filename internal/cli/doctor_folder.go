package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/mobilebackup2/dirstore"
)

// lowSpace is the room below which a backup folder is pointed out, in bytes:
// few phones fit in less.
const lowSpace = 20e9

// freeSpace is the room in a folder, in bytes.
func freeSpace(ctx context.Context, folder string) (n int64, err error) {
	store, err := dirstore.Open(folder, dirstore.Options{})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return store.FreeSpace(ctx)
}

// examineFolder looks at the disk of the backups. It leaves nothing behind.
func examineFolder(ctx context.Context, folder string, tell teller) {
	existing := folder
	if _, err := os.Stat(folder); errors.Is(err, fs.ErrNotExist) {
		existing = filepath.Dir(folder)
	}
	f, err := os.CreateTemp(existing, ".keepsake-doctor-*")
	if err != nil {
		tell("folder", stateMissing, "cannot write: "+err.Error(), "is the disk connected, and does the folder belong to you?")
		return
	}
	defer os.Remove(f.Name())
	defer f.Close()
	free, err := freeSpace(ctx, existing)
	switch {
	case err != nil:
		tell("folder", stateNote, fmt.Sprintf("%s can be written to; how much room there is could not be found out: %v", folder, err), "")
	case free < lowSpace:
		tell("folder", stateNote, fmt.Sprintf("%s has only %s free", folder, progress.Size(free)), "a backup needs about as much room as is used on the iPhone, without apps and music")
	default:
		tell("folder", stateOK, fmt.Sprintf("%s can be written to and has %s free", folder, progress.Size(free)), "")
	}
}
