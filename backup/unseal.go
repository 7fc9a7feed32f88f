package backup

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"github.com/keepsake-backup/keepsake/backup/internal/overlay"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/keybag"
)

// fewFiles is up to how many files the rows are looked up one by one.
const fewFiles = 20_000

// keyCheck tells keys apart, and nothing about them.
func keyCheck(key keybag.Key) (check [8]byte) {
	h := sha256.New()
	h.Write([]byte("keepsake file key\x00"))
	h.Write(key.Reveal())
	copy(check[:], h.Sum(nil))
	return check
}

// placed is a file of the phone, with the object that it is.
type placed struct {
	id     itunesbackup.FileID
	object uint32
}

// placed gives the files of this run, in the order in which they arrived. What is
// in Snapshot comes before what it will replace. u.mu is held.
func (u *unfinished) placed() (list []placed) {
	news := map[itunesbackup.FileID]bool{}
	u.tree.Files("Snapshot", func(id overlay.ID, f overlay.File) bool {
		news[id] = true
		list = append(list, placed{id, f.Object})
		return true
	})
	u.tree.Files("", func(id overlay.ID, f overlay.File) bool {
		if f.Object != 0 && !news[id] {
			list = append(list, placed{id, f.Object})
		}
		return true
	})
	list = slices.DeleteFunc(list, func(p placed) bool { return p.object == 0 })
	slices.SortFunc(list, func(a, b placed) int { return cmp.Compare(a.object, b.object) })
	return list
}

// turned is told that the phone has put a Status.plist. When all has arrived it
// begins to look for the keys, beside the phone's work.
func (in *ingester) turned() {
	in.u.mu.Lock()
	state := in.u.state
	in.u.mu.Unlock()
	switch state {
	case itunesbackup.SnapshotUploading:
		in.mu.Lock()
		in.stale = true
		in.mu.Unlock()
	case itunesbackup.SnapshotMoving:
		in.begin()
	}
}

// begin settles beside the phone's work, after anybody who does. That it cannot
// is no trouble yet: the phone may send other lists, and in the end somebody
// settles who tells.
func (in *ingester) begin() {
	in.mu.Lock()
	defer in.mu.Unlock()
	before, done := in.settled, make(chan struct{})
	in.settled = done
	go func() {
		defer close(done)
		<-before
		_ = in.settle(in.ctx)
	}()
}

func (in *ingester) settledChan() <-chan struct{} {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.settled
}

// settle finds out how the files of this run are to be stored, and offers them.
func (in *ingester) settle(ctx context.Context) error {
	in.mu.Lock()
	if in.stale {
		in.lists.close()
		in.lists, in.stale = nil, false
	}
	l := in.lists
	in.mu.Unlock()
	if l == nil {
		var err error
		if l, err = in.openLists(ctx); err != nil {
			return err
		}
	}
	in.mu.Lock()
	in.lists, in.waits = l, false
	in.mu.Unlock()
	if l.keys == nil {
		in.push(in.u.unstored())
		return nil
	}
	list, err := in.unsealing(ctx, l)
	if err != nil {
		return fmt.Errorf("read the phone's list: %w", err)
	}
	in.push(list)
	return nil
}

// unsealing gives the files that are to be decrypted with the keys of the rows,
// in the order in which they arrived: so the segments of the spool go one by one.
func (in *ingester) unsealing(ctx context.Context, l *lists) ([]task, error) {
	in.u.mu.Lock()
	all := in.u.placed()
	in.u.mu.Unlock()
	all = slices.DeleteFunc(all, func(p placed) bool { return l.checked.has(p.object) })
	if len(all) == 0 {
		return nil, nil
	}
	m, err := itunesbackup.OpenManifestAt(ctx, l.plain, l.plainSize)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	var list []task
	take := func(p placed, rec *itunesbackup.Record) error {
		l.checked.set(p.object, true)
		t, ok, err := in.judge(p, rec, l)
		if ok {
			list = append(list, t)
		}
		return err
	}
	if len(all) <= fewFiles {
		for _, p := range all {
			rec, ok, err := m.Get(ctx, p.id)
			if err := rowError(err); err != nil {
				return nil, err
			}
			if !ok || err != nil {
				rec = itunesbackup.Record{ID: p.id} // no row that can be read: it stays as it came
			}
			if err := take(p, &rec); err != nil {
				return nil, err
			}
		}
		return list, nil
	}
	objects := make(map[itunesbackup.FileID]uint32, len(all))
	for _, p := range all {
		objects[p.id] = p.object
	}
	for rec, err := range m.Records(ctx) {
		if rerr := rowError(err); rerr != nil {
			return nil, rerr
		}
		if n, ok := objects[rec.ID]; ok && err == nil {
			delete(objects, rec.ID)
			if err := take(placed{rec.ID, n}, &rec); err != nil {
				return nil, err
			}
		}
	}
	for id, n := range objects {
		if err := take(placed{id, n}, &itunesbackup.Record{ID: id}); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(list, func(a, b task) int { return cmp.Compare(a.object, b.object) })
	return list, nil
}

// rowError lets errors of a single row pass.
func rowError(err error) error {
	var row *itunesbackup.RowError
	if errors.As(err, &row) {
		return nil
	}
	return err
}

// judge tells what is left to be done with a file, by its row.
func (in *ingester) judge(p placed, rec *itunesbackup.Record, l *lists) (task, bool, error) {
	in.u.mu.Lock()
	defer in.u.mu.Unlock()
	o := in.u.object(p.object)
	if o == nil || o.gone {
		return task{}, false, nil
	}
	t := task{object: p.object, name: l.ext(rec.RelativePath)}
	key := keybag.Key{}
	if w, err := keybag.ParseWrappedKey(rec.File.EncryptionKey); err == nil {
		if key, err = l.keys.File(w); err == nil {
			t.key, t.keys = w, l.keys
		}
	}
	switch c := o.content; {
	case c == nil:
		return t, true, nil
	case !c.Unsealed:
		// Stored as it came: decrypted now if that was never tried and there is
		// room to have it twice for a while.
		return t, t.keys != nil && !c.Raw && in.roomFor(o.size), nil
	case t.keys != nil && keyCheck(key) == c.KeyCheck:
		return task{}, false, nil
	}
	// It was decrypted with a key that the list does not name any more.
	return task{}, false, in.u.lose([]uint32{p.object})
}

// roomFor tells whether the repository has room for n bytes that it has in
// another form already. One that does not tell, or is far away, has none: all that
// would have to be fetched first.
func (in *ingester) roomFor(n int64) bool {
	free, _, ok := repositoryRoom(in.session.Repository())
	return ok && free > n+reserve
}

// staySealed tells whether the version is to be sealed although there are keys:
// files were stored as they came, there is no room to decrypt them, and everything
// else in the version is as it came, too.
func (in *ingester) staySealed() bool {
	if in.parent != nil && !in.parent.Meta().Sealed {
		return false
	}
	in.u.mu.Lock()
	defer in.u.mu.Unlock()
	asCame := int64(0)
	for _, p := range in.u.placed() {
		switch o := in.u.object(p.object); {
		case o.content == nil:
		case o.content.Unsealed:
			return false
		default:
			asCame += o.size
		}
	}
	return asCame > 0 && !in.roomFor(asCame)
}
