package importer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/keepsake-backup/keepsake/itunesbackup"
)

// listing is what lies in a backup folder.
type listing struct {
	flat  bool
	ids   []itunesbackup.FileID // of stored files at their places, sorted
	other []string              // names that are no part of a backup
}

// list reads the names in the folder. Those of the lists and indexes are not
// given.
func list(ctx context.Context, fsys fs.FS, flat bool) (*listing, error) {
	l := &listing{flat: flat}
	top, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return nil, fmt.Errorf("list the folder: %w", err)
	}
	for _, e := range top {
		switch name := e.Name(); {
		case slices.Contains(partNames, name) && !e.IsDir():
		case flat && !e.IsDir():
			l.add(name, "")
		case !flat && e.IsDir() && isShard(name):
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			entries, err := fs.ReadDir(fsys, name)
			if err != nil {
				return nil, fmt.Errorf("list the folder: %w", err)
			}
			for _, e := range entries {
				l.add(e.Name(), name)
			}
		default:
			l.other = append(l.other, name)
		}
	}
	slices.SortFunc(l.ids, func(a, b itunesbackup.FileID) int { return slices.Compare(a[:], b[:]) })
	return l, nil
}

// partNames are the files in the top folder that are read by name. The others
// of SQLite hold nothing that lasts.
var partNames = []string{
	itunesbackup.InfoName, itunesbackup.ManifestListName, itunesbackup.StatusName, itunesbackup.ManifestName, oldIndexName,
	walName, itunesbackup.ManifestName + "-shm",
}

func (l *listing) add(name, shard string) {
	id, err := itunesbackup.ParseFileID(name)
	if err == nil && shard != "" && id.Shard() != shard {
		err = errors.New("in the wrong folder")
	}
	if err != nil {
		l.other = append(l.other, strings.TrimPrefix(shard+"/"+name, "/"))
		return
	}
	l.ids = append(l.ids, id)
}

func (l *listing) path(id itunesbackup.FileID) string {
	if l.flat {
		return id.String()
	}
	return id.Path()
}

func isShard(name string) bool {
	return len(name) == 2 && strings.Trim(name, "0123456789abcdef") == ""
}

func (l *listing) each(fn func(id itunesbackup.FileID, path string) error) error {
	for _, id := range l.ids {
		if err := fn(id, l.path(id)); err != nil {
			return err
		}
	}
	return nil
}

// leftOut says in words what is not imported.
func (l *listing) leftOut() []string {
	n := len(l.other)
	if n == 0 {
		return nil
	}
	shown := strings.Join(l.other[:min(n, 3)], ", ")
	if n > 3 {
		shown += fmt.Sprintf(" and %d more", n-3)
	}
	return []string{"Left out, since it is no part of the backup: " + shown + "."}
}
