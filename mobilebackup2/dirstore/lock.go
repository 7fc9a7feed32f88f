package dirstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/internal/plist"
	"github.com/keepsake-backup/keepsake/mobilebackup2"
)

// LockedError says that another process works on the backup.
type LockedError struct {
	UDID string
	PID  int // 0 when unknown
}

func (e *LockedError) Error() string {
	if e.PID == 0 {
		return "the backup of " + e.UDID + " is in use by another process"
	}
	return fmt.Sprintf("the backup of %s is in use by process %d", e.UDID, e.PID)
}

// Hint says to wait.
func (e *LockedError) Hint() string {
	return "Wait until the other backup or restore of this phone has ended."
}

// folderLock is the lock file of one backup. The lock itself is the system's
// and ends with the process; the contents tell the next one how this run ended.
type folderLock struct {
	f      *os.File
	name   string
	udid   string
	shared bool
	marker
}

// marker is the contents of the lock file, in JSON.
type marker struct {
	PID  int    `json:"pid"`
	Boot string `json:"boot,omitempty"`
	// Running is true until the run ends by itself.
	Running bool `json:"running"`
	// Unsynced is since when there are files that a power failure would damage.
	Unsynced time.Time `json:"unsynced,omitzero"`
}

const (
	maxMarker = 4 << 10
	// markerLen is the length of every note: one is written over the other at
	// once, so that a kill leaves the old or the new, and a full disk the old.
	markerLen = 512
)

// Lock takes the backup of udid for this process alone, until Close. A lock
// held elsewhere is a LockedError. When the last run was cut off in the middle
// of its transfer, the files in Snapshot that may be incomplete are removed
// first; dropped says how many, and the phone sends them again.
//
// Shared locks are for reading: they exclude writers only, remove nothing, and
// are no lock at all on a disk that cannot be written.
func (s *Store) Lock(udid string, shared bool) (dropped int, err error) {
	if err := check(udid); err != nil || strings.Contains(udid, "/") {
		return 0, fmt.Errorf("lock backup: no UDID: %q", udid)
	}
	if s.lock != nil {
		return 0, fmt.Errorf("lock backup of %s: this store holds %s", udid, s.lock.name)
	}
	l := &folderLock{name: tempPrefix + udid + ".lock", udid: udid, shared: shared}
	switch err := l.acquire(s.root); {
	case shared && (errors.Is(err, fs.ErrPermission) || isReadOnly(err)):
		return 0, nil
	case errors.Is(err, errHeld):
		return 0, &LockedError{UDID: udid, PID: l.PID}
	case err != nil:
		return 0, fmt.Errorf("lock backup of %s: %w", udid, err)
	}
	s.lock = l
	if shared {
		return 0, nil
	}
	last := l.marker
	if last.Running || !last.Unsynced.IsZero() {
		if dropped, err = s.recover(udid, last); err != nil {
			l.Running = false // in memory only: the file stays as it is
			return dropped, errors.Join(fmt.Errorf("clean up after interrupted backup of %s: %w", udid, err), s.unlock())
		}
	}
	l.marker = marker{PID: os.Getpid(), Boot: bootID(), Running: true, Unsynced: last.Unsynced}
	if last.Boot != l.Boot {
		l.Unsynced = time.Time{} // what was in doubt is gone
	}
	if !l.Unsynced.IsZero() {
		err = s.adopt(udid)
	}
	if err != nil {
		return dropped, errors.Join(fmt.Errorf("lock backup of %s: %w", udid, err), s.unlock())
	}
	if err = l.write(); err == nil {
		err = s.resumeKeeping(udid)
	}
	if err != nil {
		return dropped, errors.Join(fmt.Errorf("lock backup of %s: %w", udid, err), s.unlock())
	}
	return dropped, nil
}

var errHeld = errors.New("held by another process")

// acquire opens and locks the file. Another process may remove it between the
// two; then the lock is one on nothing, and it tries again.
func (l *folderLock) acquire(root *os.Root) error {
	for range 100 {
		f, err := root.OpenFile(l.name, os.O_RDWR|os.O_CREATE, filePerm)
		if err != nil {
			return cause(err)
		}
		if err = lockFile(f, l.shared); err == nil {
			var held, named fs.FileInfo
			if held, err = f.Stat(); err == nil {
				if named, err = root.Stat(l.name); err == nil && os.SameFile(held, named) {
					l.f = f
					return l.read()
				}
			}
			if err == nil || errors.Is(err, fs.ErrNotExist) {
				f.Close()
				continue
			}
		} else {
			l.f = f
			_ = l.read() // only for the number of the process
			l.f = nil
		}
		f.Close()
		return err
	}
	return fmt.Errorf("%s is replaced again and again", l.name)
}

func (l *folderLock) read() error {
	data, err := io.ReadAll(io.LimitReader(io.NewSectionReader(l.f, 0, maxMarker), maxMarker))
	if err != nil {
		return cause(err)
	}
	if err := json.Unmarshal(data, &l.marker); err != nil && len(data) > 0 {
		// Torn by a power failure: assume the worst.
		l.marker = marker{Running: true, Unsynced: time.Unix(0, 0)}
	}
	return nil
}

func (l *folderLock) write() error {
	data, err := json.Marshal(l.marker)
	if err != nil {
		return err
	}
	data = append(data, bytes.Repeat([]byte{' '}, max(0, markerLen-1-len(data)))...)
	if _, err := l.f.WriteAt(append(data, '\n'), 0); err != nil {
		return cause(err)
	}
	return nil
}

