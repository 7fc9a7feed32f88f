package vault

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"iter"
	"path"
	"time"

	"github.com/keepsake-backup/keepsake/itunesbackup"
)

// Received is a restore that is in place.
type Received struct {
	About
	// Files, Directories and Links are counts; Bytes is the contents' length.
	Files, Directories, Links, Bytes int64
	// Databases were opened and checked.
	Databases int64
	// Problems are what a phone stumbles over when it puts the files in place, at
	// most 10,000.
	Problems []Problem

	r *Restore
}

// Problem is something wrong with one entry.
type Problem struct {
	Path string // Domain/path
	Text string
}

// Entry is a file, directory or link as the phone has it now.
type Entry struct {
	ID       itunesbackup.FileID
	Domain   string
	Path     string      // relative to the domain; "" is its root
	Mode     fs.FileMode // type and permissions
	ModTime  time.Time   // whole seconds
	Target   string      // of a link
	Recorded int64       // st_size in the phone's list; that of databases often differs

	// Of files:
	Size     int64
	SHA256   [sha256.Size]byte
	Database bool
	Verdict
}

// Key is Domain/path.
func (e Entry) Key() string {
	if e.Path == "" {
		return e.Domain
	}
	return e.Domain + "/" + e.Path
}

const maxProblems = 10_000

// Commit puts a staged restore in place, as a phone does when it boots. ok is
// false when there is none.
func (v *Vault) Commit(ctx context.Context) (ok bool, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.staged == nil {
		return false, nil
	}
	g := &Received{About: v.staged.about, r: v.staged}
	if err := g.place(ctx); err != nil {
		v.err = fmt.Errorf("commit restore: %w", err)
		return false, v.err
	}
	v.err = nil
	if v.got != nil {
		err = v.got.r.close()
	}
	v.got, v.staged = g, nil
	return true, err
}

// place looks at every row as if it were put in its place: that its folder is
// there, that no other has it already, that its content has come.
func (g *Received) place(ctx context.Context) error {
	seed := maphash.MakeSeed()
	hash := func(domain, p string) uint64 {
		var h maphash.Hash
		h.SetSeed(seed)
		h.WriteString(domain)
		h.WriteByte(0)
		h.WriteString(p)
		return h.Sum64()
	}
	const isDir, isOther = 1, 2
	there := map[uint64]byte{}
	for e, err := range g.Entries(ctx) {
		if err != nil {
			return err
		}
		kind := byte(isOther)
		if e.Mode.IsDir() {
			kind = isDir
		}
		h := hash(e.Domain, e.Path)
		if there[h] != 0 {
			g.problem(e.Key(), "is in the list twice")
		}
		there[h] |= kind
		g.count(e)
	}
	for e, err := range g.Entries(ctx) {
		if err != nil {
			return err
		}
		if e.Path == "" {
			continue
		}
		parent := path.Dir(e.Path)
		if parent == "." {
			parent = ""
		}
		switch kind := there[hash(e.Domain, parent)]; {
		case kind == 0:
			g.problem(e.Key(), "the list lacks the folder that it lies in")
		case kind&isDir == 0:
			g.problem(e.Key(), "what it lies in is no folder")
		}
	}
	g.Databases = g.r.checked
	return nil
}

func (g *Received) count(e Entry) {
	switch {
	case e.Mode.IsDir():
		g.Directories++
	case e.Mode&fs.ModeSymlink != 0:
		g.Links++
		if e.Target == "" {
			g.problem(e.Key(), "is a link to nowhere")
		}
	default:
		g.Files++
		g.Bytes += e.Size
		if _, ok := g.r.files[e.ID]; !ok {
			g.problem(e.Key(), "its content has not come")
		}
	}
}

func (g *Received) problem(key, text string) {
	if len(g.Problems) < maxProblems {
		g.Problems = append(g.Problems, Problem{key, text})
	}
}

// Entries gives everything that is in place, in the order of the phone's list.
// An error ends it.
func (g *Received) Entries(ctx context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		m, err := g.r.OpenManifest(ctx)
		if err != nil {
			yield(Entry{}, err)
			return
		}
		defer m.Close() // only reads
		for row, err := range m.Records(ctx) {
			if errors.Is(err, itunesbackup.ErrPlaceholder) {
				continue
			}
			if err != nil {
				yield(Entry{}, err)
				return
			}
			if !yield(g.entry(row), nil) {
				return
			}
		}
	}
}

func (g *Received) entry(row itunesbackup.Record) Entry {
	e := Entry{ID: row.ID, Domain: row.Domain, Path: row.RelativePath, Mode: permissions(row.File.Mode),
		ModTime: time.Unix(row.File.LastModified, 0), Target: row.File.Target, Recorded: row.File.Size}
	switch row.Kind() {
	case itunesbackup.FlagDirectory:
		e.Mode |= fs.ModeDir
	case itunesbackup.FlagSymlink:
		e.Mode |= fs.ModeSymlink
	case itunesbackup.FlagFile:
		g.r.mu.Lock()
		defer g.r.mu.Unlock()
		c := g.r.files[row.ID]
		e.Size, e.SHA256, e.Database, e.Verdict = c.size, c.sum, c.database, g.r.verdicts[row.ID]
	default:
		e.Mode |= fs.ModeIrregular
	}
	return e
}

// permissions are those of an st_mode, with the three bits above them.
func permissions(mode uint32) fs.FileMode {
	m := fs.FileMode(mode & 0o777)
	for bit, is := range map[uint32]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if mode&bit != 0 {
			m |= is
		}
	}
	return m
}
