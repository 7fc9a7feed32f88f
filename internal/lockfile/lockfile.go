// Package lockfile keeps two processes from working on the same folder: the lock
// is the system's, and ends with the process however that ends.
package lockfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// HeldError says that another process has the lock.
type HeldError struct{ PID int } // 0 when unknown

func (e *HeldError) Error() string {
	if e.PID == 0 {
		return "in use by another process"
	}
	return fmt.Sprintf("in use by process %d", e.PID)
}

var errHeld = errors.New("held")

// Lock is a lock that this process holds.
type Lock struct{ f *os.File }

// Acquire takes the lock of that name in root, without waiting. The file stays
// when the lock is released. Held by another it is a *HeldError.
func Acquire(root *os.Root, name string) (*Lock, error) {
	f, err := root.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lock(f); err != nil {
		held := &HeldError{PID: readPID(f)}
		f.Close()
		if errors.Is(err, errHeld) {
			return nil, held
		}
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	// The number is for people only: whether it can be written changes nothing.
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt(fmt.Appendln(nil, os.Getpid()), 0)
	}
	return &Lock{f}, nil
}

func readPID(f *os.File) int {
	b := make([]byte, 20)
	n, err := f.ReadAt(b, 0)
	if err != nil && err != io.EOF {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b[:n])))
	if err != nil {
		return 0
	}
	return pid
}

// Release gives the lock back.
func (l *Lock) Release() error { return l.f.Close() }
