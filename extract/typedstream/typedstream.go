// Package typedstream reads what NSArchiver writes: the attributedBody of messages, an
// NSAttributedString (content-schemas.md 3).
//
//	04 0B "streamtyped" 81 E8 03          version 4, signature, system version 1000
//	84 01 "@"                             the type of what follows: an object
//	84 84 84 12 "NSAttributedString" 00   new object, new class, its name, its version
//	   84 84 08 "NSObject" 00 85          its superclass; 85 ends the chain
//	92 84 84 84 08 "NSString" 01 94       type "@" again by reference; 94 is NSObject
//	84 01 "+" 02 "hi" 86                  the text; 86 ends the object
//	84 02 "iI" 01 02                      a run: dictionary 1, two UTF-16 units
//	92 84 84 84 0C "NSDictionary" 00 94 84 01 "i" 01 …   its attributes, once
//	86
//
// # Values
//
// A value follows a type that says what it is, in the letters of Objective-C: c C s S
// i I l L q Q whole numbers, f d others, "*" a C string, "+" bytes with their length,
// ":" a selector, "#" a class, "@" an object, "[12c]" an array, "{name=ii}" a struct.
// A type of several letters is followed by as many values.
//
// # References
//
// Whatever was written before is referred to by its number from 0x92 on, in one of two
// tables: that of strings (types, names of classes, the contents of C strings), and that
// of objects, classes and C strings in the order in which they begin. 84 begins a new
// one, 85 is none.
//
// # Numbers
//
// A number is one byte from −110 to 127, or 81 and two bytes, 82 and four, 87 and eight,
// little-endian; 83 and four or eight bytes is a float or double. A length is
// unsigned. A char is one byte as it is.
//
// # Bounds
//
// Streams come from anybody who sends a message: objects nest 64 deep at most, and there
// are no more values than bytes, whatever the types claim.
package typedstream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
)

// ErrMalformed is wrapped by every error of this package: no typedstream, or none with
// an attributed string in it.
var ErrMalformed = errors.New("malformed typedstream")

// Tags of one byte; what is below 0x80 or from 0x92 on is a number or a reference.
const (
	tagInt16 = 0x81
	tagInt32 = 0x82
	tagReal  = 0x83
	tagNew   = 0x84
	tagNil   = 0x85
	tagEnd   = 0x86
	tagInt64 = 0x87
	tagsEnd  = 0x92 // and the first reference

	firstRef  = -110 // 0x92 as a signed byte
	signature = "streamtyped"
	maxDepth  = 64
	// minStream is the shortest beginning that tells a typedstream.
	minStream = 2 + len(signature)
)

// Class is a class as it was written.
type Class struct {
	Name    string
	Version int64
	Super   *Class
}

// Is tells whether a class or one of its superclasses has one of the names.
func (c *Class) Is(names ...string) bool {
	for ; c != nil; c = c.Super {
		for _, n := range names {
			if c.Name == n {
				return true
			}
		}
	}
	return false
}

// Object is an object: its values in their order, whatever the groups in which they were
// written. They are int64, float64, string (of C strings, bytes and arrays of
// chars), *Object, *Class, []any of arrays and structs, or nil. Objects may contain
// themselves.
type Object struct {
	Class  *Class
	Values []any
}

// reader reads one stream. Its strings share the memory of data.
type reader struct {
	data    string
	at      int
	strings []string
	objects []any // *Object, *Class, string of C strings
	values  int
	// ended is told of each object whose end has been read; nil tells nobody.
	ended func(*Object)
}

func (r *reader) fault(format string, a ...any) error {
	return fmt.Errorf("%w: offset %d: %s", ErrMalformed, r.at, fmt.Sprintf(format, a...))
}

func (r *reader) take(n int) (string, error) {
	if n < 0 || n > len(r.data)-r.at {
		return "", r.fault("%d bytes are not there", n)
	}
	r.at += n
	return r.data[r.at-n : r.at], nil
}

func (r *reader) byte() (byte, error) {
	if r.at >= len(r.data) {
		return 0, r.fault("it ends")
	}
	r.at++
	return r.data[r.at-1], nil
}

