package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/keepsake-backup/keepsake/backup/internal/journal"
	"github.com/keepsake-backup/keepsake/backup/internal/overlay"
	"github.com/keepsake-backup/keepsake/backup/internal/spool"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// unfinished is a run as it lies on this station: what the journal says, in
// memory. Every change goes through the journal before it is seen.
type unfinished struct {
	f    *runFolder
	head *runHead

	segments *os.Root
	spool    *spool.Spool
	journal  *journal.Journal

	mu      sync.Mutex // guards what is below; also the order of changes
	tree    *overlay.Tree
	objects []object // number 1 is the first
	inline  map[uint32][]byte
	state   itunesbackup.SnapshotState // of the phone's last Status.plist, "" before it
	done    *finished                  // the phone's last word, if it has said it
	boot    string                     // of the last process
	synced  int                        // objects that are durable
	records int                        // of the journal
	moving  int                        // the record with which the last run began to commit; -1: none
	lost    map[uint32]bool            // not taken out of the tree yet
	keys    secret.Bytes               // class keys of the run, if they were known once
}

// object is a file that arrived. Its bytes are inline, in the spool, or in the
// repository.
type object struct {
	size    int64
	time    int64
	extents []spool.Extent
	content *journal.Content
	gone    bool // nobody needs it
}

// finished is what is remembered of a run that the phone has finished.
type finished struct {
	At        time.Time     `json:"at"`
	Started   time.Time     `json:"started"`
	Full      bool          `json:"full"`
	Encrypted bool          `json:"encrypted"`
	Files     int64         `json:"files"`
	Bytes     int64         `json:"bytes"`
	Kept      int64         `json:"kept"`
	Removed   int64         `json:"removed"`
	Phases    []PhaseTime   `json:"phases,omitempty"`
	Unread    []UnreadFile  `json:"unread,omitempty"`
	Duration  time.Duration `json:"duration"`
}

// errContradiction: the journal tells of something that cannot have happened.
var errContradiction = errors.New("the journal contradicts itself")

// load opens the run of h. tree has the parent's files. What may have been lost
// with the power is looked at and dropped; dropped says how many files that were.
func (f *runFolder) load(h *runHead, tree func() (*overlay.Tree, error)) (u *unfinished, dropped int, err error) {
	u = &unfinished{f: f, head: h}
	file, err := f.root.OpenFile(journalName, os.O_RDWR, 0)
	if err != nil {
		return nil, 0, hostError("open", f.path, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, u.Close())
			if u.journal == nil {
				file.Close()
			}
		}
	}()
	if u.tree, err = tree(); err != nil {
		return u, 0, err
	}
	u.reset()
	if u.journal, _, err = journal.Open(file, h.Key[:journal.KeySize], f.udid, u.apply); err != nil {
		return u, 0, fmt.Errorf("continue the last run: %w", err)
	}
	u.dropLost()
	if err = os.MkdirAll(h.Spool, 0o700); err != nil {
		return u, 0, hostError("create folder", h.Spool, err)
	}
	if u.segments, err = os.OpenRoot(h.Spool); err != nil {
		return u, 0, hostError("open", h.Spool, err)
	}
	u.spool, err = spool.Open(u.segments, h.Key[journal.KeySize:], u.live(), spool.Options{Limit: spoolLimit(f.opt.SpoolLimit)})
	if err != nil {
		return u, 0, hostError("open", h.Spool, err)
	}
	lost, err := u.verify()
	if err != nil {
		return u, 0, err
	}
	if err = u.lose(lost); err != nil {
		return u, 0, err
	}
	if err = u.append(journal.Record{Kind: journal.Boot, Text: bootID()}); err != nil {
		return u, 0, err
	}
	return u, len(lost), nil
}

// minSpool is the least that a spool can work with: some segments of some chunks.
const minSpool = 16 * spool.ChunkSize

func spoolLimit(limit int64) int64 {
	if limit <= 0 {
		return 0
	}
	return max(limit, minSpool)
}

