package format

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"
)

// Encode gives the bytes of the tree blob: JSON exactly as Go's encoding/json
// version 1 writes it, and a newline. Two trees with equal nodes have equal bytes
// and so one ID; other programs encode a tree again and compare.
//
// It refuses what Check refuses, with one exception: a file whose Content is nil
// is written as an empty one. It also refuses what would not come back as it
// was: a symlink without a target, a name of an extended attribute that is empty
// or no UTF-8, a time outside of the years 0 to 9999. Bytes of User, Group and
// Error that are no UTF-8 are replaced by U+FFFD, so that whoever reads the tree
// and writes it again gets the same bytes; encoding/json by itself would write
// \ufffd and read it back as something that it writes in another way.
func (t *Tree) Encode() ([]byte, error) {
	e := treeEncoder{dst: make([]byte, 0, t.encodedSize())}
	e.raw(`{"nodes":[`)
	for i := range t.Nodes {
		n := &t.Nodes[i]
		err := t.checkOrder(i)
		if err == nil {
			err = n.check()
		}
		if err == nil {
			err = n.checkWritten()
		}
		if err == nil {
			if i > 0 {
				e.raw(",")
			}
			err = e.node(n)
		}
		if err != nil {
			return nil, fmt.Errorf("encode tree: %w", nodeError(i, n, err))
		}
	}
	e.raw("]}\n")
	return e.dst, nil
}

// encodedSize is a guess that is seldom too small.
func (t *Tree) encodedSize() int {
	size := 32
	for i := range t.Nodes {
		n := &t.Nodes[i]
		size += 360 + len(n.Name) + len(n.User) + len(n.Group) + (2*len(ID{})+3)*len(n.Content)
	}
	return size
}

type treeEncoder struct {
	dst  []byte
	time time.Time // the one written last, and
	text []byte    // its text: the three times of a node are often the same
}

func (e *treeEncoder) raw(s string)    { e.dst = append(e.dst, s...) }
func (e *treeEncoder) string(s string) { e.dst = appendJSONString(e.dst, s) }
func (e *treeEncoder) number(v uint64) { e.dst = strconv.AppendUint(e.dst, v, 10) }
func (e *treeEncoder) base64(b []byte) {
	e.dst = base64.StdEncoding.AppendEncode(append(e.dst, '"'), b)
	e.raw(`"`)
}
func (e *treeEncoder) id(id *ID) { e.dst = hex.AppendEncode(append(e.dst, '"'), id[:]); e.raw(`"`) }

// The fields that are left out when they are zero.
func (e *treeEncoder) optionalNumber(key string, v uint64) {
	if v != 0 {
		e.raw(key)
		e.number(v)
	}
}

func (e *treeEncoder) optionalString(key, s string) {
	if s != "" {
		e.raw(key)
		e.string(s)
	}
}

// node writes the fields in the order of restic-format.md 7.
func (e *treeEncoder) node(n *Node) error {
	e.raw(`{"name":`)
	e.dst = appendName(e.dst, n.Name)
	e.raw(`,"type":`)
	e.string(string(n.Type))
	e.optionalNumber(`,"mode":`, uint64(n.Mode))
	if err := e.times(n); err != nil {
		return err
	}
	e.raw(`,"uid":`)
	e.number(uint64(n.UID))
	e.raw(`,"gid":`)
	e.number(uint64(n.GID))
	e.optionalString(`,"user":`, label(n.User))
	e.optionalString(`,"group":`, label(n.Group))
	e.optionalNumber(`,"inode":`, n.Inode)
	e.optionalNumber(`,"device_id":`, n.DeviceID)
	e.optionalNumber(`,"size":`, n.Size)
	e.optionalNumber(`,"links":`, n.Links)
	e.optionalString(`,"linktarget":`, n.LinkTarget)
	if !utf8.ValidString(n.LinkTarget) {
		e.raw(`,"linktarget_raw":`)
		e.base64([]byte(n.LinkTarget))
	}
	e.xattrs(n.Xattrs)
	if err := e.genericAttributes(n.GenericAttributes); err != nil {
		return err
	}
	e.optionalNumber(`,"device":`, n.Device)
	e.content(n)
	if n.Subtree != nil {
		e.raw(`,"subtree":`)
		e.id(n.Subtree)
	}
	e.optionalString(`,"error":`, label(n.Error))
	e.raw("}")
	return nil
}

func label(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return string([]rune(s))
}

func (e *treeEncoder) times(n *Node) error {
	for _, f := range [...]struct {
		key  string
		time *time.Time
	}{{`,"mtime":`, &n.ModTime}, {`,"atime":`, &n.AccessTime}, {`,"ctime":`, &n.ChangeTime}} {
		if e.text == nil || *f.time != e.time {
			text, err := f.time.AppendText(append(e.text[:0], '"'))
			if err != nil {
				return err
			}
			e.time, e.text = *f.time, append(text, '"')
		}
		e.raw(f.key)
		e.dst = append(e.dst, e.text...)
	}
	return nil
}

func (e *treeEncoder) xattrs(xattrs []Xattr) {
	if len(xattrs) == 0 {
		return
	}
	e.raw(`,"extended_attributes":[`)
	for i, x := range xattrs {
		if i > 0 {
			e.raw(",")
		}
		e.raw(`{"name":`)
		e.string(x.Name)
		e.raw(`,"value":`)
		e.base64(x.Value) // "" and never null, which older rustic refuses
		e.raw("}")
	}
	e.raw("]")
}

func (e *treeEncoder) genericAttributes(object []byte) error {
	if len(object) == 0 {
		return nil
	}
	if object[0] != '{' {
		return errors.New("generic attributes are no JSON object")
	}
	canonical, err := json.Marshal(json.RawMessage(object))
	if err != nil {
		return fmt.Errorf("generic attributes: %w", err)
	}
	if string(canonical) != "{}" {
		e.raw(`,"generic_attributes":`)
		e.dst = append(e.dst, canonical...)
	}
	return nil
}

func (e *treeEncoder) content(n *Node) {
	if n.Content == nil && n.Type != NodeFile {
		e.raw(`,"content":null`)
		return
	}
	e.raw(`,"content":[`)
	for i := range n.Content {
		if i > 0 {
			e.raw(",")
		}
		e.id(&n.Content[i])
	}
	e.raw("]")
}
