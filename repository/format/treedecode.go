package format

import (
	"encoding/base64"
	"fmt"
	"io/fs"
	"math"
	"strconv"
	"time"
)

// DecodeTree reads a tree blob as restic, rustic or Encode wrote it. Names are
// unquoted. Keys that it does not know are skipped, null means absent, and the
// order of the nodes is not looked at: that is for Check. A node needs a name and
// a type. The tree holds no part of data.
func DecodeTree(data []byte) (*Tree, error) {
	d := treeDecoder{scanner: scanner{data: data}}
	t := d.tree()
	if err := d.end(); err != nil {
		return nil, fmt.Errorf("decode tree: %w", err)
	}
	return t, nil
}

// typicalNode is the size in bytes of a small node as restic writes it.
const typicalNode = 300

type treeDecoder struct {
	scanner
	free []ID // taken from the front for contents and subtrees
	ids  []ID // content of the present node

	timeText []byte    // the time that was read last: the three of a node are often
	time     time.Time // the same
	user     string    // those of the last node, to share the memory
	group    string
}

func (d *treeDecoder) tree() *Tree {
	const nodes = 0
	var seen fields
	t := &Tree{}
	for more := d.begin('{', '}'); more; more = d.more('}') {
		if string(d.key()) != "nodes" {
			d.skip()
			continue
		}
		seen.see(&d.scanner, nodes)
		if d.null() {
			continue
		}
		t.Nodes = make([]Node, 0, len(d.data)/typicalNode+1)
		for more := d.begin('[', ']'); more; more = d.more(']') {
			t.Nodes = append(t.Nodes, Node{})
			d.node(&t.Nodes[len(t.Nodes)-1])
		}
	}
	if !seen.has(nodes) {
		d.fail("no nodes")
	}
	return t
}

// The numbers of the keys of a node, to find those that come twice.
const (
	keyName = iota
	keyType
	keyMode
	keyModTime
	keyAccessTime
	keyChangeTime
	keyUID
	keyGID
	keyUser
	keyGroup
	keyInode
	keyDeviceID
	keySize
	keyLinks
	keyLinkTarget
	keyLinkTargetRaw
	keyXattrs
	keyGeneric
	keyDevice
	keyContent
	keySubtree
	keyError
)

func (d *treeDecoder) node(n *Node) {
	var seen fields
	var rawTarget []byte
	for more := d.begin('{', '}'); more; more = d.more('}') {
		key := nodeKey(d.key())
		if key < 0 {
			d.skip()
			continue
		}
		seen.see(&d.scanner, uint(key))
		switch {
		case d.null():
		case key == keyLinkTargetRaw:
			rawTarget = d.base64()
		default:
			d.field(n, key)
		}
	}
	if len(rawTarget) > 0 {
		n.LinkTarget = string(rawTarget) // the other one has U+FFFD in it
	}
	if d.err == nil && (!seen.has(keyName) || n.Type == "") {
		d.fail("node without name or type")
	}
}

func nodeKey(key []byte) int {
	switch string(key) {
	case "name":
		return keyName
	case "type":
		return keyType
	case "mode":
		return keyMode
	case "mtime":
		return keyModTime
	case "atime":
		return keyAccessTime
	case "ctime":
		return keyChangeTime
	case "uid":
		return keyUID
	case "gid":
		return keyGID
	case "user":
		return keyUser
	case "group":
		return keyGroup
	case "inode":
		return keyInode
	case "device_id":
		return keyDeviceID
	case "size":
		return keySize
	case "links":
		return keyLinks
	case "linktarget":
		return keyLinkTarget
	case "linktarget_raw":
		return keyLinkTargetRaw
	case "extended_attributes":
		return keyXattrs
	case "generic_attributes":
		return keyGeneric
	case "device":
		return keyDevice
	case "content":
		return keyContent
	case "subtree":
		return keySubtree
	case "error":
		return keyError
	}
	return -1
}

