package snapshot

import (
	"context"
	"errors"
	"fmt"
	"path"

	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/keybag"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/repository/treewalk"
)

// errIndex: the index and the tree are not of one snapshot, which is a mistake of
// who wrote them.
var errIndex = errors.New("the index does not agree with the tree")

// eachFile goes through all stored files in the order of the index: place is
// where e stands in it, n the node with the content. The tree is walked beside the
// index, so that nobody needs the phone's own list, which is large.
func (p *Snapshot) eachFile(ctx context.Context, fn func(place int, e Entry, n *format.Node) error) error {
	x, err := p.Index(ctx)
	if err != nil {
		return err
	}
	odd, err := p.exceptionNodes(ctx)
	if err != nil {
		return err
	}
	w := &fileWalk{x: x, odd: odd, fn: fn}
	err = p.walkFiles(ctx, func(_ string, n *format.Node) error {
		if err := w.exceptions(); err != nil {
			return err
		}
		return w.emit(n)
	})
	if err == nil {
		err = w.exceptions()
	}
	if err == nil && w.place != x.Len() {
		err = fmt.Errorf("%w: %d files, and %d in the index", errIndex, w.place, x.Len())
	}
	if err != nil {
		return fmt.Errorf("walk snapshot %s: %w", p.info.ID.Short(), err)
	}
	return nil
}

// walkFiles visits the files that stand in their places, in order.
func (p *Snapshot) walkFiles(ctx context.Context, fn func(path string, n *format.Node) error) error {
	root := p.root
	descend := func(path string, _ *format.Node) bool { return path != "/"+iosDir }
	if p.meta.Sealed {
		descend = nil
		n, ok := p.ios.Find(sealedDir)
		if !ok || n.Subtree == nil {
			return nil
		}
		root = *n.Subtree
	}
	return treewalk.Walk(ctx, p.s, root, treewalk.Visitor{Descend: descend, Node: func(path string, n *format.Node) error {
		if n.Type != format.NodeFile {
			return nil
		}
		return fn(path, n)
	}})
}

// exceptionNodes finds the nodes of all exceptions.
func (p *Snapshot) exceptionNodes(ctx context.Context) (map[itunesbackup.FileID]*format.Node, error) {
	nodes := map[itunesbackup.FileID]*format.Node{}
	dir, ok := p.ios.Find(exceptionsDir)
	if !ok || dir.Subtree == nil {
		return nodes, nil
	}
	err := treewalk.Walk(ctx, p.s, *dir.Subtree, treewalk.Visitor{Node: func(at string, n *format.Node) error {
		if n.Type != format.NodeFile {
			return nil
		}
		id, err := itunesbackup.ParseFileID(path.Base(at))
		if err != nil {
			return err
		}
		nodes[id] = n
		return nil
	}})
	if err != nil {
		return nil, fmt.Errorf("list exceptions of snapshot %s: %w", p.info.ID.Short(), err)
	}
	return nodes, nil
}

type fileWalk struct {
	x     *Index
	odd   map[itunesbackup.FileID]*format.Node
	fn    func(place int, e Entry, n *format.Node) error
	place int
}

// exceptions hands over those whose turn it is.
func (w *fileWalk) exceptions() error {
	for w.place < w.x.Len() {
		e := w.x.at(w.place)
		n, ok := w.odd[e.ID]
		if !ok {
			return nil
		}
		if err := w.fn(w.place, e, n); err != nil {
			return err
		}
		w.place++
	}
	return nil
}

func (w *fileWalk) emit(n *format.Node) error {
	if w.place == w.x.Len() {
		return fmt.Errorf("%w: %q is not in it", errIndex, n.Name)
	}
	e := w.x.at(w.place)
	if size := int64(n.Size); e.Stored != size && e.Stored != keybag.EncryptedSize(size) {
		return fmt.Errorf("%w: %q has %d bytes, and file %s %d in the folder", errIndex, n.Name, size, e.ID, e.Stored)
	}
	if err := w.fn(w.place, e, n); err != nil {
		return err
	}
	w.place++
	return nil
}