// mark notes, durably and before the fact, that file contents are going to be
// written without being synced.
func (s *Store) mark() error {
	if s.lock == nil || s.lock.shared || s.unsaved || !s.lock.Unsynced.IsZero() {
		return nil
	}
	s.lock.Unsynced = time.Now()
	err := s.lock.write()
	if err == nil {
		err = cause(s.lock.f.Sync())
	}
	if err == nil {
		err = s.top.sync() // the name of the lock file
	}
	if err != nil {
		s.lock.Unsynced = time.Time{} // not noted: the next file tries again
	}
	return err
}

// settled notes that nothing is in doubt any more.
func (s *Store) settled() error {
	if s.lock == nil || s.lock.shared || s.lock.Unsynced.IsZero() {
		return nil
	}
	s.lock.Unsynced = time.Time{}
	return s.lock.write()
}

// unlock ends the lock. The file stays while it has something to tell.
func (s *Store) unlock() error {
	l := s.lock
	if l == nil {
		return nil
	}
	s.lock = nil
	var err error
	switch {
	case l.shared:
		// The file was made for this lock if it is empty; the last reader removes it.
		if l.marker == (marker{}) && lockFile(l.f, false) == nil {
			err = removeLocked(s.root, l)
		}
	case !l.Running: // recovery failed: the next run tries again
	case l.Unsynced.IsZero() || !s.exists(l.udid):
		err = removeLocked(s.root, l)
	default:
		l.Running = false
		err = l.write()
	}
	return errors.Join(err, l.f.Close())
}

func (s *Store) exists(p string) bool {
	_, err := s.root.Lstat(p)
	return err == nil
}

// slack covers clocks and file systems that round times.
const slack = 2 * time.Second

// recover removes what an interrupted run may have left incomplete. It touches
// Snapshot only, and only in the state "uploading": later, what is there is
// durable and the only copy.
func (s *Store) recover(udid string, last marker) (dropped int, err error) {
	if err := s.removeTemps(udid); err != nil {
		return 0, err
	}
	state, err := s.snapshotState(udid)
	if err != nil || state != "" && state != uploading {
		return 0, err
	}
	files, newest, err := s.staged(udid + "/Snapshot")
	if err != nil {
		return 0, err
	}
	// After a kill only the file being written is short: the newest. After a
	// new start of the machine all that was not synced is in doubt.
	doubtful := newest.Add(-slack)
	if !last.Running {
		doubtful = newest.Add(slack)
	}
	if boot := bootID(); boot == "" || boot != last.Boot {
		if since := last.Unsynced.Add(-slack); !last.Unsynced.IsZero() && since.Before(doubtful) {
			doubtful = since
		}
	}
	for _, f := range files {
		if f.ModTime.Before(doubtful) {
			continue
		}
		if err := s.Remove(context.Background(), f.Name); err != nil {
			return dropped, fmt.Errorf("remove %s: %w", f.Name, err)
		}
		dropped++
	}
	return dropped, nil
}

// staged lists the files below p with their whole paths, and the newest time.
func (s *Store) staged(p string) (files []mobilebackup2.Entry, newest time.Time, err error) {
	list, err := s.ReadDir(context.Background(), p)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, newest, nil
	}
	if err != nil {
		return nil, newest, fmt.Errorf("list %s: %w", p, err)
	}
	for _, e := range list {
		e.Name = p + "/" + e.Name
		if !e.Dir {
			files = append(files, e)
			if e.ModTime.After(newest) {
				newest = e.ModTime
			}
			continue
		}
		below, t, err := s.staged(e.Name)
		if err != nil {
			return nil, newest, err
		}
		files = append(files, below...)
		if t.After(newest) {
			newest = t
		}
	}
	return files, newest, nil
}

// adopt takes over what the last run has written and not made durable.
func (s *Store) adopt(udid string) error {
	s.unsaved = true
	if flushesAll {
		return nil
	}
	files, _, err := s.staged(udid + "/Snapshot")
	if err != nil {
		return err
	}
	for _, f := range files {
		dir, name := split(f.Name)
		s.entry(dir).noteUnsynced(name)
	}
	return nil
}

func (s *Store) removeTemps(udid string) error {
	for _, p := range []string{udid, udid + "/Snapshot"} {
		f, err := s.root.Open(p)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return cause(err)
		}
		names, err := f.Readdirnames(-1)
		f.Close()
		if err != nil {
			return cause(err)
		}
		for _, name := range names {
			if strings.HasPrefix(name, tempPrefix) {
				if err := s.root.Remove(p + "/" + name); err != nil {
					return cause(err)
				}
			}
		}
	}
	return nil
}

const (
	statusName = "Status.plist"
	maxStatus  = 64 << 10 // it has 190 bytes
	uploading  = "uploading"
)

// snapshotState is what Status.plist says, "" when there is none.
func (s *Store) snapshotState(udid string) (string, error) {
	data, err := s.status(udid)
	if err != nil || data == nil {
		return "", err
	}
	return stateIn(data), nil
}

// stateIn reads SnapshotState. What cannot be read is no state at all, and
// everything stays as it is.
func stateIn(data []byte) string {
	var status struct {
		SnapshotState string `plist:"SnapshotState"`
	}
	if err := plist.Unmarshal(data, &status); err != nil {
		return "unreadable"
	}
	return status.SnapshotState
}
