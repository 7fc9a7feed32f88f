package appdata

import (
	"bytes"
	"encoding/binary"
	"slices"
	"unicode/utf16"
)

// A typedstream is what NSArchiver writes; Messages keeps every body in one,
// an NSAttributedString (content-schemas.md 3).
//
//	04 0B "streamtyped" 81 E8 03          version 4, system version 1000
//	84 01 "@"                             a value of type @, an object
//	84 84 84 12 "NSAttributedString" 00   new object, new class, its name, its version
//	   84 84 08 "NSObject" 00 85          superclass; 85 ends the chain
//	92 84 84 84 08 "NSString" 01 94 …     type @ again, by reference; 94 is NSObject
//	84 01 "+" 02 "hi" 86                  the text; 86 ends the object
//	84 02 "iI" 01 02                      a run: dictionary 1, 2 UTF-16 units
//	92 84 84 84 0C "NSDictionary" 00 94 84 01 "i" 01 …  its attributes, once
//	86
//
// Whatever was written before is referred to. There are two tables, each
// counted from 0x92: one of strings (types and class names), one of objects,
// classes and C strings in the order in which they begin.
//
// An integer is one byte, or 81 and two bytes, or 82 and four, little endian.
// Tags take 80 to 91, so a single byte holds −110 to 127; lengths are unsigned
// and take one byte below 128.
const (
	tagInt16   = 0x81
	tagInt32   = 0x82
	tagNew     = 0x84
	tagNil     = 0x85
	tagEnd     = 0x86
	firstRef   = -110 // 0x92 as a signed byte
	streamHead = "\x04\x0bstreamtyped\x81\xe8\x03"
)

// Attribute names of message bodies.
const (
	attrPart      = "__kIMMessagePartAttributeName"
	attrTransfer  = "__kIMFileTransferGUIDAttributeName"
	attrDirection = "__kIMBaseWritingDirectionAttributeName"
	attrMention   = "__kIMMentionConfirmedMention"
	attrLink      = "__kIMLinkAttributeName"
	attrBold      = "__kIMTextBoldAttributeName"
)

// attribute is a name and a value: string, link, tsInt or tsLong.
type attribute struct {
	name  string
	value any
}

type (
	tsInt  int32  // NSNumber of type i
	tsLong int64  // NSNumber of type q
	link   string // NSURL
)

// textRun is a stretch of text with its attributes. Runs with equal attributes
// share one dictionary.
type textRun struct {
	text  string
	attrs []attribute
}

// plainRuns is the body of a message of one part without attributes.
func plainRuns(text string) []textRun {
	return []textRun{{text, []attribute{{attrPart, tsInt(0)}}}}
}

// encodeBody makes the typedstream of an attributed string. Received messages
// often have the mutable classes, sent ones the plain ones; readers must take both.
func encodeBody(runs []textRun, mutable bool) []byte {
	var text []byte
	for _, run := range runs {
		text = append(text, run.text...)
	}
	t := &tsWriter{strings: map[string]int{}, objects: map[string]int{}}
	t.buf.WriteString(streamHead)
	t.typ("@")
	t.object(pickClass(mutable, classMutableAttributed, classAttributed))
	t.typ("@")
	t.object(pickClass(mutable, classMutableString, classString))
	t.typ("+")
	t.bytes(text)
	t.end()
	var seen [][]attribute
	for _, run := range runs {
		index, fresh := dictionaryIndex(&seen, run.attrs)
		t.typ("iI")
		t.int(index)
		t.uint(len(utf16.Encode([]rune(run.text))))
		if fresh {
			t.typ("@")
			t.dictionary(run.attrs)
		}
	}
	t.end()
	return t.buf.Bytes()
}

// dictionaryIndex counts distinct dictionaries from 1.
func dictionaryIndex(seen *[][]attribute, attrs []attribute) (index int, fresh bool) {
	for i, s := range *seen {
		if slices.Equal(s, attrs) {
			return i + 1, false
		}
	}
	*seen = append(*seen, attrs)
	return len(*seen), true
}

// class is a class with its version and superclass.
type class struct {
	name    string
	version int
	super   *class
}

