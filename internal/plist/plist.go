// Package plist reads and writes Apple property lists, binary (bplist00) and
// XML, with the bounds that bytes from a phone or a client need.
//
// The codec itself is howett.net/plist. Given hostile input that library can
// recurse until the process dies, or expand a few shared objects into
// gigabytes, so this package looks at the shape of the input first and refuses
//
//   - anything that is neither bplist00 nor XML (no OpenStep text),
//   - containers nested deeper than [MaxDepth],
//   - binary lists whose references, followed one by one, give more than
//     [MaxNodes] values (a shared object counts each time it is referenced),
//   - integers that do not fit the field they are for.
//
// Strings and data that come back may share memory with the input: do not
// change or reuse the bytes given to [Unmarshal].
package plist

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"howett.net/plist"
)

// Format is one of the two encodings that phones and their hosts speak.
type Format int

const (
	XML    Format = plist.XMLFormat
	Binary Format = plist.BinaryFormat
)

const (
	// MaxDepth bounds how deep containers may nest. Real lists stay under 20;
	// keyed archives refer by UID and are flat.
	MaxDepth = 256
	// MaxNodes bounds the values that one list may expand to. The largest real
	// list known, an Info.plist of 167 apps, has under 10,000; a directory
	// listing of 50,000 files has 350,000.
	MaxNodes = 8 << 20
)

// UID is a reference between the objects of a keyed archive.
type UID = plist.UID

// ErrMalformed is wrapped by every error of [Unmarshal] that the input caused.
var ErrMalformed = errors.New("malformed property list")

// Marshal encodes v. Struct fields are named by `plist:"Name,omitempty"` tags.
// Binary lists are byte-for-byte what Apple's encoder makes of the same flat
// values (protocol.md 8.1); XML carries Apple's DOCTYPE and differs only in
// white space.
func Marshal(v any, f Format) ([]byte, error) {
	if f == XML {
		b, err := plist.MarshalIndent(v, int(f), "\t")
		if err != nil {
			return nil, fmt.Errorf("encode property list: %w", err)
		}
		return append(b, '\n'), nil
	}
	b, err := plist.Marshal(v, int(f))
	if err != nil {
		return nil, fmt.Errorf("encode property list: %w", err)
	}
	return b, nil
}

