package export

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/keepsake-backup/keepsake/mobilebackup2/dirstore"
)

const (
	dirPerm  = 0o700 // a backup is private, even the names in it
	filePerm = 0o600

	unfinishedPrefix = ".keepsake-export-" // and the UDID: the folder while it is being filled
	noteSuffix       = ".json"             // of the note beside it
	maxNote          = 4 << 10
)

// OccupiedError: the place of the folder is taken.
type OccupiedError struct{ Path string }

func (e *OccupiedError) Error() string {
	return fmt.Sprintf("export into %s: it is there already and not empty", e.Path)
}

// Hint says what to do.
func (e *OccupiedError) Hint() string {
	return "choose another folder, or move this one away: an export never writes over a backup"
}

// SpaceError: the disk has too little room.
type SpaceError struct {
	Path         string
	Needs, Holds int64 // bytes
}

func (e *SpaceError) Error() string {
	return fmt.Sprintf("export into %s: it needs %d bytes, and %d are free there", e.Path, e.Needs, e.Holds)
}

// Hint says what to do.
func (e *SpaceError) Hint() string {
	return "make room there, or choose a folder on another disk"
}

// diskError is a failure of the disk that its owner can do something about.
type diskError struct {
	err  error
	hint string
}

func (e *diskError) Error() string { return e.err.Error() }
func (e *diskError) Unwrap() error { return e.err }

// Hint says what to do.
func (e *diskError) Hint() string { return e.hint }

// disk adds what to do to an error of the disk.
func disk(err error) error {
	switch {
	case isFull(err):
		return &diskError{err, "the disk is full: make room there and start the same command again, which goes on where it was; or choose another disk"}
	case isReadOnly(err), errors.Is(err, fs.ErrPermission):
		return &diskError{err, "nothing may be written there: make the place writable, or choose another one"}
	}
	return err
}

// note stands beside an unfinished folder and says what is in it.
type note struct {
	// Of says what is being exported, and how: only the same may go on.
	Of string `json:"of"`
	// Durable is how many files, in the order of the snapshot's index, are complete and
	// on the disk.
	Durable int `json:"durable"`
}

// target is the folder being filled, beside its place:
//
//	DIR/.keepsake-export-<UDID>/        until everything is there and durable,
//	DIR/.keepsake-export-<UDID>.json    how far it is
//	DIR/<UDID>/                         from then on
//
// write may be called concurrently.
type target struct {
	path    string          // of DIR
	udid    string          //
	store   *dirstore.Store // holds the lock on the backup in DIR
	parent  *os.Root
	dir     *os.Root
	handle  *os.File // of dir, to flush
	note    note
	resumed bool

	mu     sync.Mutex
	shards map[string]struct{} // guarded by mu; those that are there
}

// openTarget makes what is missing. of is what note.Of is to be.
func openTarget(path, udid, of string) (_ *target, err error) {
	t := &target{path: path, udid: udid, shards: map[string]struct{}{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.close())
		}
	}()
	if err := os.Mkdir(path, dirPerm); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	if t.parent, err = os.OpenRoot(path); err != nil {
		return nil, err
	}
	if err := t.vacant(); err != nil {
		return nil, err
	}
	if t.store, err = dirstore.Open(path, dirstore.Options{}); err != nil {
		return nil, err
	}
	if _, err := t.store.Lock(udid, false); err != nil {
		return nil, err
	}
	if err := t.vacant(); err != nil { // somebody may have been faster
		return nil, err
	}
	return t, t.begin(of)
}

// vacant refuses a place that is not free.
func (t *target) vacant() error {
	occupied := &OccupiedError{filepath.Join(t.path, t.udid)}
	f, err := t.parent.Open(t.udid)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.IsDir() {
		return occupied
	}
	switch names, err := f.Readdirnames(1); {
	case len(names) > 0:
		return occupied
	case !errors.Is(err, io.EOF):
		return err
	}
	return nil
}

func (t *target) unfinished() string { return unfinishedPrefix + t.udid }

