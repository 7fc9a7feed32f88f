package archiver

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// place is a folder of the snapshot's tree that leads to a path to be backed
// up, or such a path itself.
type place struct {
	path  string // on this computer, absolute
	whole bool   // with everything below it
	below map[string]*place
}

// names are those of the entries, sorted by their bytes.
func (p *place) names() []string { return slices.Sorted(maps.Keys(p.below)) }

// plan makes the absolute forms of paths and the root of the tree that leads to
// them. What lies below another path needs no mention.
func plan(paths []string) (root *place, absolute []string, err error) {
	if len(paths) == 0 {
		return nil, nil, errors.New("there is nothing to back up")
	}
	relative := true
	for _, p := range paths {
		if p == "" {
			return nil, nil, errors.New("a path is empty")
		}
		relative = relative && filepath.IsLocal(p)
	}
	root = &place{}
	for _, p := range paths {
		full, err := filepath.Abs(p)
		if err != nil {
			return nil, nil, fmt.Errorf("find path %s: %w", p, err)
		}
		if !slices.Contains(absolute, full) {
			absolute = append(absolute, full)
		}
		start, steps := split(full)
		if relative {
			names := components(filepath.Clean(p))
			start = full
			for range names {
				start = filepath.Dir(start)
			}
			steps = below(start, names)
		}
		root.path = start
		root.add(steps)
	}
	return root, absolute, nil
}

// step is an entry of the tree on the way to a path.
type step struct{ name, path string }

func (p *place) add(steps []step) {
	for _, s := range steps {
		if p.whole {
			return
		}
		if p.below == nil {
			p.below = map[string]*place{}
		}
		next := p.below[s.name]
		if next == nil {
			next = &place{path: s.path}
			p.below[s.name] = next
		}
		p = next
	}
	p.whole, p.below = true, nil
}

// below are the steps from a folder on.
func below(dir string, names []string) []step {
	steps := make([]step, len(names))
	for i, name := range names {
		dir = join(dir, name)
		steps[i] = step{name, dir}
	}
	return steps
}

// components are the names of a relative path; none for ".".
func components(path string) []string {
	if path == "." || path == "" {
		return nil
	}
	return strings.Split(path, string(filepath.Separator))
}

func join(dir, name string) string {
	if strings.HasSuffix(dir, string(filepath.Separator)) {
		return dir + name
	}
	return dir + string(filepath.Separator) + name
}

// AbsolutePaths are the paths as the snapshot lists them.
func AbsolutePaths(paths []string) ([]string, error) {
	_, absolute, err := plan(paths)
	return absolute, err
}
