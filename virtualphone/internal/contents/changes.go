package contents

import (
	"context"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// Changes lists what Use did to files, links and folders below fs/, as sorted
// "Domain/path" texts. A file that is backed up under another name's bytes (a
// database whose -wal changed) is listed under the name that changed.
type Changes struct {
	Added, Modified, Removed []string
	AppsAdded                []string // bundle ids
}

// fileState is what tells that an entry changed.
type fileState struct {
	mode  fs.FileMode
	size  int64
	mtime int64
}

// listState looks at everything below fs/, by "Domain/path".
func listState(ctx context.Context, dir string) (map[string]fileState, error) {
	root := filepath.Join(dir, fsFolder)
	all := map[string]fileState{}
	err := filepath.WalkDir(root, func(at string, e fs.DirEntry, err error) error {
		if err != nil || at == root {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		key := filepath.ToSlash(strings.TrimPrefix(at, root+string(filepath.Separator)))
		st := fileState{info.Mode(), info.Size(), info.ModTime().UnixNano()}
		if e.IsDir() {
			st.size = 0
		}
		all[key] = st
		return nil
	})
	return all, err
}

func compareStates(before, after map[string]fileState) Changes {
	var c Changes
	for key, now := range after {
		switch old, ok := before[key]; {
		case !ok:
			c.Added = append(c.Added, key)
		case old != now:
			c.Modified = append(c.Modified, key)
		}
	}
	for key := range before {
		if _, ok := after[key]; !ok {
			c.Removed = append(c.Removed, key)
		}
	}
	slices.Sort(c.Added)
	slices.Sort(c.Modified)
	slices.Sort(c.Removed)
	return c
}