func (u *unfinished) reset() {
	u.objects, u.inline, u.lost = nil, map[uint32][]byte{}, map[uint32]bool{}
	u.moving = -1
}

// Close closes the files; everything stays.
func (u *unfinished) Close() error {
	var errs []error
	if u.journal != nil {
		errs = append(errs, u.journal.Close())
	}
	if u.spool != nil {
		errs = append(errs, u.spool.Close())
	}
	if u.segments != nil {
		errs = append(errs, u.segments.Close())
	}
	return errors.Join(errs...)
}

// append writes records and applies them. u.mu is held, or nobody else is there.
func (u *unfinished) append(records ...journal.Record) error {
	if err := u.journal.Append(records...); err != nil {
		return hostError("write", u.f.path, err)
	}
	return u.applyAll(records)
}

// later is append for what may be lost with the process.
func (u *unfinished) later(records ...journal.Record) error {
	if err := u.journal.Later(records...); err != nil {
		return hostError("write", u.f.path, err)
	}
	return u.applyAll(records)
}

func (u *unfinished) applyAll(records []journal.Record) error {
	for _, r := range records {
		if err := u.apply(r); err != nil {
			return err
		}
	}
	u.dropLost()
	return nil
}

// apply changes what is in memory as a record says. It is the same for what
// happens now and for what is read from the journal.
func (u *unfinished) apply(r journal.Record) error {
	if r.Kind != journal.Lost {
		u.dropLost()
	}
	u.records++
	switch r.Kind {
	case journal.Put:
		return u.applyPut(r)
	case journal.Void:
		u.objects = append(u.objects, object{gone: true})
	case journal.Mkdir:
		return u.contradicts(u.tree.Mkdir(r.Path))
	case journal.Rename:
		gone, err := u.tree.Rename(r.Path, r.To)
		return errors.Join(u.contradicts(err), u.forget(gone...))
	case journal.Remove:
		gone, err := u.tree.Remove(r.Path)
		return errors.Join(u.contradicts(err), u.forget(gone...))
	case journal.Stored:
		return u.applyStored(r)
	case journal.Lost:
		if int(r.Object) > len(u.objects) {
			return errContradiction
		}
		u.lost[r.Object] = true
		return u.forget(r.Object)
	case journal.Synced:
		u.synced = len(u.objects)
	case journal.Boot:
		u.boot = r.Text
	case journal.Keys:
		u.keys = secret.NewBytes([]byte(r.Text))
	case journal.Finished:
		u.done = &finished{}
		if err := json.Unmarshal([]byte(r.Text), u.done); err != nil {
			return fmt.Errorf("%w: %w", errContradiction, err)
		}
	}
	return nil
}

func (u *unfinished) contradicts(err error) error {
	if err != nil {
		return fmt.Errorf("%w: %w", errContradiction, err)
	}
	return nil
}

func (u *unfinished) applyPut(r journal.Record) error {
	u.objects = append(u.objects, object{size: r.Size, time: r.Time, extents: r.Extents, content: r.Content})
	n := uint32(len(u.objects))
	if r.Content == nil && r.Extents == nil {
		u.inline[n] = r.Inline
	}
	old, err := u.tree.Put(r.Path, n, r.Size, r.Time)
	if err != nil {
		return u.contradicts(err)
	}
	if r.Path == u.f.udid+"/"+itunesbackup.StatusName {
		u.turn(r.Inline)
	}
	return u.forget(old)
}

// turn notes what a Status.plist says.
func (u *unfinished) turn(status []byte) {
	st, err := itunesbackup.ParseStatusPlist(status)
	if err != nil {
		return // the job refuses such a file before it is put
	}
	u.done, u.state = nil, st.SnapshotState
	if u.state == itunesbackup.SnapshotUploading {
		u.moving = -1
	} else if u.moving < 0 {
		u.moving = u.records - 1
	}
}

