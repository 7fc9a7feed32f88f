package backup

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/backup/internal/journal"
	"github.com/keepsake-backup/keepsake/backup/internal/spool"
	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/internal/lockfile"
	"github.com/keepsake-backup/keepsake/mobilebackup2"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// Names in the folder of an unfinished run.
const (
	lockName    = "lock"
	journalName = "journal"
	journalNew  = "journal.new"
	fullName    = "full" // its presence asks for a full run
)

// sealPurpose is for Repository.Seal.
const sealPurpose = "keepsake unfinished backup"

// RunBusyError says that another process on this computer backs the phone up into
// the same repository.
type RunBusyError struct {
	UDID string
	Err  error
}

func (e *RunBusyError) Error() string { return "the backup of " + e.UDID + " is " + e.Err.Error() }
func (e *RunBusyError) Unwrap() error { return e.Err }

// Hint says to wait.
func (e *RunBusyError) Hint() string { return "Wait until the other backup of this phone has ended." }

// runFolder is <State>/<repository ID>/<UDID>, locked: what this station keeps of
// the unfinished backup of one phone.
type runFolder struct {
	repo  *repository.Repository
	udid  string
	path  string
	spool string // where new runs keep their segments
	opt   RepositoryOptions
	root  *os.Root
	lock  *lockfile.Lock
}

// runHead is the head of a journal, sealed by the repository.
type runHead struct {
	Version int        `json:"version"`
	UDID    string     `json:"udid"`
	Parent  *format.ID `json:"parent,omitempty"` // the snapshot that the phone was shown
	Created time.Time  `json:"created"`
	Spool   string     `json:"spool"` // folder of the segments
	Key     []byte     `json:"key"`   // 64 bytes: the journal's, the spool's
}

const headVersion = 1

// newRunFolder opens and locks the folder for udid; it is made when it is missing.
func newRunFolder(repo *repository.Repository, udid string, opt RepositoryOptions) (_ *runFolder, err error) {
	if opt.State == "" {
		return nil, errors.New("open state of the backup: no folder given")
	}
	if _, err := device.ParseUDID(udid); err != nil || !filepath.IsLocal(udid) || strings.ContainsAny(udid, `/\`) {
		return nil, fmt.Errorf("open state of the backup: %q is no UDID", udid)
	}
	f := &runFolder{repo: repo, udid: udid, opt: opt, path: filepath.Join(opt.State, repo.ID().String(), udid)}
	f.spool = f.path
	if opt.Spool != "" {
		f.spool = filepath.Join(opt.Spool, repo.ID().String(), udid)
	}
	if f.spool, err = filepath.Abs(f.spool); err != nil {
		return nil, hostError("use", f.spool, err)
	}
	if err := os.MkdirAll(f.path, 0o700); err != nil {
		return nil, hostError("create folder", f.path, err)
	}
	if f.root, err = os.OpenRoot(f.path); err != nil {
		return nil, hostError("open", f.path, err)
	}
	f.lock, err = lockfile.Acquire(f.root, lockName)
	var held *lockfile.HeldError
	if errors.As(err, &held) {
		err = &RunBusyError{udid, held}
	} else if err != nil {
		err = hostError("use", f.path, err)
	}
	if err != nil {
		f.root.Close()
		return nil, err
	}
	return f, nil
}

func hostError(op, path string, err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	return &mobilebackup2.HostError{Op: op, Path: path, Err: err}
}

// Close gives the lock back.
func (f *runFolder) Close() error { return errors.Join(f.lock.Release(), f.root.Close()) }

// head reads what run there is: nil if none, or none that this repository knows.
func (f *runFolder) head() (*runHead, error) {
	file, err := f.root.Open(journalName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, hostError("open", f.path, err)
	}
	defer file.Close()
	sealed, err := journal.ReadHead(file)
	if errors.Is(err, journal.ErrNoJournal) {
		return nil, nil
	}
	if err != nil {
		return nil, hostError("read", f.path, err)
	}
	plain, err := f.repo.Unseal(sealPurpose, sealed)
	if err != nil {
		return nil, nil // another repository's, or damaged
	}
	defer clear(plain)
	var h runHead
	if err := json.Unmarshal(plain, &h); err != nil || h.Version != headVersion || h.UDID != f.udid || len(h.Key) != journal.KeySize+spool.KeySize {
		return nil, nil // of a newer release, which begins again, too
	}
	return &h, nil
}

// begin makes a new run on top of parent, which is nil if there is none.
func (f *runFolder) begin(parent *format.ID) (*runHead, error) {
	h := &runHead{Version: headVersion, UDID: f.udid, Parent: parent, Created: time.Now().UTC(), Spool: f.spool, Key: make([]byte, journal.KeySize+spool.KeySize)}
	rand.Read(h.Key) // never fails
	if err := f.createJournal(h, nil); err != nil {
		return nil, hostError("write", f.path, err)
	}
	return h, nil
}

// createJournal puts a new journal with records in the place of any old one.
func (f *runFolder) createJournal(h *runHead, fill func(*journal.Journal) error) (err error) {
	plain, err := json.Marshal(h)
	if err != nil {
		return err
	}
	defer clear(plain)
	file, err := f.root.OpenFile(journalNew, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	j, err := journal.Create(file, f.repo.Seal(sealPurpose, plain), h.Key[:journal.KeySize], f.udid)
	if err != nil {
		return errors.Join(err, file.Close())
	}
	if fill != nil {
		err = fill(j)
	}
	if err = errors.Join(err, j.Sync(), j.Close()); err != nil {
		return err
	}
	if err := f.root.Rename(journalNew, journalName); err != nil {
		return err
	}
	return f.sync()
}

// sync makes the names in the folder durable.
func (f *runFolder) sync() error { return syncFolder(f.root) }

// discard forgets the run. The journal goes first: segments without one are
// nobody's.
func (f *runFolder) discard(h *runHead) error {
	if err := f.root.Remove(journalName); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return hostError("remove", f.path, err)
	}
	if err := f.sync(); err != nil {
		return hostError("remove", f.path, err)
	}
	if h == nil {
		return nil
	}
	root, err := os.OpenRoot(h.Spool)
	if err != nil {
		return nil // it is away, and so are the segments
	}
	defer root.Close()
	s, err := spool.Open(root, h.Key[journal.KeySize:], nil, spool.Options{}) // sweeps
	if err != nil {
		return hostError("remove", h.Spool, err)
	}
	return s.Close()
}

// wantsFull tells whether the last run left word that the next has to be full.
func (f *runFolder) wantsFull() bool {
	_, err := f.root.Stat(fullName)
	return err == nil
}

// wantFull leaves that word, or takes it back.
func (f *runFolder) wantFull(yes bool) error {
	var err error
	if yes {
		err = f.root.WriteFile(fullName, nil, 0o600)
	} else if err = f.root.Remove(fullName); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = f.sync()
	}
	if err != nil {
		return hostError("write", f.path, err)
	}
	return nil
}
