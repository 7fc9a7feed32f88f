package archiver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/keepsake-backup/keepsake/internal/pathpattern"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// folder is one whose tree is not saved yet.
type folder struct {
	up    *folder // nil for the root
	slot  int     // of its own node among those of up
	path  string
	names []string // components of path, if there are excludes

	node  format.Node   // its own, without the subtree
	old   *format.ID    // subtree of it in the parent; nil: none
	nodes []format.Node // of its entries, in order; Type "" is left out
	open  atomic.Int64  // entries not done, and one while the walk is in it
}

// entry is what a listing says.
type entry struct {
	name string
	kind fs.FileMode // type bits; may be out of date
}

// listing is a folder as found, and in the parent.
type listing struct {
	meta    meta
	xattrs  []format.Xattr
	entries []entry
	old     *format.Tree // nil: none
	err     error        // it could not be opened
	partly  error        // it could not be listed to its end, or lacks metadata
	fatal   error
}

// walkRoot starts at the root of the tree, which has no node.
func (r *run) walkRoot(ctx context.Context, p *place) error {
	root := &folder{path: p.path, names: r.components(p.path)}
	if r.parent != nil {
		root.old = &r.parent.Tree
	}
	if p.whole {
		l := r.list(ctx, root.path, root.old)
		if l.err != nil {
			return l.err
		}
		return r.walk(ctx, root, l, l.meta.device)
	}
	return r.walkPlace(ctx, root, p)
}

// walkPlace walks a folder of which only some entries are wanted. No pattern
// leaves out what was asked for by name, nor the way to it.
func (r *run) walkPlace(ctx context.Context, f *folder, p *place) error {
	old, err := r.oldTree(ctx, f.old)
	if err != nil {
		return err
	}
	names := p.names()
	f.begin(len(names))
	for i, name := range names {
		if err := r.walkNamed(ctx, f, i, name, p.below[name], find(old, name)); err != nil {
			return err
		}
	}
	return r.done(ctx, f)
}

func (r *run) walkNamed(ctx context.Context, f *folder, slot int, name string, p *place, old *format.Node) error {
	describe := stat // a link on the way leads to a folder
	if p.whole {
		describe = lstat
	}
	m, err := describe(p.path)
	if err != nil {
		r.problem(p.path, err)
		return r.done(ctx, f)
	}
	if !m.mode.IsDir() {
		return r.send(ctx, job{f, slot, name, p.path, m.mode.Type(), old, 0})
	}
	next := &folder{up: f, slot: slot, path: p.path, names: r.components(p.path), old: subtree(old)}
	if p.whole {
		return r.enter(ctx, next, name, r.list(ctx, p.path, next.old), m.device)
	}
	next.node, _ = r.node(name, &m)
	return r.walkPlace(ctx, next, p)
}

// enter walks a folder that has been listed. device is where Paths said to
// start.
func (r *run) enter(ctx context.Context, f *folder, name string, l *listing, device uint64) error {
	switch {
	case l.fatal != nil:
		return l.fatal
	case l.err != nil:
		r.problem(f.path, l.err)
		return r.done(ctx, f.up)
	}
	var ok bool
	if f.node, ok = r.node(name, &l.meta); !ok || f.node.Type != format.NodeDir {
		r.problem(f.path, errors.New("it was a folder and is none any more"))
		return r.done(ctx, f.up)
	}
	f.node.Xattrs = l.xattrs
	if r.o.OneFileSystem && l.meta.device != device {
		l.entries = nil
	}
	return r.walk(ctx, f, l, device)
}

// walk goes through the entries of f.
func (r *run) walk(ctx context.Context, f *folder, l *listing, device uint64) error {
	if l.fatal != nil {
		return l.fatal
	}
	if l.partly != nil {
		r.problem(f.path, l.partly)
	}
	f.begin(len(l.entries))
	dirs := &ahead{r: r, f: f, l: l}
	dirs.fill(ctx)
	for i, e := range l.entries {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		var err error
		if e.kind.IsDir() {
			next := &folder{up: f, slot: i, path: join(f.path, e.name), old: subtree(find(l.old, e.name))}
			if f.names != nil {
				next.names = append(slices.Clip(f.names), e.name)
			}
			err = r.enter(ctx, next, e.name, dirs.take(ctx), device)
		} else {
			err = r.send(ctx, job{f, i, e.name, join(f.path, e.name), e.kind, find(l.old, e.name), device})
		}
		if err != nil {
			return err
		}
	}
	return r.done(ctx, f)
}

// list lists a folder without what is excluded.
func (r *run) list(ctx context.Context, path string, old *format.ID) *listing {
	l := &listing{}
	if l.old, l.fatal = r.oldTree(ctx, old); l.fatal != nil {
		return l
	}
	var f *file
	if f, l.meta, l.err = open(path); l.err != nil {
		return l
	}
	l.xattrs, l.partly = f.xattrs()
	names := r.components(path)
	err := f.list(func(name string, kind fs.FileMode) {
		if !r.excluded(names, name) {
			l.entries = append(l.entries, entry{name, kind})
		}
	})
	l.partly = errors.Join(l.partly, err)
	slices.SortFunc(l.entries, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	return l
}

func (r *run) components(path string) []string {
	if r.excludes.Empty() {
		return nil
	}
	path = strings.ReplaceAll(filepath.ToSlash(path), ":", "")
	return append([]string{}, pathpattern.Split(path)...)
}

func (r *run) excluded(dir []string, name string) bool {
	return !r.excludes.Empty() && r.excludes.Match(append(slices.Clip(dir), name))
}

// oldTree loads a folder of the parent. One that is not there or damaged is as
// good as none: everything is read then.
func (r *run) oldTree(ctx context.Context, id *format.ID) (*format.Tree, error) {
	if id == nil {
		return nil, nil
	}
	t, err := r.parent.Source.Tree(ctx, *id)
	if absent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("load folder of the parent snapshot: %w", err)
	}
	return t, nil
}

// absent tells whether err is about this one blob: it is not there, or damaged.
func absent(err error) bool {
	var missing *repository.MissingError
	var damaged *repository.DamageError
	return errors.As(err, &missing) || errors.As(err, &damaged) || errors.Is(err, backend.ErrNotExist)
}

func find(t *format.Tree, name string) *format.Node {
	if t == nil {
		return nil
	}
	n, ok := t.Find(name)
	if !ok {
		return nil
	}
	return n
}

func subtree(n *format.Node) *format.ID {
	if n == nil {
		return nil
	}
	return n.Subtree
}

func (f *folder) begin(entries int) {
	f.nodes = make([]format.Node, entries)
	f.open.Store(int64(entries) + 1)
}

// done counts an entry of f as done, or the walk through it. The last one saves
// the tree, and is then an entry of the folder above.
func (r *run) done(ctx context.Context, f *folder) error {
	for f != nil && f.open.Add(-1) == 0 {
		nodes := slices.DeleteFunc(f.nodes, func(n format.Node) bool { return n.Type == "" })
		id, err := r.w.saveTree(ctx, &format.Tree{Nodes: nodes})
		if err != nil {
			return err
		}
		f.nodes = nil
		if f.up == nil {
			r.root.Store(&id)
			return nil
		}
		switch {
		case f.old == nil:
			r.dirCounts[added].Add(1)
		case *f.old == id:
			r.dirCounts[unmodified].Add(1)
		default:
			r.dirCounts[changed].Add(1)
		}
		f.node.Subtree = &id
		f.up.nodes[f.slot] = f.node
		f = f.up
	}
	return nil
}