// integer reads a number; signed tells how the short forms are meant.
func (r *reader) integer(signed bool) (int64, error) {
	c, err := r.byte()
	if err != nil {
		return 0, err
	}
	var n int
	switch c {
	case tagInt16:
		n = 2
	case tagInt32:
		n = 4
	case tagInt64:
		n = 8
	default:
		if c >= 0x80 && c < tagsEnd {
			return 0, r.fault("tag %#x where a number belongs", c)
		}
		if signed {
			return int64(int8(c)), nil
		}
		return int64(c), nil
	}
	s, err := r.take(n)
	if err != nil {
		return 0, err
	}
	var b [8]byte
	copy(b[:], s)
	v := binary.LittleEndian.Uint64(b[:])
	if signed {
		shift := 64 - 8*n
		return int64(v<<shift) >> shift, nil
	}
	if v > math.MaxInt64 {
		return 0, r.fault("number %d is too large", v)
	}
	return int64(v), nil
}

// counted reads bytes behind their length.
func (r *reader) counted() (string, error) {
	n, err := r.integer(false)
	if err != nil {
		return "", err
	}
	if n > int64(len(r.data)-r.at) {
		return "", r.fault("%d bytes are not there", n)
	}
	return r.take(int(n))
}

// head begins the reading of what may be new, none, or referred to among n things; ref
// is −1 when it is none of those.
func (r *reader) head(n int) (isNew bool, ref int, err error) {
	c, err := r.byte()
	switch {
	case err != nil:
		return false, 0, err
	case c == tagNew:
		return true, -1, nil
	case c == tagNil:
		return false, -1, nil
	}
	r.at--
	v, err := r.integer(true)
	if err != nil {
		return false, 0, err
	}
	if v -= firstRef; v < 0 || v >= int64(n) {
		return false, 0, r.fault("a reference to number %d of %d", v, n)
	}
	return false, int(v), nil
}

// shared reads a string of the first table.
func (r *reader) shared() (string, error) {
	isNew, ref, err := r.head(len(r.strings))
	switch {
	case err != nil:
		return "", err
	case !isNew && ref < 0:
		return "", nil
	case !isNew:
		return r.strings[ref], nil
	}
	s, err := r.counted()
	r.strings = append(r.strings, s)
	return s, err
}

// class reads a chain of classes, the first of which would be number first.
func (r *reader) class(first int) (*Class, error) {
	isNew, ref, err := r.head(len(r.objects))
	switch {
	case err != nil:
		return nil, err
	case !isNew && ref < 0:
		return nil, nil
	case !isNew:
		c, ok := r.objects[ref].(*Class)
		if !ok || ref >= first { // a class is not above itself
			return nil, r.fault("number %d is no class", ref)
		}
		return c, nil
	case len(r.objects)-first >= maxDepth:
		return nil, r.fault("more than %d superclasses", maxDepth)
	}
	c := &Class{}
	r.objects = append(r.objects, c)
	if c.Name, err = r.shared(); err != nil {
		return nil, err
	}
	if c.Version, err = r.integer(true); err != nil {
		return nil, err
	}
	c.Super, err = r.class(first)
	return c, err
}

// object reads an object; nil is none.
func (r *reader) object(depth int) (*Object, error) {
	isNew, ref, err := r.head(len(r.objects))
	switch {
	case err != nil:
		return nil, err
	case !isNew && ref < 0:
		return nil, nil
	case !isNew:
		o, ok := r.objects[ref].(*Object)
		if !ok {
			return nil, r.fault("number %d is no object", ref)
		}
		return o, nil
	case depth >= maxDepth:
		return nil, r.fault("more than %d objects in each other", maxDepth)
	}
	o := &Object{}
	r.objects = append(r.objects, o)
	if o.Class, err = r.class(len(r.objects)); err != nil {
		return nil, err
	}
	for r.at < len(r.data) && r.data[r.at] != tagEnd {
		if o.Values, err = r.group(o.Values, depth+1); err != nil {
			return o, err
		}
	}
	if _, err := r.byte(); err != nil {
		return o, err
	}
	if r.ended != nil {
		r.ended(o)
	}
	return o, nil
}

// group reads a type and its values, and appends these to list.
func (r *reader) group(list []any, depth int) ([]any, error) {
	types, err := r.shared()
	if err != nil {
		return list, err
	}
	if types == "" {
		return list, r.fault("a group without a type")
	}
	for types != "" {
		var v any
		if v, types, err = r.value(types, depth); err != nil {
			return list, err
		}
		list = append(list, v)
	}
	return list, nil
}

