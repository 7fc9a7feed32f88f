package backupagent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/keepsake-backup/keepsake/itunesbackup"
)

// entry is a file, directory or symbolic link that has changed since the backup
// on the host.
type entry struct {
	id     itunesbackup.FileID
	domain string
	rel    string
	mode   uint32 // st_mode
	kind   itunesbackup.Flags
	size   int64
	mtime  int64 // nanoseconds
	target string
	log    bool // a database with a -wal beside it that has to be applied

	stored stored // once it was sent
	done   bool   // stored is set
	failed bool   // the phone could not read it; the backup goes on without
	kept   bool   // failed, but an older version stays in the backup
}

// seconds is the modification time as manifests keep it.
func (e *entry) seconds() int64 {
	s := e.mtime / 1e9
	if e.mtime%1e9 < 0 {
		s--
	}
	return s
}

// changes is what the scan found.
type changes struct {
	entries []*entry              // new or different, in the order of the walk
	gone    []itunesbackup.FileID // rows to delete
	files   []itunesbackup.FileID // of these, and of files that became something else: files to remove on the host
}

// scan is step 6: it walks the phone's files and compares modification times
// with the manifest.
func (b *backup) scan(ctx context.Context) error {
	if err := b.hit(ctx, "scan", 1); err != nil {
		return err
	}
	domains, err := os.ReadDir(b.fs())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("scan the phone: %w", err)
	}
	b.changes = &changes{}
	for _, d := range domains {
		if d.IsDir() && itunesbackup.CheckPath(d.Name(), "") == nil {
			if err := b.scanDomain(ctx, d.Name()); err != nil {
				return err
			}
		}
	}
	b.findGone()
	return nil
}

// rescan walks domains once more, after files in them changed under the
// phone's hands (step 9).
func (b *backup) rescan(ctx context.Context, domains map[string]bool) error {
	before := map[itunesbackup.FileID]*entry{}
	b.changes.entries = slices.DeleteFunc(b.changes.entries, func(e *entry) bool {
		if domains[e.domain] && e.done && !e.failed {
			before[e.id] = e
		}
		return domains[e.domain]
	})
	for id, row := range b.base.rows {
		if row.seen && domains[b.base.domains[row.domain]] {
			row.seen = false
			b.base.rows[id] = row
		}
	}
	for _, d := range slices.Sorted(maps.Keys(domains)) {
		if err := b.scanDomain(ctx, d); err != nil {
			return err
		}
	}
	for _, e := range b.changes.entries {
		if old := before[e.id]; old != nil && old.mtime == e.mtime && old.size == e.size {
			e.stored, e.done = old.stored, true
		}
	}
	b.findGone()
	return nil
}

func (b *backup) scanDomain(ctx context.Context, domain string) error {
	if !b.rules.Backed(domain, "", b.encrypted) {
		return nil
	}
	w := walker{b: b, domain: domain, root: filepath.Join(b.fs(), domain)}
	info, err := os.Lstat(w.root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = w.add("", info, false)
	}
	if err == nil {
		err = w.folder(ctx, "")
	}
	if err != nil {
		return fmt.Errorf("scan %s: %w", domain, err)
	}
	return nil
}

type walker struct {
	b            *backup
	domain, root string
}

func (w *walker) folder(ctx context.Context, rel string) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	entries, err := os.ReadDir(filepath.Join(w.root, filepath.FromSlash(rel)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // gone since its parent was read
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		sub := e.Name()
		if rel != "" {
			sub = rel + "/" + sub
		}
		// A name that no manifest can hold is none of the phone's, whose file
		// system has only valid UTF-8.
		if itunesbackup.CheckPath(w.domain, sub) != nil || !w.b.rules.Backed(w.domain, sub, w.b.encrypted) {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := w.add(sub, info, w.hasLog(sub, entries)); err != nil {
			return err
		}
		if e.IsDir() {
			if err := w.folder(ctx, sub); err != nil {
				return err
			}
		}
	}
	return nil
}

// hasLog tells whether rel is a database whose log has to be applied: outside
// the containers of apps, where logs are backed up as they are.
func (w *walker) hasLog(rel string, siblings []fs.DirEntry) bool {
	if strings.HasPrefix(w.domain, "AppDomain") {
		return false
	}
	name := rel[strings.LastIndexByte(rel, '/')+1:] + "-wal"
	_, found := slices.BinarySearchFunc(siblings, name, func(e fs.DirEntry, name string) int { return strings.Compare(e.Name(), name) })
	return found
}

// add compares one item with the manifest and keeps it when it has changed.
func (w *walker) add(rel string, info fs.FileInfo, log bool) error {
	e := entry{domain: w.domain, rel: rel, size: info.Size(), mtime: info.ModTime().UnixNano(), log: log}
	at := filepath.Join(w.root, filepath.FromSlash(rel))
	var err error
	switch {
	case info.Mode().IsRegular():
		e.kind = itunesbackup.FlagFile
		if log {
			err = e.addLog(at + "-wal")
		}
	case info.IsDir():
		e.kind, e.size = itunesbackup.FlagDirectory, 0
	case info.Mode()&fs.ModeSymlink != 0:
		e.kind, e.size = itunesbackup.FlagSymlink, 0
		e.target, err = os.Readlink(at)
	default:
		return nil // sockets and the like are in no backup
	}
	if err != nil {
		return err
	}
	e.id = itunesbackup.MakeFileID(w.domain, rel)
	e.mode = statMode(info.Mode())
	if row, ok := w.b.base.rows[e.id]; ok {
		row.seen = true
		w.b.base.rows[e.id] = row
		if row.mtime == e.seconds() && itunesbackup.Flags(row.kind) == e.kind {
			return nil
		}
	}
	w.b.changes.entries = append(w.b.changes.entries, &e)
	return nil
}

// addLog makes the time of a database that of its log when that is newer:
// what was written last is there.
func (e *entry) addLog(at string) error {
	info, err := os.Lstat(at)
	if errors.Is(err, fs.ErrNotExist) {
		e.log = false
		return nil
	}
	if err == nil {
		e.mtime = max(e.mtime, info.ModTime().UnixNano())
	}
	return err
}

// findGone lists the rows that the scan did not see, and the files that the
// host has to remove.
func (b *backup) findGone() {
	c := b.changes
	c.gone, c.files = nil, nil
	for id, row := range b.base.rows {
		if !row.seen {
			c.gone = append(c.gone, id)
			if itunesbackup.Flags(row.kind) == itunesbackup.FlagFile {
				c.files = append(c.files, id)
			}
		}
	}
	for _, e := range c.entries {
		row, ok := b.base.rows[e.id]
		if ok && itunesbackup.Flags(row.kind) == itunesbackup.FlagFile && e.kind != itunesbackup.FlagFile {
			c.files = append(c.files, e.id)
		}
	}
	compare := func(a, b itunesbackup.FileID) int { return bytes.Compare(a[:], b[:]) }
	slices.SortFunc(c.gone, compare)
	slices.SortFunc(c.files, compare)
}

// statMode turns Go's mode into st_mode.
func statMode(m fs.FileMode) uint32 {
	mode := uint32(m.Perm())
	switch {
	case m.IsDir():
		mode |= 0o040000
	case m&fs.ModeSymlink != 0:
		mode |= 0o120000
	default:
		mode |= 0o100000
	}
	return mode
}