// FormatOf tells how data is encoded; ok is false when it is no property list
// by its first bytes.
func FormatOf(data []byte) (f Format, ok bool) {
	if bytes.HasPrefix(data, []byte("bplist00")) {
		return Binary, true
	}
	trimmed := bytes.TrimLeft(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")), " \t\r\n")
	for _, p := range []string{"<?xml", "<plist", "<!DOCTYPE"} {
		if bytes.HasPrefix(trimmed, []byte(p)) {
			return XML, true
		}
	}
	return 0, false
}

// Unmarshal decodes data into v, a pointer, as encoding/json would: dictionary
// keys without a field are ignored, absent ones leave the field alone. Into an
// *any it gives map[string]any, []any, string, []byte, bool, uint64 or int64,
// float64 and time.Time.
func Unmarshal(data []byte, v any) (err error) {
	f, ok := FormatOf(data)
	if !ok {
		return fmt.Errorf("%w: neither binary nor XML (starts with %.16q)", ErrMalformed, data)
	}
	if f == Binary {
		err = checkBinary(data)
	} else {
		err = checkXML(data)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	defer func() {
		// The library panics on some out-of-range offsets: its input, not our state.
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", ErrMalformed, r)
		}
	}()
	if err := checkRanges(data, v); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if _, err := plist.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return nil
}

// A binary property list:
//
//	"bplist00" | objects … | offset table | trailer (32 bytes)
//
//	trailer: 6 unused, u8 offset size, u8 reference size,
//	         u64 number of objects, u64 top object, u64 offset table offset
//
// Containers (0xA array, 0xC set, 0xD dictionary; low nibble = count, 0xF = an
// integer object with the count follows) hold references into the offset table.
type binaryShape struct {
	data            []byte
	offsetSize      int
	refSize         int
	count, tableOff uint64
	nodes           []int64 // expanded size by object; 0 unknown, -1 being counted
}

func checkBinary(data []byte) error {
	const headerLen, trailerLen = 8, 32
	if len(data) < headerLen+1+1+trailerLen {
		return errors.New("too short")
	}
	trailer := data[len(data)-trailerLen:]
	s := binaryShape{
		data:       data,
		offsetSize: int(trailer[6]),
		refSize:    int(trailer[7]),
		count:      binary.BigEndian.Uint64(trailer[8:]),
		tableOff:   binary.BigEndian.Uint64(trailer[24:]),
	}
	top := binary.BigEndian.Uint64(trailer[16:])
	body := uint64(len(data) - trailerLen)
	if s.offsetSize < 1 || s.offsetSize > 8 || s.refSize < 1 || s.refSize > 8 {
		return fmt.Errorf("impossible integer sizes %d and %d", s.offsetSize, s.refSize)
	}
	if s.count == 0 || s.count > body || top >= s.count {
		return fmt.Errorf("impossible object count %d (top %d)", s.count, top)
	}
	if s.tableOff < headerLen+1 || s.tableOff > body || (body-s.tableOff)/uint64(s.offsetSize) < s.count {
		return fmt.Errorf("offset table at %d does not fit", s.tableOff)
	}
	s.nodes = make([]int64, s.count)
	_, err := s.expand(top, 0)
	return err
}

func (s *binaryShape) uint(off uint64, size int) uint64 {
	var n uint64
	for _, b := range s.data[off : off+uint64(size)] {
		n = n<<8 | uint64(b)
	}
	return n
}

// expand returns how many values object i stands for, itself included.
func (s *binaryShape) expand(i uint64, depth int) (int64, error) {
	if i >= s.count {
		return 0, fmt.Errorf("reference to object %d of %d", i, s.count)
	}
	switch n := s.nodes[i]; {
	case n < 0:
		return 0, fmt.Errorf("object %d contains itself", i)
	case n > 0:
		return n, nil
	}
	if depth > MaxDepth {
		return 0, fmt.Errorf("nested deeper than %d", MaxDepth)
	}
	off := s.uint(s.tableOff+i*uint64(s.offsetSize), s.offsetSize)
	if off < 8 || off >= s.tableOff {
		return 0, fmt.Errorf("object %d at offset %d, outside the objects", i, off)
	}
	tag := s.data[off]
	refs := uint64(1)
	switch tag & 0xF0 {
	case 0xA0, 0xC0:
	case 0xD0:
		refs = 2
	default:
		s.nodes[i] = 1
		return 1, nil
	}
	n := uint64(tag & 0x0F)
	off++
	if n == 0x0F {
		if off >= s.tableOff || s.data[off]&0xF0 != 0x10 || s.data[off]&0x0F > 3 {
			return 0, fmt.Errorf("object %d has no count", i)
		}
		size := 1 << (s.data[off] & 0x0F)
		if off+1+uint64(size) > s.tableOff {
			return 0, fmt.Errorf("count of object %d is cut off", i)
		}
		n = s.uint(off+1, size)
		off += 1 + uint64(size)
	}
	if n > (s.tableOff-off)/uint64(s.refSize)/refs {
		return 0, fmt.Errorf("object %d claims %d entries", i, n)
	}
	s.nodes[i] = -1
	total := int64(1)
	for k := range n * refs {
		sub, err := s.expand(s.uint(off+k*uint64(s.refSize), s.refSize), depth+1)
		if err != nil {
			return 0, err
		}
		if total += sub; total > MaxNodes {
			return 0, fmt.Errorf("more than %d values", MaxNodes)
		}
	}
	s.nodes[i] = total
	return total, nil
}

// checkXML bounds the nesting, since the decoder recurses into it.
func checkXML(data []byte) error {
	depth := 0
	for {
		i := bytes.IndexByte(data, '<')
		if i < 0 {
			return nil
		}
		data = data[i+1:]
		var end string
		switch {
		case bytes.HasPrefix(data, []byte("!--")):
			end = "-->"
		case bytes.HasPrefix(data, []byte("![CDATA[")):
			end = "]]>"
		case bytes.HasPrefix(data, []byte("?")):
			end = "?>"
		default:
			end = ">"
		}
		j := bytes.Index(data, []byte(end))
		if j < 0 {
			return errors.New("unclosed tag")
		}
		tag := data[:j]
		data = data[j+len(end):]
		if end != ">" || len(tag) == 0 || tag[0] == '!' || tag[len(tag)-1] == '/' {
			continue
		}
		if tag[0] == '/' {
			depth--
		} else if depth++; depth > MaxDepth {
			return fmt.Errorf("nested deeper than %d", MaxDepth)
		}
	}
}
