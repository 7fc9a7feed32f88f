package format

import (
	"io/fs"
	"time"
)

// NodeType says what an entry of a folder is.
type NodeType string

// The types of nodes that a tree may hold.
const (
	NodeFile    NodeType = "file"
	NodeDir     NodeType = "dir"
	NodeSymlink NodeType = "symlink"
	NodeDevice  NodeType = "dev"
	NodeChar    NodeType = "chardev"
	NodeFIFO    NodeType = "fifo"
	NodeSocket  NodeType = "socket"
)

// Node is one entry of a folder (restic-format.md 7). Name holds the raw bytes,
// as the file system has them; the quoting of the format happens in Encode and
// DecodeTree. Sizes are in bytes.
type Node struct {
	Name       string
	Type       NodeType
	Mode       fs.FileMode // Go's bits, as the format wants them
	ModTime    time.Time
	AccessTime time.Time
	ChangeTime time.Time
	UID, GID   uint32
	User       string
	Group      string
	Inode      uint64
	DeviceID   uint64
	Size       uint64
	Links      uint64
	LinkTarget string // raw bytes; never empty for a symlink
	Xattrs     []Xattr

	// GenericAttributes is a JSON object with what other systems know of the
	// entry (windows.*), kept as it was found; nil if there is none.
	GenericAttributes []byte

	Device  uint64 // number of a device node
	Content []ID   // of a file: its data blobs in order
	Subtree *ID    // of a dir
	Error   string
}

// Xattr is an extended attribute.
type Xattr struct {
	Name  string
	Value []byte
}

// Tree is a folder: nodes sorted by the bytes of their names, each name once.
type Tree struct {
	Nodes []Node
}

// Find returns the node of that name.
func (t *Tree) Find(name string) (*Node, bool) {
	lo, hi := 0, len(t.Nodes)
	for lo < hi {
		mid := (lo + hi) / 2
		if t.Nodes[mid].Name < name {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo < len(t.Nodes) && t.Nodes[lo].Name == name {
		return &t.Nodes[lo], true
	}
	return nil, false
}
