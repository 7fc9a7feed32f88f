package format

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Check applies the rules by which programs judge a stored tree
// (restic-format.md 7 and 13): names are valid, sorted by their bytes, and unique;
// types are known; a file has a content, which may be empty but not nil, a dir a
// subtree, and no other node has either; no ID is null.
func (t *Tree) Check() error {
	for i := range t.Nodes {
		n := &t.Nodes[i]
		err := t.checkOrder(i)
		if err == nil {
			err = n.check()
		}
		if err == nil && n.Type == NodeFile && n.Content == nil {
			err = errors.New("file without content")
		}
		if err != nil {
			return fmt.Errorf("check tree: %w", nodeError(i, n, err))
		}
	}
	return nil
}

func nodeError(i int, n *Node, err error) error {
	return fmt.Errorf("node %d %s: %w", i, quote([]byte(n.Name)), err)
}

// checkOrder compares node i with the one before it.
func (t *Tree) checkOrder(i int) error {
	if i == 0 || t.Nodes[i-1].Name < t.Nodes[i].Name {
		return nil
	}
	if t.Nodes[i-1].Name == t.Nodes[i].Name {
		return errors.New("name comes twice")
	}
	return errors.New("nodes are not sorted by name")
}

// check are the rules for a node by itself.
func (n *Node) check() error {
	switch {
	case n.Name == "" || n.Name == "." || n.Name == "..":
		return errors.New("name is not allowed")
	case strings.ContainsAny(n.Name, "/\x00"):
		return errors.New("slash or NUL in name")
	}
	switch n.Type {
	case NodeFile, NodeDir, NodeSymlink, NodeDevice, NodeChar, NodeFIFO, NodeSocket:
	default:
		return fmt.Errorf("unknown type %s", quote([]byte(n.Type)))
	}
	switch {
	case n.Type != NodeFile && len(n.Content) > 0:
		return fmt.Errorf("%s with content", n.Type)
	case n.Type == NodeDir && n.Subtree == nil:
		return errors.New("dir without subtree")
	case n.Type != NodeDir && n.Subtree != nil:
		return fmt.Errorf("%s with subtree", n.Type)
	case n.Subtree != nil && n.Subtree.IsNull():
		return errors.New("null ID of subtree")
	}
	for i := range n.Content {
		if n.Content[i].IsNull() {
			return fmt.Errorf("null ID of content %d", i)
		}
	}
	return nil
}

// checkWritten are the rules for a node that we write, where others were laxer.
func (n *Node) checkWritten() error {
	if n.Type == NodeSymlink && n.LinkTarget == "" {
		return errors.New("symlink without target")
	}
	for _, x := range n.Xattrs {
		if x.Name == "" || !utf8.ValidString(x.Name) {
			return fmt.Errorf("name of extended attribute %s is empty or no UTF-8", quote([]byte(x.Name)))
		}
	}
	return nil
}