// begin goes on with what an interrupted run of the same export left, and
// removes anything else.
func (t *target) begin(of string) error {
	name := t.unfinished()
	if last, err := t.readNote(); err == nil && last.Of == of {
		t.note, t.resumed = last, last.Durable > 0
	} else {
		if err := t.parent.RemoveAll(name); err != nil {
			return fmt.Errorf("remove an unfinished export: %w", err)
		}
		t.note = note{Of: of}
		if err := t.writeNote(); err != nil {
			return err
		}
	}
	if err := t.parent.Mkdir(name, dirPerm); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	// A link would lead into another folder, perhaps another phone's backup.
	info, err := t.parent.Lstat(name)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return &OccupiedError{filepath.Join(t.path, name)}
	}
	if t.dir, err = t.parent.OpenRoot(name); err != nil {
		return err
	}
	t.handle, err = t.dir.Open(".")
	return err
}

func (t *target) readNote() (n note, err error) {
	f, err := t.parent.Open(t.unfinished() + noteSuffix)
	if err != nil {
		return n, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxNote))
	if err = errors.Join(err, f.Close()); err != nil {
		return n, err
	}
	err = json.Unmarshal(data, &n)
	if n.Durable < 0 {
		err = errors.New("negative count")
	}
	return n, err
}

// writeNote replaces the note in one step.
func (t *target) writeNote() error {
	data, err := json.Marshal(t.note)
	if err != nil {
		return err
	}
	name := t.unfinished() + noteSuffix
	f, err := t.parent.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, filePerm)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return t.parent.Rename(name+".new", name)
}

// room makes sure that needs bytes fit.
func (t *target) room(ctx context.Context, needs int64) error {
	free, err := t.store.FreeSpace(ctx)
	if err != nil {
		return fmt.Errorf("look how much room there is: %w", err)
	}
	if free < needs {
		return &SpaceError{t.path, needs, free}
	}
	return nil
}

// write makes a file of size bytes, and the folder it lies in. A file of that
// name is written anew.
func (t *target) write(name string, size int64, fill func(io.Writer) error) error {
	if shard, _, ok := strings.Cut(name, "/"); ok {
		if err := t.mkdir(shard); err != nil {
			return err
		}
	}
	f, err := t.dir.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, filePerm)
	if err != nil {
		return err
	}
	w := &countingWriter{w: f}
	err = fill(w)
	if err == nil && w.n != size {
		err = fmt.Errorf("%d bytes came, want %d", w.n, size)
	}
	if err == nil && !syncsAll {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

func (t *target) mkdir(shard string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.shards[shard]; ok {
		return nil
	}
	if err := t.dir.Mkdir(shard, dirPerm); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	t.shards[shard] = struct{}{}
	return nil
}

// has tells whether a file of that size is there.
func (t *target) has(name string, size int64) bool {
	info, err := t.dir.Lstat(name)
	return err == nil && info.Mode().IsRegular() && info.Size() == size
}

// checkpoint makes durable what was written and notes that n files are.
func (t *target) checkpoint(n int) error {
	if err := t.flush(); err != nil {
		return err
	}
	t.note.Durable = n
	return t.writeNote()
}

func (t *target) flush() error {
	if syncsAll {
		return flush(t.handle)
	}
	return fs.WalkDir(t.dir.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		f, err := t.dir.Open(p)
		if err != nil {
			return err
		}
		return errors.Join(flush(f), f.Close())
	})
}

// syncFiles syncs each file where [target.flush] does not.
func (t *target) syncFiles() error {
	if syncsAll {
		return nil
	}
	return fs.WalkDir(t.dir.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f, err := t.dir.OpenFile(p, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		return errors.Join(f.Sync(), f.Close())
	})
}

// finish makes everything durable and moves it to its place.
func (t *target) finish() error {
	if err := t.flush(); err != nil {
		return err
	}
	// Windows renames no folder in which something is open.
	if err := errors.Join(t.handle.Close(), t.dir.Close()); err != nil {
		return err
	}
	t.handle, t.dir = nil, nil
	if err := t.parent.Remove(t.udid); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &OccupiedError{filepath.Join(t.path, t.udid)}
	}
	if err := t.parent.Rename(t.unfinished(), t.udid); err != nil {
		return err
	}
	if err := t.parent.Remove(t.unfinished() + noteSuffix); err != nil {
		return err
	}
	top, err := t.parent.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(flush(top), top.Close())
}

// close gives everything back. What is unfinished stays, for the next run.
func (t *target) close() error {
	var errs []error
	if t.handle != nil {
		errs = append(errs, t.handle.Close())
	}
	if t.dir != nil {
		errs = append(errs, t.dir.Close())
	}
	if t.store != nil {
		errs = append(errs, t.store.Close())
	}
	if t.parent != nil {
		errs = append(errs, t.parent.Close())
	}
	return errors.Join(errs...)
}
