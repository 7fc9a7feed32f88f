package search

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/keepsake-backup/keepsake/internal/lockfile"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/search/internal/sealed"
)

// KeySize is the length of the key of an index, in bytes.
const KeySize = sealed.KeySize

// ErrDamaged is wrapped by errors about files of the index that are not as they were
// written. The versions that need them are out of the index from then on and have to be
// added again.
var ErrDamaged = sealed.ErrDamaged

// ErrKey is wrapped by what Trouble gives when the index was made with another key. It
// is an ErrDamaged: the index has to be made again.
var ErrKey = sealed.ErrKey

// cacheBlocks is how much of the index is kept in memory: 32 MiB.
const cacheBlocks = 32 << 20 / sealed.BlockSize

// Index finds what is in the versions of one phone. Its methods may be called
// concurrently.
type Index struct {
	root  *os.Root
	key   *sealed.Key
	cache *sealed.Cache

	writing chan struct{} // full while somebody writes
	mu      sync.Mutex    // guards what is below
	state   *state
	bad     map[string]error // segments in which damage was found
	closed  bool

	// For tests.
	runSize int                // bytes of documents in memory
	crash   func(string) error // called before each step that others may see
}

// Open opens the index in a folder, which is made if it is missing. What cannot be
// read of it is left out, see [Index.Trouble]: it is no error.
func Open(ctx context.Context, dir string, key secret.Bytes) (*Index, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	k, err := sealed.NewKey(key)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open search index: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open search index: %w", err)
	}
	ix := &Index{root: root, key: k, writing: make(chan struct{}, 1), cache: sealed.NewCache(cacheBlocks), bad: map[string]error{}, runSize: runSize,
		crash: func(string) error { return nil }}
	st, err := ix.acquire()
	if err != nil {
		root.Close() // nothing was written
		return nil, fmt.Errorf("open search index: %w", err)
	}
	ix.release(st)
	return ix, nil
}

// Close closes the index, once who writes has ended. Searches that are under way go on.
func (ix *Index) Close() error {
	ix.writing <- struct{}{}
	defer func() { <-ix.writing }()
	ix.mu.Lock()
	defer ix.mu.Unlock()
	if ix.closed {
		return nil
	}
	ix.closed = true
	if ix.state != nil {
		ix.releaseLocked(ix.state)
		ix.state = nil
	}
	return ix.root.Close()
}

// acquire gives the index as it is now; release has to follow.
func (ix *Index) acquire() (*state, error) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	return ix.acquireLocked()
}

func (ix *Index) acquireLocked() (*state, error) {
	if ix.closed {
		return nil, fmt.Errorf("search index: %w", os.ErrClosed)
	}
	if err := ix.refreshLocked(); err != nil {
		return nil, err
	}
	ix.state.refs.Add(1)
	return ix.state, nil
}

// refreshLocked reads the manifest again when it is another one.
func (ix *Index) refreshLocked() error {
	info, err := ix.root.Stat(manifestName)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if st := ix.state; st != nil && sameFile(st.file, info) {
		return nil
	}
	return ix.reloadLocked(nil)
}

func sameFile(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}

// reloadLocked replaces the state. A writer removes files only after the manifest that
// names them was replaced: when one is gone, there is a newer manifest. Segments that
// are open are taken from the state before and from open.
func (ix *Index) reloadLocked(open map[string]*openSegment) error {
	if open == nil {
		open = map[string]*openSegment{}
	}
	if ix.state != nil {
		for _, s := range ix.state.segments {
			open[s.ref.Name] = s
		}
	}
	var st *state
	var err error
	for range 10 {
		if st, err = ix.load(open); !errors.Is(err, errMoved) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if errors.Is(err, errMoved) { // nobody writes: the file is lost
		st, err = &state{trouble: []error{fmt.Errorf("the index has to be made again: %w: %v", ErrDamaged, err)}}, nil
		if info, e := ix.root.Stat(manifestName); e == nil {
			st.file = info
		}
	}
	if err != nil {
		return err
	}
	for _, s := range st.segments {
		s.states++
	}
	st.refs.Store(1)
	if ix.state != nil {
		ix.releaseLocked(ix.state)
	}
	ix.state = st
	return nil
}

func (ix *Index) release(st *state) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	ix.releaseLocked(st)
}