func (u *unfinished) applyStored(r journal.Record) error {
	o := u.object(r.Object)
	if o == nil {
		return errContradiction
	}
	if o.gone {
		return nil
	}
	extents := o.extents
	o.content, o.extents = r.Content, nil
	delete(u.inline, r.Object)
	return u.release(extents)
}

// object gives an object by its number, nil if there is none.
func (u *unfinished) object(n uint32) *object {
	if n == 0 || int(n) > len(u.objects) {
		return nil
	}
	return &u.objects[n-1]
}

// forget gives up objects that stand nowhere any more; 0 is none.
func (u *unfinished) forget(list ...uint32) error {
	var errs []error
	for _, n := range list {
		o := u.object(n)
		if o == nil || o.gone {
			continue
		}
		errs = append(errs, u.release(o.extents))
		*o = object{gone: true}
		delete(u.inline, n)
	}
	return errors.Join(errs...)
}

func (u *unfinished) release(extents []spool.Extent) error {
	if u.spool == nil || len(extents) == 0 {
		return nil // the journal is being read: the spool will be swept
	}
	return u.spool.Release(extents)
}

func (u *unfinished) dropLost() {
	if len(u.lost) > 0 {
		u.tree.Drop(u.lost)
		u.lost = map[uint32]bool{}
	}
}

// live gives the places in the spool that are needed.
func (u *unfinished) live() (list []spool.Extent) {
	for i := range u.objects {
		list = append(list, u.objects[i].extents...)
	}
	return list
}

// verify gives the objects whose bytes are not where they should be: those of
// segments that are not there, and after a loss of power all that do not open.
func (u *unfinished) verify() (lost []uint32, err error) {
	boot := bootID()
	doubt := boot == "" || boot != u.boot
	for i := range u.objects {
		o := &u.objects[i]
		if o.extents == nil {
			continue
		}
		whole := u.spool.Has(o.extents)
		if whole && doubt && i >= u.synced {
			if whole, err = u.opens(o); err != nil {
				return nil, err
			}
		}
		if !whole {
			lost = append(lost, uint32(i+1))
		}
	}
	return lost, nil
}

// opens reads an object through.
func (u *unfinished) opens(o *object) (bool, error) {
	r := u.spool.Open(o.extents)
	defer r.Close()
	_, err := io.Copy(io.Discard, r)
	var damage *spool.DamageError
	if errors.As(err, &damage) {
		return false, nil
	}
	if err != nil {
		return false, hostError("read", u.head.Spool, err)
	}
	return true, nil
}

// lose drops objects whose bytes are gone, so that the phone sends their files
// again. When the phone had already begun to move files, the run is taken back to
// before that: only there does a phone send single files.
func (u *unfinished) lose(list []uint32) error {
	if len(list) == 0 {
		return nil
	}
	records := make([]journal.Record, 0, len(list))
	for _, n := range list {
		if o := u.object(n); o != nil && !o.gone {
			records = append(records, journal.Record{Kind: journal.Lost, Object: n})
		}
	}
	for len(records) > 0 {
		n := min(len(records), 10_000)
		if err := u.append(records[:n]...); err != nil {
			return err
		}
		records = records[n:]
	}
	return nil
}

// missing gives the objects in the repository whose blobs has does not know.
func (u *unfinished) missing(has func(format.ID) bool) (list []uint32) {
	for i := range u.objects {
		c := u.objects[i].content
		if c == nil {
			continue
		}
		for _, id := range c.Blobs {
			if !has(id) {
				list = append(list, uint32(i+1))
				break
			}
		}
	}
	return list
}

// sync makes everything durable, and notes that it is. u.mu is held.
func (u *unfinished) sync() error {
	if err := u.spool.Sync(); err != nil {
		return hostError("write", u.head.Spool, err)
	}
	if err := u.append(journal.Record{Kind: journal.Synced}); err != nil {
		return err
	}
	if err := u.journal.Sync(); err != nil {
		return hostError("write", u.f.path, err)
	}
	return nil
}
