// Package words cuts texts into the words by which they are found.
//
//	"Müller's Café ☕"     muller s cafe ☕
//	"東京タワー"            東 東京 京 京タ タ タワ ワ ワー ー
//	"+49 170 1234567"     49 170 1234567, and #491701234567, #1701234567 …
//
// Letters lose their case and their accents. Scripts without spaces between words
// (Chinese, Japanese, Korean, Thai, Lao, Khmer, Burmese) give each letter and each two
// neighbours. An emoji is a word; its skin colour and its presentation are not. A phone
// number can also be found by its last digits, however it is written.
package words

import (
	"unicode"
	"unicode/utf8"
)

// MaxWord is the length of the longest word in bytes: longer ones are found by their
// beginning.
const MaxWord = 64

// Token is a word in a text.
type Token struct {
	// Term is how it is looked up. It is valid until the next one.
	Term []byte
	// Start and End are where it stands in the text, in bytes.
	Start, End int
	// Pos counts the words of a text: those of a phrase follow each other.
	Pos int
	// Extra is a second way to find what other tokens give, such as a phone number.
	Extra bool
}

// Cutter cuts texts. The zero value is ready for use, by one goroutine.
type Cutter struct {
	term   []byte
	scraps scraps
	text   string
	emit   func(Token)
	pos    int
	digits int
}

// Each gives the words of a text in their order. Words that are normalised away give
// nothing. What emit keeps it has to copy.
func (c *Cutter) Each(text string, emit func(Token)) {
	c.text, c.emit, c.pos, c.digits = text, emit, 0, 0
	for i := 0; i < len(text); {
		b := text[i]
		switch {
		case isWordByte(b):
			i = c.word(i)
		case b < utf8.RuneSelf:
			i++
		default:
			r, n := utf8.DecodeRuneInString(text[i:])
			switch classOf(r) {
			case letter:
				i = c.word(i)
			case dense:
				i = c.dense(i)
			case symbol:
				i = c.symbol(i, r, n)
			default:
				i += n
			}
		}
	}
	if c.digits >= minPhone {
		c.phones()
	}
	c.emit = nil
}

func isWordByte(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9'
}

type class int

const (
	gap    class = iota
	letter       // part of a word
	dense        // a letter of a script without spaces
	symbol       // a word by itself
	mark         // continues what is before it
)

// joiners are part of the word that they stand in and change nothing: soft hyphen,
// zero-width joiners, word joiner, direction marks.
func isJoiner(r rune) bool {
	return r == 0xad || r >= 0x200b && r <= 0x200f || r == 0x2060 || r >= 0xfe00 && r <= 0xfe0f || r == 0xfeff
}

func classOf(r rune) class {
	switch {
	case isJoiner(r):
		return mark
	case r < 0x0e00: // none of the scripts below
	case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar),
		r == 'ー', r == 0xff70:
		if unicode.IsMark(r) {
			return mark
		}
		if unicode.IsLetter(r) || unicode.IsNumber(r) {
			return dense
		}
	}
	switch {
	case unicode.IsLetter(r), unicode.IsNumber(r):
		return letter
	case unicode.IsMark(r):
		return mark
	case unicode.Is(unicode.So, r):
		return symbol
	}
	return gap
}

// word gives the word that begins at i, and where it ends.
func (c *Cutter) word(i int) int {
	start, plain := i, true
	for i < len(c.text) {
		b := c.text[i]
		if isWordByte(b) {
			if b <= '9' {
				c.digits++
			}
			i++
			continue
		}
		if b < utf8.RuneSelf {
			break
		}
		r, n := utf8.DecodeRuneInString(c.text[i:])
		if k := classOf(r); k != letter && k != mark {
			break
		}
		if unicode.IsDigit(r) {
			c.digits++
		}
		plain = false
		i += n
	}
	// A word is normalised only as far as it is looked up.
	span := c.text[start:min(i, start+8*MaxWord)]
	if plain {
		c.term = appendLower(c.term[:0], span)
	} else {
		c.term = c.scraps.normal(c.term[:0], span)
	}
	c.give(start, i)
	return i
}

func appendLower(dst []byte, s string) []byte {
	s = s[:min(len(s), MaxWord)]
	dst = append(dst, s...)
	for i, b := range dst {
		if 'A' <= b && b <= 'Z' {
			dst[i] = b + 'a' - 'A'
		}
	}
	return dst
}

// give gives c.term as a word and goes to the next place.
func (c *Cutter) give(start, end int) {
	c.term = cut(c.term)
	if len(c.term) == 0 {
		return
	}
	c.emit(Token{Term: c.term, Start: start, End: end, Pos: c.pos})
	c.pos++
}

// cut bounds a word without cutting a letter.
func cut(term []byte) []byte {
	if len(term) <= MaxWord {
		return term
	}
	n := MaxWord
	for n > 0 && !utf8.RuneStart(term[n]) {
		n--
	}
	return term[:n]
}

func (c *Cutter) symbol(i int, r rune, n int) int {
	end := i + n
	if isFlag(r) { // two of them are a flag
		if next, m := utf8.DecodeRuneInString(c.text[end:]); isFlag(next) {
			end += m
		}
	}
	c.term = c.scraps.normal(c.term[:0], c.text[i:end])
	c.give(i, end)
	return end
}

func isFlag(r rune) bool { return r >= 0x1f1e6 && r <= 0x1f1ff }

// dense gives letters and pairs of a script without spaces, and where the run ends.
func (c *Cutter) dense(i int) int {
	before := -1 // where the letter before begins
	for i < len(c.text) {
		r, n := utf8.DecodeRuneInString(c.text[i:])
		if classOf(r) != dense {
			break
		}
		end := i + n
		for end < len(c.text) { // marks go with their letter
			m, n := utf8.DecodeRuneInString(c.text[end:])
			if classOf(m) != mark {
				break
			}
			end += n
		}
		if before >= 0 {
			c.term = cut(c.scraps.normal(c.term[:0], c.text[before:end]))
			if len(c.term) > 0 {
				c.emit(Token{Term: c.term, Start: before, End: end, Pos: c.pos - 1})
			}
		}
		c.term = cut(c.scraps.normal(c.term[:0], c.text[i:end]))
		if len(c.term) > 0 {
			c.emit(Token{Term: c.term, Start: i, End: end, Pos: c.pos})
			c.pos++
			before = i
		}
		i = end
	}
	return i
}
