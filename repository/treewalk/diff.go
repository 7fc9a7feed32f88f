package treewalk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/keepsake-backup/keepsake/repository/format"
)

// Change is a difference between two trees at one path. Old is nil for what was
// added, New for what was removed.
type Change struct {
	Path     string
	Old, New *format.Node
	Content  bool // what a file holds, or where a link leads, is another
	Type     bool // it is of another kind
	Below    bool // of a folder: something in it is different
	Metadata bool // mode, owner, times, or extended attributes are others
}

// Diff compares two trees. It calls fn for everything that was added, removed or
// changed, what is below added and removed folders included, in the order of the
// paths' names. Equal folders are not loaded. Errors of fn end it; ErrSkipAll ends
// it without one.
func Diff(ctx context.Context, l Loader, before, after format.ID, fn func(Change) error) error {
	err := diff(ctx, l, "", &before, &after, fn)
	if errors.Is(err, ErrSkipAll) {
		return nil
	}
	return err
}

func diff(ctx context.Context, l Loader, dir string, before, after *format.ID, fn func(Change) error) error {
	if before != nil && after != nil && *before == *after {
		return nil
	}
	old, err := nodes(ctx, l, dir, before)
	if err != nil {
		return err
	}
	now, err := nodes(ctx, l, dir, after)
	if err != nil {
		return err
	}
	for len(old) > 0 || len(now) > 0 {
		var c Change
		if len(now) == 0 || len(old) > 0 && old[0].Name <= now[0].Name {
			c.Old = &old[0]
		}
		if len(old) == 0 || len(now) > 0 && now[0].Name <= old[0].Name {
			c.New = &now[0]
		}
		if c.Old != nil {
			c.Path, old = dir+"/"+c.Old.Name, old[1:]
		}
		if c.New != nil {
			c.Path, now = dir+"/"+c.New.Name, now[1:]
		}
		if err := c.report(fn); err != nil {
			return err
		}
		if err := diff(ctx, l, c.Path, subtree(c.Old), subtree(c.New), fn); err != nil {
			return err
		}
	}
	return nil
}

func nodes(ctx context.Context, l Loader, dir string, id *format.ID) ([]format.Node, error) {
	if id == nil {
		return nil, nil
	}
	t, err := l.Tree(ctx, *id)
	if err != nil {
		return nil, fmt.Errorf("load folder %s/: %w", dir, err)
	}
	return t.Nodes, nil
}

func subtree(n *format.Node) *format.ID {
	if n == nil || n.Type != format.NodeDir {
		return nil
	}
	return n.Subtree
}

func (c *Change) report(fn func(Change) error) error {
	if c.Old != nil && c.New != nil {
		c.Type = c.Old.Type != c.New.Type
		c.Content = !c.Type && (!slices.Equal(c.Old.Content, c.New.Content) || c.Old.LinkTarget != c.New.LinkTarget || c.Old.Device != c.New.Device)
		c.Below = !c.Type && c.Old.Subtree != nil && c.New.Subtree != nil && *c.Old.Subtree != *c.New.Subtree
		c.Metadata = !sameMetadata(c.Old, c.New)
		if !c.Type && !c.Content && !c.Below && !c.Metadata {
			return nil
		}
	}
	return fn(*c)
}

// sameMetadata leaves out what a backup leaves out too: access and change time,
// inode and device.
func sameMetadata(a, b *format.Node) bool {
	return a.Mode == b.Mode && a.UID == b.UID && a.GID == b.GID && a.User == b.User && a.Group == b.Group && a.ModTime.Equal(b.ModTime) &&
		slices.EqualFunc(a.Xattrs, b.Xattrs, func(a, b format.Xattr) bool { return a.Name == b.Name && bytes.Equal(a.Value, b.Value) })
}
