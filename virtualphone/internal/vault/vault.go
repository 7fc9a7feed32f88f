package vault

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync"
	"time"

	"github.com/keepsake-backup/keepsake/itunesbackup"
)

// Vault belongs to one phone. Its methods may be used by several goroutines.
type Vault struct {
	dir string

	mu     sync.Mutex
	taking *Restore  // guarded by mu; until it is staged or dropped
	staged *Restore  // guarded by mu; waits for the boot
	got    *Received // guarded by mu; what the last boot put in place
	err    error     // guarded by mu; why it could not
}

// New makes an empty one; large things come into dir for a while, encrypted.
func New(dir string) *Vault { return &Vault{dir: dir} }

// About is what a phone notes of a restore.
type About struct {
	Date      time.Time // of the request
	Source    string    // name of the backup folder
	UUID      string    // of the backup
	Encrypted bool
}

// content is what is kept of a file.
type content struct {
	size     int64
	sum      [sha256.Size]byte
	database bool
}

// Restore is one that is being taken.
type Restore struct {
	dir      string
	manifest *Scratch
	about    About
	dbs      *databases
	groups   map[itunesbackup.FileID]*group // databases with their logs, by each member

	mu       sync.Mutex
	files    map[itunesbackup.FileID]content // guarded by mu
	verdicts map[itunesbackup.FileID]Verdict // guarded by mu; of those that have something to tell
	bytes    int64                           // guarded by mu
	checked  int64                           // databases; guarded by mu
}

// Begin starts a restore; one that was not staged is forgotten, and one that
// waits for a boot too.
func (v *Vault) Begin() (*Restore, error) {
	dbs, err := newDatabases()
	if err != nil {
		return nil, err
	}
	r := &Restore{dir: v.dir, dbs: dbs, manifest: NewScratch(v.dir), groups: map[itunesbackup.FileID]*group{},
		files: map[itunesbackup.FileID]content{}, verdicts: map[itunesbackup.FileID]Verdict{}}
	v.mu.Lock()
	defer v.mu.Unlock()
	err = errors.Join(v.taking.close(), v.staged.close())
	v.taking, v.staged = r, nil
	return r, err
}

// Stage says that everything is here: the next Commit puts it in place.
func (v *Vault) Stage(r *Restore, about About) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.taking != r {
		return errors.New("stage restore: another one has begun")
	}
	r.about = about
	v.staged, v.taking = r, nil
	return nil
}

// Drop forgets a restore that failed.
func (v *Vault) Drop(r *Restore) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.taking != r {
		return nil
	}
	v.taking = nil
	return r.close()
}

// Received is what the last committed restore brought, nil when there was none;
// the error is the last Commit's. It is good until the next one is committed or
// the vault is closed.
func (v *Vault) Received() (*Received, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.got, v.err
}

// Close forgets everything.
func (v *Vault) Close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	err := errors.Join(v.taking.close(), v.staged.close())
	if v.got != nil {
		err = errors.Join(err, v.got.r.close())
	}
	v.taking, v.staged, v.got = nil, nil, nil
	return err
}

func (r *Restore) close() error {
	if r == nil {
		return nil
	}
	err := r.manifest.Close()
	seen := map[*group]bool{}
	for _, g := range r.groups {
		if !seen[g] {
			seen[g] = true
			err = errors.Join(err, g.close())
		}
	}
	return errors.Join(err, r.dbs.close())
}

// Manifest takes and keeps the list of files, in clear for those who read it
// here.
func (r *Restore) Manifest() *Scratch { return r.manifest }

// OpenManifest opens the list that Manifest took.
func (r *Restore) OpenManifest(ctx context.Context) (*itunesbackup.Manifest, error) {
	return itunesbackup.OpenManifestAt(ctx, r.manifest, r.manifest.Size())
}

// Together says that a database and its log or journal belong together: they are
// checked when both are here. It comes before their files.
func (r *Restore) Together(database, log itunesbackup.FileID, journal bool) {
	g := r.groups[database]
	if g == nil {
		g = &group{database: database}
		r.groups[database] = g
	}
	if journal {
		g.journal = log
	} else {
		g.wal = log
	}
	r.groups[log] = g
}

// File begins to take a file; write its plaintext and close it.
func (r *Restore) File(ctx context.Context, id itunesbackup.FileID) *File {
	return &File{ctx: ctx, r: r, id: id, sum: sha256.New(), group: r.groups[id]}
}

// File is one on its way in.
type File struct {
	ctx   context.Context
	r     *Restore
	id    itunesbackup.FileID
	sum   hash.Hash
	size  int64
	head  []byte   // until there is enough of it
	plain bool     // no database
	kept  *Scratch // of databases and what belongs to them
	group *group
}

// Write takes plaintext.
func (f *File) Write(p []byte) (int, error) {
	f.sum.Write(p)
	f.size += int64(len(p))
	switch {
	case f.kept != nil:
		return f.kept.Write(p)
	case f.group != nil:
		f.kept = NewScratch(f.r.dir)
		return f.kept.Write(p)
	case f.plain:
		return len(p), nil
	}
	f.head = append(f.head, p...)
	if len(f.head) < len(sqliteMagic) {
		return len(p), nil
	}
	head := f.head
	f.head = nil
	if f.plain = !bytes.HasPrefix(head, []byte(sqliteMagic)); f.plain {
		return len(p), nil
	}
	f.kept = NewScratch(f.r.dir)
	_, err := f.kept.Write(head)
	return len(p), err
}

// Close keeps what is to be kept, after a look into a database. A file that did
// not arrive whole leaves nothing.
func (f *File) Close(complete bool) error {
	kept := f.kept
	f.kept = nil
	if !complete {
		if kept != nil {
			return kept.Close()
		}
		return nil
	}
	c := content{size: f.size}
	f.sum.Sum(c.sum[:0])
	if f.group != nil {
		if kept == nil { // no byte came
			kept = NewScratch(f.r.dir)
		}
		c.database = f.id == f.group.database && isDatabase(kept)
		f.r.add(f.id, c)
		return f.group.arrived(f.ctx, f.r, f.id, kept)
	}
	c.database = kept != nil
	f.r.add(f.id, c)
	if kept == nil {
		return nil
	}
	err := f.r.judge(f.ctx, f.id, kept, kept.Size())
	return errors.Join(err, kept.Close())
}

func isDatabase(s *Scratch) bool {
	var head [len(sqliteMagic)]byte
	_, err := s.ReadAt(head[:], 0)
	return (err == nil || err == io.EOF) && string(head[:]) == sqliteMagic
}

func (r *Restore) add(id itunesbackup.FileID, c content) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.files[id] = c
	r.bytes += c.size
}

// judge checks a database and notes what it finds.
func (r *Restore) judge(ctx context.Context, id itunesbackup.FileID, src io.ReaderAt, size int64) error {
	v, err := r.dbs.check(ctx, src, size)
	if err != nil {
		return fmt.Errorf("check database: %w", err)
	}
	r.note(id, v)
	return nil
}

func (r *Restore) note(id itunesbackup.FileID, v Verdict) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.checked++
	if v != (Verdict{}) {
		r.verdicts[id] = v
	}
}
