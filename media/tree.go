package media

import (
	"context"
	"io/fs"
	"path"
	"time"

	"github.com/keepsake-backup/keepsake/repository/format"
)

// AFC tells neither modes nor owners: these are usual for the partition, whose
// files belong to the user mobile, 501.
const (
	fileMode   = fs.FileMode(0o644)
	folderMode = fs.ModeDir | 0o755
	linkMode   = fs.ModeSymlink | 0o755
	owner      = 501
)

func node(name string, t format.NodeType, mode fs.FileMode, at time.Time) format.Node {
	at = stamp(at)
	return format.Node{Name: name, Type: t, Mode: mode, ModTime: at, AccessTime: at, ChangeTime: at, UID: owner, GID: owner}
}

func fileNode(e *entry, content []format.ID) format.Node {
	n := node(e.name, format.NodeFile, fileMode, e.info.ModTime())
	n.Size, n.Content = uint64(e.info.Size()), content
	if n.Content == nil {
		n.Content = []format.ID{}
	}
	return n
}

func folderNode(name string, at time.Time, tree format.ID) format.Node {
	n := node(name, format.NodeDir, folderMode, at)
	n.Subtree = &tree
	return n
}

// saveFolder saves a folder with all below it.
func (r *run) saveFolder(ctx context.Context, dir *entry) (format.ID, error) {
	t := &format.Tree{}
	for _, e := range dir.dir.entries {
		n, err := r.finish(ctx, e)
		if err != nil {
			return format.ID{}, err
		}
		if n != nil {
			t.Nodes = append(t.Nodes, *n)
		}
	}
	return r.w.SaveTree(ctx, t)
}

// finish gives what the snapshot holds of an entry, or nil.
func (r *run) finish(ctx context.Context, e *entry) (*format.Node, error) {
	switch {
	case e.gone, e.skip:
		return nil, nil
	case e.err != nil:
		return r.keepEarlier(ctx, e)
	case e.info.IsDir():
		tree, err := r.saveFolder(ctx, e)
		if err != nil {
			return nil, err
		}
		n := folderNode(e.name, e.info.ModTime(), tree)
		return &n, nil
	case e.info.Mode()&fs.ModeSymlink != 0:
		n := node(e.name, format.NodeSymlink, linkMode, e.info.ModTime())
		n.LinkTarget = e.info.LinkTarget
		return &n, nil
	}
	var n format.Node
	switch {
	case e.node != nil:
		n = fileNode(e, e.node.Content)
	default:
		var err error
		if n, err = e.stored(ctx); err != nil {
			return nil, err
		}
	}
	r.count(e.path, &n)
	return &n, nil
}

// keepEarlier tells of an entry that cannot be had, and gives its earlier state
// if there is one.
func (r *run) keepEarlier(ctx context.Context, e *entry) (*format.Node, error) {
	n, err := r.earlierNode(ctx, e.path, 0)
	if err != nil {
		return nil, err
	}
	r.problem(Problem{Path: e.path, Err: e.err, Kept: n != nil})
	return n, nil
}

// earlierNode gives what the newest media snapshot holds at a path, as far as the
// repository has its content.
func (r *run) earlierNode(ctx context.Context, name string, depth int) (*format.Node, error) {
	if r.parent == nil || r.parent.nodes[name] == nil || depth > maxDepth {
		return nil, nil
	}
	n := *r.parent.nodes[name]
	switch n.Type {
	case format.NodeFile:
		ok, err := r.parent.whole(ctx, &n)
		if !ok {
			return nil, err
		}
		r.count(name, &n)
	case format.NodeDir:
		t := &format.Tree{}
		for _, sub := range r.parent.inside[name] {
			s, err := r.earlierNode(ctx, path.Join(name, sub), depth+1)
			if err != nil {
				return nil, err
			}
			if s != nil {
				t.Nodes = append(t.Nodes, *s)
			}
		}
		id, err := r.w.SaveTree(ctx, t)
		if err != nil {
			return nil, err
		}
		n.Subtree = &id
	}
	return &n, nil
}
