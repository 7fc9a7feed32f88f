package format

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// scanner walks through JSON without building values of it: an index of ten
// million blobs and the tree of a large folder are too much for encoding/json.
// It is as strict as encoding/json about syntax. The first error stays and ends
// every loop; look at it once, in end. An array or object is read so:
//
//	for more := s.begin('[', ']'); more; more = s.more(']') { … }
type scanner struct {
	data []byte
	pos  int
	err  error
	text []byte // last string with escapes
}

const maxNesting = 200 // of values that are skipped

func (s *scanner) fail(format string, a ...any) {
	if s.err == nil {
		s.err = fmt.Errorf("byte %d: "+format, append([]any{s.pos}, a...)...)
	}
}

// next skips white space and gives the byte behind it, 0 at the end. It does not
// go on once there is an error.
func (s *scanner) next() byte {
	if s.err != nil {
		return 0
	}
	for ; s.pos < len(s.data); s.pos++ {
		if c := s.data[s.pos]; c > ' ' || c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return c
		}
	}
	return 0
}

// want takes the byte c or fails.
func (s *scanner) want(c byte) bool {
	if s.next() != c {
		s.fail("want %q", c)
		return false
	}
	s.pos++
	return true
}

// begin takes the opening byte and tells whether an element follows.
func (s *scanner) begin(opening, closing byte) bool {
	if !s.want(opening) {
		return false
	}
	if s.next() == closing {
		s.pos++
		return false
	}
	return s.err == nil
}

// more takes the byte behind an element and tells whether another one follows.
func (s *scanner) more(closing byte) bool {
	switch c := s.next(); {
	case s.err != nil:
		return false
	case c == ',':
		s.pos++
		return true
	case c == closing:
		s.pos++
		return false
	}
	s.fail("want ',' or %q", closing)
	return false
}

// key reads a key and its colon. It is valid until the next string is read.
func (s *scanner) key() []byte {
	k := s.string()
	s.want(':')
	return k
}

// end gives the error, or one if anything but white space is left.
func (s *scanner) end() error {
	s.next()
	if s.err == nil && s.pos < len(s.data) {
		s.fail("data behind the end")
	}
	return s.err
}

// null takes the literal null if it is next.
func (s *scanner) null() bool { return s.next() == 'n' && s.literal("null") }

func (s *scanner) literal(word string) bool {
	if len(s.data)-s.pos < len(word) || string(s.data[s.pos:s.pos+len(word)]) != word {
		s.fail("want %s", word)
		return false
	}
	s.pos += len(word)
	return true
}

// uint reads a whole number of at most limit.
func (s *scanner) uint(limit uint64) uint64 {
	s.next()
	v, n, ok := scanUint(s.data[s.pos:])
	if s.err != nil || !ok || v > limit {
		s.fail("want a whole number up to %d", limit)
		return 0
	}
	s.pos += n
	return v
}

// uint32 is uint for the numbers of packs.
func (s *scanner) uint32() uint32 { return uint32(s.uint(math.MaxUint32)) }

// scanUint reads the digits at the beginning of data and gives their count. It
// reports false if there are none, if the number does not fit, has a leading
// zero, or goes on as a fraction or with an exponent.
func scanUint(data []byte) (v uint64, n int, ok bool) {
	for n < len(data) && data[n]-'0' <= 9 {
		digit := uint64(data[n] - '0')
		if n >= 19 && v > (math.MaxUint64-digit)/10 { // 19 digits always fit
			return 0, 0, false
		}
		v = 10*v + digit
		n++
	}
	if n == 0 || n > 1 && data[0] == '0' {
		return 0, 0, false
	}
	if n < len(data) && (data[n] == '.' || data[n]|0x20 == 'e') {
		return 0, 0, false
	}
	return v, n, true
}

// id reads an ID.
func (s *scanner) id(dst *ID) {
	const quoted = 2*len(ID{}) + 2
	if s.next() == '"' && len(s.data)-s.pos >= quoted && s.data[s.pos+quoted-1] == '"' &&
		decodeID(dst, s.data[s.pos+1:]) {
		s.pos += quoted
		return
	}
	text := s.string()
	if s.err != nil {
		return
	}
	parsed, err := parseID(text) // an ID may be written with escapes
	if err != nil {
		s.fail("%w", err)
		return
	}
	*dst = parsed
}

