package afcd

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/keepsake-backup/keepsake/afc"
)

// maxPath bounds a path in bytes.
const maxPath = 1024

// layers are folders laid over one another; the last is always there.
type layers []*os.Root

func openLayers(dir string) (layers, error) {
	all := folders(dir)
	if err := os.MkdirAll(all[len(all)-1], 0o700); err != nil {
		return nil, fmt.Errorf("open media: %w", err)
	}
	var l layers
	for _, folder := range all {
		root, err := os.OpenRoot(folder)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			l.close()
			return nil, fmt.Errorf("open media: %w", err)
		}
		l = append(l, root)
	}
	return l, nil
}

func (l layers) close() {
	for _, r := range l {
		r.Close()
	}
}

// place is a path in the layer where it is, or would be made.
type place struct {
	root *os.Root
	rel  string
}

// find looks a clean path up without following a link at its end.
func (l layers) find(rel string) (place, fs.FileInfo, error) {
	for _, root := range l {
		info, err := root.Lstat(rel)
		if err == nil {
			return place{root, rel}, info, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return place{}, nil, err
		}
	}
	return place{}, nil, fs.ErrNotExist
}

// forNew finds the layer for a path that may not be there yet.
func (l layers) forNew(rel string) (place, error) {
	if p, _, err := l.find(rel); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return p, err
	}
	if parent := path.Dir(rel); parent != "." {
		p, info, err := l.find(parent)
		if err == nil && !info.IsDir() {
			err = fs.ErrNotExist
		}
		return place{p.root, rel}, err
	}
	return place{l[len(l)-1], rel}, nil
}

// readDir lists the names of a folder in all layers, sorted.
func (l layers) readDir(rel string) ([]string, error) {
	var names []string
	found := false
	for _, root := range l {
		info, err := root.Lstat(rel)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			if !found {
				return nil, afc.StatusNotFound
			}
			continue // hidden by a folder of the same name
		}
		found = true
		entries, err := fs.ReadDir(root.FS(), rel)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			names = append(names, e.Name())
		}
	}
	if !found {
		return nil, fs.ErrNotExist
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// each calls fn for the path in every layer that has it.
func (l layers) each(rel string, fn func(*os.Root) error) error {
	found := false
	for _, root := range l {
		if _, err := root.Lstat(rel); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			return err
		}
		found = true
		if err := fn(root); err != nil {
			return err
		}
	}
	if !found {
		return fs.ErrNotExist
	}
	return nil
}

// path takes a NUL-terminated path and makes it relative to the layers: "." is
// the root, and ".." does not lead out of it.
func (a *arguments) path() (string, error) {
	name, rest, _ := bytes.Cut(a.b, []byte{0})
	a.b = rest
	if len(name) > maxPath {
		return "", afc.StatusInvalidArgument
	}
	clean := strings.TrimPrefix(path.Clean("/"+string(name)), "/")
	if clean == "" {
		return ".", nil
	}
	if !fs.ValidPath(clean) {
		return "", afc.StatusInvalidArgument
	}
	return clean, nil
}

// listed tells whether rel matches one of the patterns or lies below one.
func listed(rel string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		p = strings.TrimPrefix(p, "/")
		match, err := path.Match(p, rel)
		return err == nil && match || strings.HasPrefix(rel, strings.TrimSuffix(p, "/")+"/")
	})
}
