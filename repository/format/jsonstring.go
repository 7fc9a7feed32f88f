package format

import (
	"strconv"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// jsonSafe are the bytes that encoding/json copies as they are: ASCII without
// control characters, quote, backslash, and the three that mean something in
// HTML.
var jsonSafe = func() (safe [256]bool) {
	for c := ' '; c < utf8.RuneSelf; c++ {
		safe[c] = c != '"' && c != '\\' && c != '<' && c != '>' && c != '&'
	}
	return safe
}()

// appendJSONString appends s as a JSON string in exactly the bytes of
// encoding/json, version 1, which every ID of a tree depends on
// (restic-format.md 7). Invalid UTF-8 becomes \ufffd, as there.
func appendJSONString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	copied := 0
	for i := 0; i < len(s); {
		c := s[i]
		if jsonSafe[c] {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			dst = appendEscape(append(dst, s[copied:i]...), c)
			i++
			copied = i
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			dst = append(append(dst, s[copied:i]...), `\ufffd`...)
			copied = i + n
		case r == '\u2028' || r == '\u2029': // line ends in JavaScript
			dst = append(append(dst, s[copied:i]...), `\u202`...)
			dst = append(dst, hexDigits[r&0xf])
			copied = i + n
		}
		i += n
	}
	return append(append(dst, s[copied:]...), '"')
}

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, `\b`...)
	case '\f':
		return append(dst, `\f`...)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
}

// appendName appends the name of a node: quoted by Go's rules first, without the
// outer quotes, and that text as a JSON string.
func appendName(dst []byte, name string) []byte {
	for i := range len(name) {
		if c := name[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted := strconv.Quote(name)
			return appendJSONString(dst, quoted[1:len(quoted)-1])
		}
	}
	return appendJSONString(dst, name)
}
