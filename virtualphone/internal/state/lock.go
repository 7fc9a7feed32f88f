package state

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

const lockFile = "lock"

// ErrInUse says that another process owns the folder.
var ErrInUse = errors.New("in use by another process")

// FolderLock is ownership of a folder, until Release or the end of the process.
type FolderLock struct{ f *os.File }

// Acquire takes dir, which is created if need be. It does not wait: the error
// wraps ErrInUse when somebody else has it.
func Acquire(dir string) (*FolderLock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	if err := lockHandle(f); err != nil {
		return nil, fmt.Errorf("lock %s: %w", dir, errors.Join(err, f.Close()))
	}
	return &FolderLock{f}, nil
}

// Release gives the folder back. The lock file stays: removing it would let two
// processes own two files of the same name.
func (l *FolderLock) Release() error { return l.f.Close() }