// string reads a string: a part of the data if it has no escapes, else bytes
// that are valid until the next call. Like encoding/json it replaces invalid
// UTF-8 by U+FFFD.
func (s *scanner) string() []byte {
	if s.next() != '"' {
		s.fail("want a string")
		return nil
	}
	start := s.pos + 1
	ascii := true
	for i := start; i < len(s.data); i++ {
		switch c := s.data[i]; {
		case c == '"':
			if !ascii && !utf8.Valid(s.data[start:i]) {
				return s.unescape()
			}
			s.pos = i + 1
			return s.data[start:i]
		case c == '\\':
			return s.unescape()
		case c < ' ':
			s.pos = i
			s.fail("control character in a string")
			return nil
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	s.pos = len(s.data)
	s.fail("string without end")
	return nil
}

// unescape is string for those that need work.
func (s *scanner) unescape() []byte {
	s.text = s.text[:0]
	for i := s.pos + 1; i < len(s.data); {
		c := s.data[i]
		switch {
		case c == '"':
			s.pos = i + 1
			return s.text
		case c == '\\':
			r, n := unescapeRune(s.data[i:])
			if n == 0 {
				s.pos = i
				s.fail("invalid escape")
				return nil
			}
			s.text = utf8.AppendRune(s.text, r)
			i += n
		case c < ' ':
			s.pos = i
			s.fail("control character in a string")
			return nil
		case c < utf8.RuneSelf:
			s.text = append(s.text, c)
			i++
		default:
			r, n := utf8.DecodeRune(s.data[i:])
			s.text = utf8.AppendRune(s.text, r)
			i += n
		}
	}
	s.pos = len(s.data)
	s.fail("string without end")
	return nil
}

// unescapeRune reads the escape at the beginning of data and gives its size, 0 if
// it is none. Half of a surrogate pair is U+FFFD.
func unescapeRune(data []byte) (rune, int) {
	if len(data) < 2 {
		return 0, 0
	}
	switch c := data[1]; c {
	case '"', '\\', '/':
		return rune(c), 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	}
	r, ok := hexRune(data)
	if !ok {
		return 0, 0
	}
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if low, ok := hexRune(data[6:]); ok {
		if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
			return pair, 12
		}
	}
	return utf8.RuneError, 6
}

// hexRune reads the escape of four hexadecimal digits.
func hexRune(data []byte) (rune, bool) {
	if len(data) < 6 || data[0] != '\\' || data[1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range data[2:6] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// skip reads any value and gives the bytes of it.
func (s *scanner) skip() []byte {
	s.next()
	start := s.pos
	s.skipNested(maxNesting)
	if s.err != nil {
		return nil
	}
	return s.data[start:s.pos]
}

func (s *scanner) skipNested(depth int) {
	if depth == 0 {
		s.fail("nested too deeply")
		return
	}
	switch c := s.next(); c {
	case '{':
		for more := s.begin('{', '}'); more; more = s.more('}') {
			s.key()
			s.skipNested(depth - 1)
		}
	case '[':
		for more := s.begin('[', ']'); more; more = s.more(']') {
			s.skipNested(depth - 1)
		}
	case '"':
		s.string()
	case 't':
		s.literal("true")
	case 'f':
		s.literal("false")
	case 'n':
		s.literal("null")
	default:
		s.skipNumber()
	}
}

// skipNumber follows the grammar of RFC 8259, section 6.
func (s *scanner) skipNumber() {
	if s.err != nil {
		return
	}
	rest := s.data[s.pos:]
	i := 0
	digits := func() bool {
		from := i
		for i < len(rest) && rest[i]-'0' <= 9 {
			i++
		}
		return i > from
	}
	is := func(set string) bool {
		for j := range len(set) {
			if i < len(rest) && rest[i] == set[j] {
				i++
				return true
			}
		}
		return false
	}
	is("-")
	ok := is("0") || digits()
	if ok && is(".") {
		ok = digits()
	}
	if ok && is("eE") {
		is("+-")
		ok = digits()
	}
	if !ok {
		s.fail("want a value")
		return
	}
	s.pos += i
}

// fields finds keys that come twice: readers would disagree which one counts.
type fields uint32

var errTwice = errors.New("key comes twice")

// see notes field number i of the object and fails if it was there before.
func (f *fields) see(s *scanner, i uint) {
	if *f>>i&1 != 0 {
		s.fail("%w", errTwice)
	}
	*f |= 1 << i
}

func (f fields) has(i uint) bool { return f>>i&1 != 0 }

// quote shows text from a stranger in an error, not all of it.
func quote(text []byte) string { return strconv.Quote(string(text[:min(len(text), 40)])) }
