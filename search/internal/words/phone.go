package words

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// A phone number has 7 digits at least, without zeros in front and the area code, and
// 15 at most (E.164), with room for the prefixes of long distances. Two are the same
// when one ends with the other: 0170 1234567 and +49 170 1234567.
const (
	minPhone = 7
	maxPhone = 20
	maxTail  = 12 // of longer ones only the whole and the last digits
)

// Phone is a run of digits that looks like a phone number.
type Phone struct {
	Digits     string // without zeros in front
	Start, End int
}

// Phones finds runs of digits in a text that look like phone numbers.
func Phones(text string) []Phone {
	var list []Phone
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		if !unicode.IsDigit(r) {
			if unicode.IsLetter(r) {
				i = skipWord(text, i)
				continue
			}
			i += n
			continue
		}
		end, parts := phoneRun(text, i)
		if p, ok := phoneOf(text, i, end); ok {
			list = append(list, p)
		} else { // two numbers side by side
			for _, part := range parts {
				if p, ok := phoneOf(text, part[0], part[1]); ok {
					list = append(list, p)
				}
			}
		}
		i = end
	}
	return list
}

func skipWord(text string, i int) int {
	for i < len(text) {
		r, n := utf8.DecodeRuneInString(text[i:])
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			break
		}
		i += n
	}
	return i
}

// phoneRun finds the end of digits with what people write between them, and the parts
// without anything between.
func phoneRun(text string, i int) (end int, parts [][2]int) {
	between, begin := 0, i
	end = i
	for i < len(text) {
		r, n := utf8.DecodeRuneInString(text[i:])
		switch {
		case unicode.IsDigit(r):
			if between > 0 {
				parts = append(parts, [2]int{begin, end})
				begin = i
			}
			between = 0
			end = i + n
		case between < 3 && strings.ContainsRune(" ()-./\u00a0\u2010\u2011\u2013\u202a\u202c\u202f", r):
			between++
		default:
			return end, append(parts, [2]int{begin, end})
		}
		i += n
	}
	return end, append(parts, [2]int{begin, end})
}

func phoneOf(text string, start, end int) (Phone, bool) {
	var b []byte
	for _, r := range text[start:end] {
		if !unicode.IsDigit(r) {
			continue
		}
		if d := '0' + digit(r); len(b) > 0 || d != '0' {
			b = append(b, d)
		}
		if len(b) > maxPhone {
			return Phone{}, false
		}
	}
	return Phone{string(b), start, end}, len(b) >= minPhone
}

// phones gives the numbers of the text: '=' and all digits, and its ends.
func (c *Cutter) phones() {
	for _, p := range Phones(c.text) {
		give := func(kind, digits string) {
			c.term = append(append(append(c.term[:0], '#'), kind...), digits...)
			c.emit(Token{Term: c.term, Start: p.Start, End: p.End, Extra: true})
		}
		give("=", p.Digits)
		if len(p.Digits) > maxTail {
			give("", p.Digits)
		}
		for n := minPhone; n <= min(len(p.Digits), maxTail); n++ {
			give("", p.Digits[len(p.Digits)-n:])
		}
	}
}

// Terms are what to look up for a number: any one of them. The first one may also be
// the beginning of what is looked for.
func (p Phone) Terms() []string {
	list := []string{"#" + p.Digits}
	for n := minPhone; n < len(p.Digits); n++ {
		list = append(list, "#="+p.Digits[len(p.Digits)-n:])
	}
	return list
}