// field reads the value of a key, which is not null.
func (d *treeDecoder) field(n *Node, key int) {
	switch key {
	case keyName:
		n.Name = d.name()
	case keyType:
		n.Type = d.nodeType()
	case keyMode:
		n.Mode = fs.FileMode(d.uint32())
	case keyModTime:
		n.ModTime = d.timestamp()
	case keyAccessTime:
		n.AccessTime = d.timestamp()
	case keyChangeTime:
		n.ChangeTime = d.timestamp()
	case keyUID:
		n.UID = d.uint32()
	case keyGID:
		n.GID = d.uint32()
	case keyUser:
		n.User = again(&d.user, d.string())
	case keyGroup:
		n.Group = again(&d.group, d.string())
	case keyInode:
		n.Inode = d.uint(math.MaxUint64)
	case keyDeviceID:
		n.DeviceID = d.uint(math.MaxUint64)
	case keySize:
		n.Size = d.uint(math.MaxUint64)
	case keyLinks:
		n.Links = d.uint(math.MaxUint64)
	case keyLinkTarget:
		n.LinkTarget = string(d.string())
	case keyXattrs:
		n.Xattrs = d.xattrs()
	case keyGeneric:
		n.GenericAttributes = d.genericAttributes()
	case keyDevice:
		n.Device = d.uint(math.MaxUint64)
	case keyContent:
		n.Content = d.content()
	case keySubtree:
		n.Subtree = &d.take(1)[0]
		d.id(n.Subtree)
	case keyError:
		n.Error = string(d.string())
	}
}

// again gives text as a string, the last one if it is the same.
func again(last *string, text []byte) string {
	if *last != string(text) {
		*last = string(text)
	}
	return *last
}

// name undoes the quoting that is there under that of JSON.
func (d *treeDecoder) name() string {
	text := d.string()
	for _, c := range text {
		if c == '\\' || c == '"' || c == '\n' {
			name, err := strconv.Unquote(`"` + string(text) + `"`)
			if err != nil {
				d.fail("name %s is not quoted as it must be", quote(text))
			}
			return name
		}
	}
	return string(text)
}

// nodeType keeps types that it does not know: Check judges them.
func (d *treeDecoder) nodeType() NodeType {
	switch t := NodeType(d.string()); t {
	case NodeFile:
		return NodeFile // the constant, to share the memory
	case NodeDir:
		return NodeDir
	default:
		return t
	}
}

func (d *treeDecoder) timestamp() time.Time {
	text := d.string()
	if d.err != nil {
		return time.Time{}
	}
	if len(d.timeText) == 0 || string(text) != string(d.timeText) {
		if err := d.time.UnmarshalText(text); err != nil {
			d.fail("%w", err)
			return time.Time{}
		}
		d.timeText = append(d.timeText[:0], text...)
	}
	return d.time
}

func (d *treeDecoder) base64() []byte {
	text := d.string()
	b, err := base64.StdEncoding.AppendDecode([]byte{}, text)
	if err != nil {
		d.fail("%w", err)
	}
	return b
}

func (d *treeDecoder) xattrs() []Xattr {
	var xattrs []Xattr
	for more := d.begin('[', ']'); more; more = d.more(']') {
		xattrs = append(xattrs, d.xattr())
	}
	return xattrs
}

func (d *treeDecoder) xattr() Xattr {
	const name, value = 0, 1
	var x Xattr
	var seen fields
	for more := d.begin('{', '}'); more; more = d.more('}') {
		switch string(d.key()) {
		case "name":
			seen.see(&d.scanner, name)
			x.Name = string(d.string())
		case "value":
			seen.see(&d.scanner, value)
			if !d.null() {
				x.Value = d.base64()
			}
		default:
			d.skip()
		}
	}
	if !seen.has(name) {
		d.fail("extended attribute without name")
	}
	return x
}

func (d *treeDecoder) genericAttributes() []byte {
	if d.next() != '{' {
		d.fail("want '{'")
		return nil
	}
	return append([]byte{}, d.skip()...)
}

func (d *treeDecoder) content() []ID {
	d.ids = d.ids[:0]
	for more := d.begin('[', ']'); more; more = d.more(']') {
		d.ids = append(d.ids, ID{})
		d.id(&d.ids[len(d.ids)-1])
	}
	out := d.take(len(d.ids))
	copy(out, d.ids)
	return out
}

// take allocates n IDs, many at a time: most contents are one or two.
func (d *treeDecoder) take(n int) []ID {
	const most = 256
	if n == 0 {
		return []ID{} // not nil: an empty file has a content
	}
	if n > len(d.free) {
		if n >= most {
			return make([]ID, n)
		}
		d.free = make([]ID, max(n, min(most, (len(d.data)-d.pos)/(2*len(ID{}))+1)))
	}
	out := d.free[:n:n]
	d.free = d.free[n:]
	return out
}
