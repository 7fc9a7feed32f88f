// Package phonename compares the names of phones with what people type for them.
//
// An iPhone names itself after its owner with a typographic apostrophe, "Anna’s
// iPhone" (U+2019), which no keyboard of a computer has; and its owner calls it
// "Anna" where that is clear enough.
package phonename

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// plain are the apostrophes that are taken for the one on keyboards.
var plain = strings.NewReplacer("’", "'", "‘", "'", "ʼ", "'", "`", "'", "´", "'", "\u00a0", " ")

// Is tells whether text is the name, whatever its case, apostrophes and spaces
// look like.
func Is(name, text string) bool {
	return strings.EqualFold(plain.Replace(name), plain.Replace(text))
}

// Begins tells whether text is the name, or whole words of its beginning: "anna" of
// "Anna’s iPhone", and not "an". An empty text begins nothing.
func Begins(name, text string) bool {
	name, text = plain.Replace(name), plain.Replace(text)
	for text != "" && name != "" {
		a, n := utf8.DecodeRuneInString(name)
		b, m := utf8.DecodeRuneInString(text)
		if !strings.EqualFold(string(a), string(b)) {
			return false
		}
		name, text = name[n:], text[m:]
		if text == "" {
			next, _ := utf8.DecodeRuneInString(name)
			return name == "" || !unicode.IsLetter(next) && !unicode.IsDigit(next)
		}
	}
	return false
}