func (ix *Index) releaseLocked(st *state) {
	if st.refs.Add(-1) > 0 {
		return
	}
	for _, s := range st.segments {
		s.states--
	}
	st.close()
}

// condemn takes a segment out of the index in which damage was found.
func (ix *Index) condemn(name string, err error) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	if ix.closed || ix.bad[name] != nil {
		return
	}
	ix.bad[name] = err
	// An error of the system will come again, to whoever asks next.
	_ = ix.reloadLocked(nil)
}

// Trouble says what of the index could not be opened, and so what has to be added
// again; nil when all is well.
func (ix *Index) Trouble() []error {
	st, err := ix.acquire()
	if err != nil {
		return []error{err}
	}
	defer ix.release(st)
	return st.trouble
}

// Versions lists the versions in the index, the oldest first.
func (ix *Index) Versions() ([]VersionInfo, error) {
	st, err := ix.acquire()
	if err != nil {
		return nil, err
	}
	defer ix.release(st)
	list := make([]VersionInfo, len(st.versions))
	for i, v := range st.versions {
		list[i] = v.VersionInfo
	}
	return list, nil
}

// Stats are numbers about an index.
type Stats struct {
	Versions  int   `json:"versions"`
	Documents int   `json:"documents"` // that any version has
	Unused    int   `json:"unused"`    // that none has any more
	Words     int   `json:"words"`     // one in two segments counts twice
	Segments  int   `json:"segments"`
	Bytes     int64 `json:"bytes"` // on the disk
}

// Stats counts what is in the index.
func (ix *Index) Stats() (Stats, error) {
	st, err := ix.acquire()
	if err != nil {
		return Stats{}, err
	}
	defer ix.release(st)
	s := Stats{Versions: len(st.versions), Segments: len(st.segments)}
	for i, seg := range st.segments {
		used := st.union[i]().Count()
		s.Documents += used
		s.Unused += seg.Docs() - used
		s.Words += seg.Terms()
	}
	list, err := fs.ReadDir(ix.root.FS(), ".")
	if err != nil {
		return s, err
	}
	for _, e := range list {
		if info, err := e.Info(); err == nil { // a file may go meanwhile
			s.Bytes += info.Size()
		}
	}
	return s, nil
}

// Check reads all of the index. Segments that do not open are out of it from then on,
// as Trouble tells.
func (ix *Index) Check(ctx context.Context) error {
	st, err := ix.acquire()
	if err != nil {
		return err
	}
	defer ix.release(st)
	var errs []error
	for _, s := range st.segments {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.sealed.Check(); err != nil {
			if isDamage(err) {
				ix.condemn(s.ref.Name, err)
			}
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Remove removes an index that nobody uses: all its files, and the folder if nothing
// else is in it.
func Remove(dir string) error {
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	defer root.Close()
	lock, err := lockfile.Acquire(root, lockName)
	if err != nil {
		return fmt.Errorf("remove search index: %w", err)
	}
	err = errors.Join(sweep(root, nil, true), lock.Release(), root.Remove(lockName))
	_ = os.Remove(dir) // unless something else is in it
	return err
}

// sweep removes files of an index that are not wanted. Some cannot be removed while
// somebody reads them (Windows): the next writer will.
func sweep(root *os.Root, wanted map[string]bool, whole bool) error {
	list, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range list {
		name := e.Name()
		ours := validFile(name, segmentPrefix) || validFile(name, versionPrefix) || name == manifestTemp || whole && name == manifestName
		if ours && !wanted[name] {
			if err := root.Remove(name); err != nil && whole {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

// newName makes a name that no file has had.
func newName(prefix string) string {
	var b [16]byte
	rand.Read(b[:])
	return prefix + strings.ToLower(hex.EncodeToString(b[:]))
}
