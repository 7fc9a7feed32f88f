package journal

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/keepsake-backup/keepsake/backup/internal/spool"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// Kind is what a record tells.
type Kind uint8

// The kinds, with the fields of Record that they use.
const (
	// Put: a file arrived. Path, Time, Size, and its bytes: Inline, Extents or
	// Content. The file is an object, numbered from 1 in the order of these records.
	Put Kind = iota + 1
	// Void takes the number of an object that is not there any more.
	Void
	// Mkdir: Path. Rename: Path, To. Remove: Path.
	Mkdir
	Rename
	Remove
	// Stored: an object is durable in the repository. Object, Content.
	Stored
	// Lost: the bytes of an object are gone; so is its file, wherever it stands.
	Lost
	// Synced: everything before is durable.
	Synced
	// Boot: a process began to append. Text names the start of the machine.
	Boot
	// Finished: the phone said that its backup is complete. Time; Text is the
	// caller's.
	Finished
	// Keys: the backup password was given. Text is the caller's.
	Keys
	lastKind = Keys
)

// Content is what became of an object in the repository.
type Content struct {
	Size int64    // bytes there
	SHA1 [20]byte // of the bytes as they came
	// Raw: it could not be unsealed. Unsealed: it was, with the key whose check
	// is KeyCheck. Neither: nobody tried.
	Raw, Unsealed bool
	KeyCheck      [8]byte
	Blobs         []format.ID
}

// Record is one thing that happened.
type Record struct {
	Kind     Kind
	Path, To string
	Object   uint32
	Time     int64 // Unix seconds
	Size     int64 // of the object, in bytes
	Inline   []byte
	Extents  []spool.Extent
	Content  *Content
	Text     string
}

// Bounds of what is decoded.
const (
	maxPath   = 8 << 10
	maxInline = 1 << 20
	maxText   = 1 << 20
)

// Errors of decoding wrap ErrMalformed.
var ErrMalformed = errors.New("malformed record")

// Append encodes r for the backup of udid, whose paths are short then.
func (r *Record) Append(b []byte, udid string) []byte {
	b = append(b, byte(r.Kind))
	switch r.Kind {
	case Put:
		b = appendPath(b, r.Path, udid)
		b = binary.AppendVarint(b, r.Time)
		b = binary.AppendUvarint(b, uint64(r.Size))
		switch {
		case r.Content != nil:
			b = r.Content.append(append(b, 'c'))
		case r.Extents != nil:
			b = appendExtents(append(b, 'e'), r.Extents)
		default:
			b = appendText(append(b, 'i'), r.Inline)
		}
	case Mkdir, Remove:
		b = appendPath(b, r.Path, udid)
	case Rename:
		b = appendPath(appendPath(b, r.Path, udid), r.To, udid)
	case Stored:
		b = r.Content.append(binary.AppendUvarint(b, uint64(r.Object)))
	case Lost:
		b = binary.AppendUvarint(b, uint64(r.Object))
	case Boot, Keys:
		b = appendText(b, []byte(r.Text))
	case Finished:
		b = appendText(binary.AppendVarint(b, r.Time), []byte(r.Text))
	}
	return b
}

func appendText(b, text []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

// appendPath writes a path, short if it is that of a file ID.
func appendPath(b []byte, path, udid string) []byte {
	rest, ok := strings.CutPrefix(path, udid+"/")
	form := byte(1)
	if r, in := strings.CutPrefix(rest, "Snapshot/"); in {
		rest, form = r, 2
	}
	if ok && len(rest) == 43 && rest[2] == '/' && rest[:2] == rest[3:5] && strings.ToLower(rest) == rest {
		if id, err := hex.DecodeString(rest[3:]); err == nil {
			return append(append(b, form), id...)
		}
	}
	return appendText(append(b, 0), []byte(path))
}

func appendExtents(b []byte, list []spool.Extent) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, e := range list {
		b = binary.AppendUvarint(b, uint64(e.Segment))
		b = binary.AppendUvarint(b, uint64(e.Offset))
		b = binary.AppendUvarint(b, uint64(e.Length))
	}
	return b
}

func (c *Content) append(b []byte) []byte {
	flags := byte(0)
	if c.Raw {
		flags |= 1
	}
	if c.Unsealed {
		flags |= 2
	}
	b = append(binary.AppendUvarint(append(b, flags), uint64(c.Size)), c.SHA1[:]...)
	if c.Unsealed {
		b = append(b, c.KeyCheck[:]...)
	}
	b = binary.AppendUvarint(b, uint64(len(c.Blobs)))
	for i := range c.Blobs {
		b = append(b, c.Blobs[i][:]...)
	}
	return b
}