// value reads a value of the first of types, and gives the types behind it.
func (r *reader) value(types string, depth int) (v any, rest string, err error) {
	if r.values++; r.values > len(r.data) {
		return nil, "", r.fault("more values than bytes")
	}
	rest = types[1:]
	switch types[0] {
	case 'c', 'C', 'B':
		var c byte
		if c, err = r.byte(); types[0] == 'c' {
			return int64(int8(c)), rest, err
		}
		return int64(c), rest, err
	case 's', 'i', 'l', 'q':
		v, err = r.integer(true)
	case 'S', 'I', 'L', 'Q':
		v, err = r.integer(false)
	case 'f', 'd':
		v, err = r.real(types[0])
	case '*':
		v, err = r.cString()
	case ':', '%':
		v, err = r.shared()
	case '+':
		v, err = r.counted()
	case '#':
		v, err = r.class(len(r.objects))
	case '@':
		v, err = r.object(depth)
	case '[':
		return r.array(rest, depth)
	case '{', '(':
		return r.structure(rest, depth)
	default:
		return nil, "", r.fault("a value of type %q", types[:1])
	}
	return v, rest, err
}

func (r *reader) real(kind byte) (float64, error) {
	if r.at >= len(r.data) || r.data[r.at] != tagReal {
		v, err := r.integer(true)
		return float64(v), err
	}
	r.at++
	if kind == 'f' {
		s, err := r.take(4)
		if err != nil {
			return 0, err
		}
		return float64(math.Float32frombits(binary.LittleEndian.Uint32([]byte(s)))), nil
	}
	s, err := r.take(8)
	if err != nil {
		return 0, err
	}
	return math.Float64frombits(binary.LittleEndian.Uint64([]byte(s))), nil
}

// cString has a number among the objects, and its letters one among the strings.
func (r *reader) cString() (string, error) {
	isNew, ref, err := r.head(len(r.objects))
	switch {
	case err != nil:
		return "", err
	case !isNew && ref < 0:
		return "", nil
	case !isNew:
		s, ok := r.objects[ref].(string)
		if !ok {
			return "", r.fault("number %d is no C string", ref)
		}
		return s, nil
	}
	slot := len(r.objects)
	r.objects = append(r.objects, "")
	s, err := r.shared()
	r.objects[slot] = s
	return s, err
}

// array reads "12c]"; chars are given as a string.
func (r *reader) array(types string, depth int) (v any, rest string, err error) {
	n := 0
	for len(types) > 0 && types[0] >= '0' && types[0] <= '9' {
		if n = n*10 + int(types[0]-'0'); n > len(r.data) {
			return nil, "", r.fault("an array of more than %d", n)
		}
		types = types[1:]
	}
	end := closing(types, '[', ']')
	if end < 1 || depth >= maxDepth {
		return nil, "", r.fault("an array type that does not end")
	}
	of, rest := types[:end], types[end+1:]
	if of == "c" || of == "C" {
		v, err = r.take(n)
		return v, rest, err
	}
	list := make([]any, 0, min(n, 64))
	for range n {
		one, left, err := r.value(of, depth+1)
		if err != nil {
			return nil, "", err
		}
		if left != "" {
			return nil, "", r.fault("an array of several types")
		}
		list = append(list, one)
	}
	return list, rest, nil
}

// structure reads "name=ii}".
func (r *reader) structure(types string, depth int) (v any, rest string, err error) {
	end := closing(types, '{', '}')
	if end < 0 || depth >= maxDepth {
		return nil, "", r.fault("a struct type that does not end")
	}
	fields, rest := types[:end], types[end+1:]
	if _, after, ok := strings.Cut(fields, "="); ok {
		fields = after
	}
	var list []any
	for fields != "" {
		var one any
		if one, fields, err = r.value(fields, depth+1); err != nil {
			return nil, "", err
		}
		list = append(list, one)
	}
	return list, rest, nil
}

// closing finds the bracket that closes the one before types.
func closing(types string, open, end byte) int {
	depth := 0
	for i := range len(types) {
		switch types[i] {
		case open:
			depth++
		case end:
			if depth == 0 {
				return i
			}
			depth--
		}
	}
	return -1
}

// start reads the beginning.
func (r *reader) start() error {
	version, err := r.integer(true)
	if err != nil {
		return err
	}
	name, err := r.counted()
	if err != nil {
		return err
	}
	if version != 4 || name != signature {
		return r.fault("version %d, %q", version, name)
	}
	_, err = r.integer(true)
	return err
}

// Objects gives the values of a stream's first level, one of which is commonly the
// object that was archived.
func Objects(data []byte) ([]any, error) {
	r := &reader{data: string(data)}
	if err := r.start(); err != nil {
		return nil, err
	}
	var list []any
	for r.at < len(r.data) {
		var err error
		if list, err = r.group(list, 0); err != nil {
			return list, err
		}
	}
	return list, nil
}
