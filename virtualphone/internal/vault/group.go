package vault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/keepsake-backup/keepsake/itunesbackup"
)

// maxLog bounds a log that is laid over its database, in bytes. Apps empty theirs
// at some 4 MB.
const maxLog = 256 << 20

// group is a database with its write-ahead log, its rollback journal, or both:
// alone it may be half of a transaction.
type group struct {
	database, wal, journal itunesbackup.FileID // zero for what there is not

	mu   sync.Mutex
	here map[itunesbackup.FileID]*Scratch // guarded by mu
}

// arrived keeps a member; with the last one the database is checked.
func (g *group) arrived(ctx context.Context, r *Restore, id itunesbackup.FileID, s *Scratch) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.here == nil {
		g.here = map[itunesbackup.FileID]*Scratch{}
	}
	if old := g.here[id]; old != nil {
		if err := old.Close(); err != nil {
			return err
		}
	}
	g.here[id] = s
	for _, member := range []itunesbackup.FileID{g.database, g.wal, g.journal} {
		if member != (itunesbackup.FileID{}) && g.here[member] == nil {
			return nil
		}
	}
	err := g.judge(ctx, r)
	return errors.Join(err, g.closeLocked())
}

func (g *group) judge(ctx context.Context, r *Restore) error {
	db := g.here[g.database]
	if !isDatabase(db) {
		return nil
	}
	var src io.ReaderAt = db
	size := db.Size()
	if s := g.here[g.journal]; s != nil {
		journal, ok, err := readLog(s)
		if err != nil {
			return err
		}
		if ok {
			src, size, ok = withJournal(src, size, journal)
		}
		if !ok {
			r.note(g.database, Verdict{Unchecked: "a transaction was under way, and its journal could not be read"})
			return nil
		}
	}
	if s := g.here[g.wal]; s != nil {
		wal, ok, err := readLog(s)
		if err != nil {
			return err
		}
		if !ok {
			r.note(g.database, Verdict{Unchecked: fmt.Sprintf("its log has %d bytes, more than are read here", s.Size())})
			return nil
		}
		if src, size, err = itunesbackup.WithLog(src, size, wal); err != nil {
			r.note(g.database, Verdict{Damage: err.Error()})
			return nil
		}
	}
	return r.judge(ctx, g.database, src, size)
}

// readLog reads a log whole; ok is false when it is too long.
func readLog(s *Scratch) (data []byte, ok bool, err error) {
	if s.Size() > maxLog {
		return nil, false, nil
	}
	data = make([]byte, s.Size())
	if _, err := s.ReadAt(data, 0); err != nil && err != io.EOF {
		return nil, false, err
	}
	return data, true, nil
}

func (g *group) close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.closeLocked()
}

func (g *group) closeLocked() error {
	var err error
	for _, s := range g.here {
		err = errors.Join(err, s.Close())
	}
	g.here = nil
	return err
}
