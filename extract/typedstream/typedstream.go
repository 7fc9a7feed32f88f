// Package typedstream reads the text out of what NSArchiver writes: the attributedBody
// of messages, an NSAttributedString.
//
//	04 0B "streamtyped" 81 E8 03     version, signature, system version 1000
//	84 01 "@"                        the type of what follows: an object
//	84 84 84 12 "NSAttributedString" 00  class, superclass NSObject …
//	85
//	92 84 84 84 08 "NSString" 01     the class of the string and its version
//	94
//	84 01 "+"                        the type of its content: bytes
//	05 "Hello"                       length, UTF-8
//	86 …                             attributes
//
// A length is one byte below 0x80, else 0x81 and two bytes or 0x82 and four bytes,
// little-endian.
package typedstream

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
)

// ErrMalformed says that there is no string in it.
var ErrMalformed = errors.New("no attributed string")

var header = []byte("streamtyped")

// Text gives the string of an archived NSString or NSAttributedString, mutable or not.
// Bytes that are no UTF-8 become U+FFFD.
func Text(data []byte) (string, error) {
	if i := bytes.Index(data[:min(len(data), 16)], header); i < 0 {
		return "", ErrMalformed
	}
	for _, class := range []string{"NSMutableString", "NSString"} {
		i := bytes.Index(data, []byte(class))
		if i < 0 {
			continue
		}
		rest := data[i+len(class):]
		// The type "+" comes within a few bytes: behind versions and superclasses.
		plus := bytes.IndexByte(rest[:min(len(rest), 64)], '+')
		if plus < 0 {
			continue
		}
		if s, ok := counted(rest[plus+1:]); ok {
			return strings.ToValidUTF8(s, "\ufffd"), nil
		}
	}
	return "", ErrMalformed
}

func counted(p []byte) (string, bool) {
	if len(p) == 0 {
		return "", false
	}
	n, p := uint64(p[0]), p[1:]
	switch n {
	case 0x81:
		if len(p) < 2 {
			return "", false
		}
		n, p = uint64(binary.LittleEndian.Uint16(p)), p[2:]
	case 0x82:
		if len(p) < 4 {
			return "", false
		}
		n, p = uint64(binary.LittleEndian.Uint32(p)), p[4:]
	default:
		if n >= 0x80 {
			return "", false
		}
	}
	if n > uint64(len(p)) {
		return "", false
	}
	return string(p[:n]), true
}
