//go:build !linux

package dirstore

import (
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
)

// flushesAll: flush needs to know the files.
const flushesAll = false

// unsynced remembers the files that were written since the last flush.
type unsynced struct {
	ids   []fileID
	names []string
}

func (u *unsynced) noteUnsynced(name string) {
	if id, ok := parseID(name); ok {
		u.ids = append(u.ids, id)
		return
	}
	u.names = append(u.names, name)
}

// flush syncs each file that was written, then the folders. Files that were
// moved or removed since are durable already or do not matter.
func (s *Store) flush() error {
	for p, d := range s.dirs {
		for _, id := range d.ids {
			if err := s.syncPath(p + "/" + hex.EncodeToString(id[:])); err != nil {
				return err
			}
		}
		for _, name := range d.unsynced.names {
			if err := s.syncPath(p + "/" + name); err != nil {
				return err
			}
		}
		if err := syncFolder(s.root, p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return cause(err)
		}
		d.unsynced = unsynced{}
	}
	return cause(syncDrive(s.root))
}

func (s *Store) syncPath(p string) error {
	f, err := s.root.OpenFile(p, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return cause(err)
	}
	defer f.Close()
	return cause(syncFile(f))
}

// ahead would have to sync file by file: that is left to the end.
type ahead struct{}

func (ahead) wrote(*Store, int64) error { return nil }
func (ahead) wait(*Store) error         { return nil }