var (
	classObject            = &class{"NSObject", 0, nil}
	classAttributed        = &class{"NSAttributedString", 0, classObject}
	classMutableAttributed = &class{"NSMutableAttributedString", 0, classAttributed}
	classString            = &class{"NSString", 1, classObject}
	classMutableString     = &class{"NSMutableString", 1, classString}
	classDictionary        = &class{"NSDictionary", 0, classObject}
	classValue             = &class{"NSValue", 0, classObject}
	classNumber            = &class{"NSNumber", 0, classValue}
	classURL               = &class{"NSURL", 0, classObject}
)

func pickClass(mutable bool, yes, no *class) *class {
	if mutable {
		return yes
	}
	return no
}

type tsWriter struct {
	buf     bytes.Buffer
	strings map[string]int // shared strings → place in the first table
	objects map[string]int // "class NSString", "char i" → place in the second
	nextObj int
}

// typ announces the type of the values that follow.
func (t *tsWriter) typ(s string) { t.shared(s) }

func (t *tsWriter) shared(s string) {
	if i, ok := t.strings[s]; ok {
		t.int(firstRef + i)
		return
	}
	t.strings[s] = len(t.strings)
	t.buf.WriteByte(tagNew)
	t.bytes([]byte(s))
}

// object begins an object; the caller writes its values and calls end.
func (t *tsWriter) object(c *class) {
	t.buf.WriteByte(tagNew)
	t.nextObj++
	for ; c != nil; c = c.super {
		key := "class " + c.name
		if i, ok := t.objects[key]; ok {
			t.int(firstRef + i)
			return
		}
		t.buf.WriteByte(tagNew)
		t.objects[key] = t.nextObj
		t.nextObj++
		t.shared(c.name)
		t.int(c.version)
	}
	t.buf.WriteByte(tagNil)
}

func (t *tsWriter) end() { t.buf.WriteByte(tagEnd) }

func (t *tsWriter) str(s string) {
	t.object(classString)
	t.typ("+")
	t.bytes([]byte(s))
	t.end()
}

func (t *tsWriter) dictionary(attrs []attribute) {
	t.object(classDictionary)
	t.typ("i")
	t.int(len(attrs))
	for _, a := range attrs {
		t.typ("@")
		t.str(a.name)
		t.typ("@")
		switch v := a.value.(type) {
		case string:
			t.str(v)
		case link:
			t.url(string(v))
		case tsInt:
			t.number("i", int(v))
		case tsLong:
			t.number("q", int(v))
		}
	}
	t.end()
}

// url is one byte 0 (no base) and the address as a string.
func (t *tsWriter) url(s string) {
	t.object(classURL)
	t.typ("c")
	t.buf.WriteByte(0)
	t.typ("@")
	t.str(s)
	t.end()
}

// number is the Objective-C type as a C string, then a value of that type.
func (t *tsWriter) number(kind string, v int) {
	t.object(classNumber)
	t.typ("*")
	key := "char " + kind
	if i, ok := t.objects[key]; ok {
		t.int(firstRef + i)
	} else {
		t.buf.WriteByte(tagNew)
		t.objects[key] = t.nextObj
		t.nextObj++
		t.shared(kind)
	}
	t.typ(kind)
	t.int(v)
	t.end()
}

func (t *tsWriter) bytes(b []byte) {
	t.uint(len(b))
	t.buf.Write(b)
}

// int writes a signed integer.
func (t *tsWriter) int(v int) {
	switch {
	case v >= firstRef && v <= 127:
		t.buf.WriteByte(byte(v))
	case v >= -1<<15 && v < 1<<15:
		t.buf.WriteByte(tagInt16)
		t.buf.Write(binary.LittleEndian.AppendUint16(nil, uint16(v)))
	default:
		t.buf.WriteByte(tagInt32)
		t.buf.Write(binary.LittleEndian.AppendUint32(nil, uint32(v)))
	}
}

// uint writes a length.
func (t *tsWriter) uint(v int) {
	switch {
	case v < 0x80:
		t.buf.WriteByte(byte(v))
	case v <= 0xffff:
		t.buf.WriteByte(tagInt16)
		t.buf.Write(binary.LittleEndian.AppendUint16(nil, uint16(v)))
	default:
		t.buf.WriteByte(tagInt32)
		t.buf.Write(binary.LittleEndian.AppendUint32(nil, uint32(v)))
	}
}