// Decode reads one record from the front of b and gives what follows it.
func Decode(b []byte, udid string) (r Record, rest []byte, err error) {
	d := decoder{b: b, udid: udid}
	r = d.record()
	if d.failed {
		return Record{}, nil, fmt.Errorf("%w of kind %d", ErrMalformed, r.Kind)
	}
	return r, d.b, nil
}

type decoder struct {
	b      []byte
	udid   string
	failed bool
}

func (d *decoder) record() (r Record) {
	r.Kind = Kind(d.byte())
	switch r.Kind {
	case Put:
		r.Path, r.Time, r.Size = d.path(), d.signed(), d.size()
		switch d.byte() {
		case 'c':
			r.Content = d.content()
		case 'e':
			r.Extents = d.extents()
			if spool.Size(r.Extents) != r.Size {
				d.failed = true
			}
		case 'i':
			r.Inline = d.text(maxInline)
			if int64(len(r.Inline)) != r.Size {
				d.failed = true
			}
		default:
			d.failed = true
		}
	case Mkdir, Remove:
		r.Path = d.path()
	case Rename:
		r.Path, r.To = d.path(), d.path()
	case Stored:
		r.Object, r.Content = d.object(), d.content()
	case Lost:
		r.Object = d.object()
	case Boot, Keys:
		r.Text = string(d.text(maxText))
	case Finished:
		r.Time, r.Text = d.signed(), string(d.text(maxText))
	case Void, Synced:
	default:
		d.failed = true
	}
	return r
}

// take gives the next n bytes, or n zeros when there are not so many.
func (d *decoder) take(n int) []byte {
	if d.failed || n > len(d.b) {
		d.failed = true
		return make([]byte, min(n, 64))
	}
	p := d.b[:n:n]
	d.b = d.b[n:]
	return p
}

func (d *decoder) byte() byte { return d.take(1)[0] }

func (d *decoder) unsigned(most uint64) uint64 {
	v, n := binary.Uvarint(d.b)
	if d.failed || n <= 0 || v > most {
		d.failed = true
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) signed() int64 {
	v, n := binary.Varint(d.b)
	if d.failed || n <= 0 {
		d.failed = true
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) size() int64 { return int64(d.unsigned(math.MaxInt64 >> 8)) }

func (d *decoder) object() uint32 {
	n := uint32(d.unsigned(math.MaxUint32 >> 1))
	if n == 0 {
		d.failed = true
	}
	return n
}

// text gives a copy of up to most bytes, empty and not nil.
func (d *decoder) text(most int) []byte {
	n := int(d.unsigned(uint64(most)))
	if n > len(d.b) {
		d.failed = true
		return nil
	}
	return append([]byte{}, d.take(n)...)
}

func (d *decoder) path() string {
	switch form := d.byte(); form {
	case 0:
		return string(d.text(maxPath))
	case 1, 2:
		id := d.take(20)
		if d.failed {
			return ""
		}
		folder := d.udid + "/"
		if form == 2 {
			folder += "Snapshot/"
		}
		name := hex.EncodeToString(id)
		return folder + name[:2] + "/" + name
	}
	d.failed = true
	return ""
}

// extents gives a list that is not nil.
func (d *decoder) extents() []spool.Extent {
	n := d.unsigned(uint64(len(d.b)) / 3)
	list := make([]spool.Extent, 0, n)
	total := int64(0)
	for range n {
		e := spool.Extent{Segment: uint32(d.unsigned(math.MaxInt32)), Offset: d.size(), Length: d.size()}
		if total += e.Length; d.failed || e.Segment == 0 || e.Length == 0 || total > math.MaxInt64>>8 {
			d.failed = true
			return nil
		}
		list = append(list, e)
	}
	return list
}

func (d *decoder) content() *Content {
	flags := d.byte()
	c := &Content{Raw: flags&1 != 0, Unsealed: flags&2 != 0}
	if flags > 3 || flags == 3 {
		d.failed = true
	}
	c.Size = d.size()
	copy(c.SHA1[:], d.take(20))
	if c.Unsealed {
		copy(c.KeyCheck[:], d.take(8))
	}
	n := d.unsigned(uint64(len(d.b)) / 32)
	if d.failed {
		return c
	}
	c.Blobs = make([]format.ID, n)
	for i := range c.Blobs {
		copy(c.Blobs[i][:], d.take(32))
	}
	return c
}
