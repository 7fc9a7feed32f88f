// Package treewalk goes through the folders of a snapshot, and through two of
// them side by side.
//
//	err := treewalk.Walk(ctx, session, tree, treewalk.Visitor{
//		Node: func(path string, n *format.Node) error { fmt.Println(path); return nil },
//	})
//
// Folders are loaded some ahead of the walk, because a repository may be far
// away. Names come from the repository and may be hostile: no visitor ever sees
// one that is empty, "." or "..", or has a slash or NUL in it.
package treewalk

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/keepsake-backup/keepsake/repository/format"
)

// Loader loads folders: *repository.Session. It is used concurrently.
type Loader interface {
	Tree(ctx context.Context, id format.ID) (*format.Tree, error)
}

// Visitor is called by Walk, by one goroutine at a time. Paths are absolute,
// with slashes, made of the names' bytes: "/home/me". Nil functions do nothing.
type Visitor struct {
	// Node is called for every entry, in the order of the tree: a folder before
	// what is in it. An error ends the walk; ErrSkipAll ends it without one.
	Node func(path string, n *format.Node) error
	// Descend says whether to go into a folder; nil is always. It is asked before
	// Node is called for it, and must not depend on it.
	Descend func(path string, n *format.Node) bool
	// Leave is called after the last entry of a folder that was gone into, even if
	// it could not be loaded.
	Leave func(path string, n *format.Node) error
	// Broken is told what cannot be visited: a folder that cannot be loaded, an
	// entry with a hostile name. If it is nil, or returns an error, the walk ends.
	Broken func(path string, err error) error
}

// ErrSkipAll ends a walk.
var ErrSkipAll = errors.New("end the walk")

// loadAhead is how many folders of one folder are loaded before the walk is
// there.
const loadAhead = 6

// Walk visits everything below the tree root, which has no node itself.
func Walk(ctx context.Context, l Loader, root format.ID, v Visitor) error {
	ctx, cancel := context.WithCancel(ctx)
	w := &walker{l: l, v: v}
	defer w.loads.Wait()
	defer cancel()
	t, err := l.Tree(ctx, root)
	if err != nil {
		return fmt.Errorf("load folder /: %w", err)
	}
	if err := w.walk(ctx, "", t); err != nil && !errors.Is(err, ErrSkipAll) {
		return err
	}
	return nil
}

type walker struct {
	l     Loader
	v     Visitor
	loads sync.WaitGroup
}

type loaded struct {
	tree *format.Tree
	err  error
}

// ahead loads the folders of one folder.
type ahead struct {
	next  int // node to look at
	begun []load
}

type load struct {
	node int
	done chan loaded
}

func (w *walker) fill(ctx context.Context, a *ahead, dir string, t *format.Tree) {
	for ; a.next < len(t.Nodes) && len(a.begun) < loadAhead; a.next++ {
		n := &t.Nodes[a.next]
		if n.Type != format.NodeDir || check(t, a.next) != nil || w.v.Descend != nil && !w.v.Descend(dir+"/"+n.Name, n) {
			continue
		}
		done := make(chan loaded, 1)
		a.begun = append(a.begun, load{a.next, done})
		w.loads.Go(func() {
			tree, err := w.l.Tree(ctx, *n.Subtree)
			done <- loaded{tree, err}
		})
	}
}

func (w *walker) walk(ctx context.Context, dir string, t *format.Tree) error {
	var a ahead
	for i := range t.Nodes {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		w.fill(ctx, &a, dir, t)
		n := &t.Nodes[i]
		if err := check(t, i); err != nil {
			if err := w.broken(dir+"/"+strings.ReplaceAll(n.Name, "/", `\x2f`), err); err != nil {
				return err
			}
			continue
		}
		path := dir + "/" + n.Name
		if w.v.Node != nil {
			if err := w.v.Node(path, n); err != nil {
				return err
			}
		}
		if len(a.begun) == 0 || a.begun[0].node != i {
			continue
		}
		next := <-a.begun[0].done
		a.begun = a.begun[1:]
		if err := w.enter(ctx, path, n, next); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) enter(ctx context.Context, path string, n *format.Node, next loaded) error {
	err := next.err
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		err = w.broken(path, fmt.Errorf("load folder: %w", err))
	} else {
		err = w.walk(ctx, path, next.tree)
	}
	if err == nil && w.v.Leave != nil {
		err = w.v.Leave(path, n)
	}
	return err
}

func (w *walker) broken(path string, err error) error {
	if w.v.Broken == nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return w.v.Broken(path, err)
}

// check tells why an entry cannot be visited. Entries are sorted by name.
func check(t *format.Tree, i int) error {
	n := &t.Nodes[i]
	switch {
	case !ValidName(n.Name):
		return fmt.Errorf("the name %q is not allowed", n.Name)
	case i > 0 && t.Nodes[i-1].Name == n.Name:
		return errors.New("the name comes twice in its folder")
	case n.Type == format.NodeDir && n.Subtree == nil:
		return errors.New("the folder has no tree")
	}
	return nil
}

// ValidName tells whether a name can be that of an entry of a folder.
func ValidName(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.ContainsAny(name, "/\x00")
}

// NotFoundError tells what is not in a snapshot.
type NotFoundError struct{ Path string }

func (e *NotFoundError) Error() string { return fmt.Sprintf("%s is not in the snapshot", e.Path) }

// Find finds the entry at a path; slashes at its ends do not count. The root is a
// folder without name.
func Find(ctx context.Context, l Loader, root format.ID, path string) (*format.Node, error) {
	n := &format.Node{Type: format.NodeDir, Subtree: &root}
	at := ""
	for name := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		if name == "" {
			continue
		}
		at += "/" + name
		if n.Type != format.NodeDir || n.Subtree == nil {
			return nil, &NotFoundError{at}
		}
		t, err := l.Tree(ctx, *n.Subtree)
		if err != nil {
			return nil, fmt.Errorf("load the folder of %s: %w", at, err)
		}
		var ok bool
		if n, ok = t.Find(name); !ok {
			return nil, &NotFoundError{at}
		}
	}
	return n, nil
}
