package words

import (
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// scraps are buffers for normalising.
type scraps struct{ a, b []byte }

// normal appends a word without case and accents. Letters are taken apart, lose the
// marks that people leave out when they type, and are put together again, so that
// Korean stays in syllables and Indic vowels stay.
func (s *scraps) normal(dst []byte, word string) []byte {
	s.a = norm.NFKD.AppendString(s.a[:0], word)
	s.b = s.b[:0]
	for i := 0; i < len(s.a); {
		r, n := utf8.DecodeRune(s.a[i:])
		i += n
		if isJoiner(r) || isAccent(r) || r == utf8.RuneError || isSkin(r) {
			continue
		}
		s.b = appendFolded(s.b, r)
	}
	return norm.NFC.Append(dst, s.b...)
}

// isAccent tells marks that people leave out: those of Latin, Greek, Cyrillic, Hebrew
// and Arabic letters. The marks that voice Japanese letters make others of them.
func isAccent(r rune) bool {
	return r >= 0x300 && r <= 0x36f || r >= 0x483 && r <= 0x489 || r >= 0x591 && r <= 0x5c7 && unicode.IsMark(r) ||
		r >= 0x610 && r <= 0x61a || r >= 0x64b && r <= 0x65f || r == 0x670 || r == 0x640 || r >= 0x6d6 && r <= 0x6ed && unicode.IsMark(r) ||
		r >= 0x1ab0 && r <= 0x1aff || r >= 0x1dc0 && r <= 0x1dff || r >= 0x20d0 && r <= 0x20ff || r >= 0xfe20 && r <= 0xfe2f
}

func isSkin(r rune) bool { return r >= 0x1f3fb && r <= 0x1f3ff }

// appendFolded appends a letter without its case. Letters with strokes and ligatures
// that no standard takes apart are written as people without such a keyboard do.
func appendFolded(dst []byte, r rune) []byte {
	if r < utf8.RuneSelf {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return append(dst, byte(r))
	}
	r = unicode.ToLower(r)
	switch r {
	case 'ß':
		return append(dst, "ss"...)
	case 'æ':
		return append(dst, "ae"...)
	case 'œ':
		return append(dst, "oe"...)
	case 'þ':
		return append(dst, "th"...)
	case 'ø':
		return append(dst, 'o')
	case 'ł':
		return append(dst, 'l')
	case 'đ', 'ð':
		return append(dst, 'd')
	case 'ħ':
		return append(dst, 'h')
	case 'ı':
		return append(dst, 'i')
	case 'ς':
		r = 'σ'
	}
	if unicode.IsDigit(r) {
		return append(dst, '0'+digit(r))
	}
	return utf8.AppendRune(dst, r)
}

// digit is the value of a decimal digit of any script.
func digit(r rune) byte {
	if r >= '0' && r <= '9' {
		return byte(r - '0')
	}
	for _, t := range unicode.Nd.R16 {
		if r >= rune(t.Lo) && r <= rune(t.Hi) {
			return byte((r - rune(t.Lo)) % 10)
		}
	}
	for _, t := range unicode.Nd.R32 {
		if r >= rune(t.Lo) && r <= rune(t.Hi) {
			return byte((r - rune(t.Lo)) % 10)
		}
	}
	return 0
}
