package outtree

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"path"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// maxName is the most bytes of a name; file systems take 255, and " (2)" needs room.
const maxName = 240

// Escape makes a name that every file system takes (see the package comment); ""
// becomes "%".
func Escape(name string) string {
	if name == "" {
		return "%"
	}
	var b strings.Builder
	dots := strings.Trim(name, ".") == ""
	for i := 0; i < len(name); i++ {
		c := name[i]
		last := i == len(name)-1
		r, size := utf8.DecodeRuneInString(name[i:])
		switch {
		case strings.IndexByte(`<>:"/\|?*%`, c) >= 0, c < 0x20, c == 0x7f,
			dots, last && (c == '.' || c == ' '), i == 0 && device(name),
			r == utf8.RuneError && size <= 1:
			fmt.Fprintf(&b, "%%%02X", c)
		default:
			b.WriteString(name[i : i+size])
			i += size - 1
		}
	}
	return shorten(b.String(), name)
}

// device tells whether Windows keeps a name for a device, with any ending.
func device(name string) bool {
	base, _, _ := strings.Cut(name, ".")
	base = strings.ToUpper(strings.TrimRight(base, " "))
	switch base {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	prefix := strings.HasPrefix(base, "COM") || strings.HasPrefix(base, "LPT")
	digits := []rune(strings.TrimPrefix(strings.TrimPrefix(base, "COM"), "LPT"))
	return prefix && len(digits) == 1 && strings.ContainsRune("0123456789¹²³", digits[0])
}

// shorten cuts an escaped name that is too long, and marks it with the hash of the
// name that it stands for.
func shorten(escaped, name string) string {
	if len(escaped) <= maxName {
		return escaped
	}
	ext := path.Ext(escaped)
	if len(ext) > 20 || strings.Contains(ext, "%") {
		ext = ""
	}
	sum := sha256.Sum256([]byte(name))
	mark := "~" + hex.EncodeToString(sum[:4]) + ext
	cut := maxName - len(mark)
	for cut > 0 && !utf8.RuneStart(escaped[cut]) {
		cut--
	}
	if i := strings.LastIndexByte(escaped[:cut], '%'); i >= 0 && cut-i < 3 {
		cut = i // not in the middle of %41
	}
	return strings.TrimRight(escaped[:cut], " .") + mark
}

// Unescape gives the name that [Escape] was given, unless that was cut.
func Unescape(name string) string {
	if name == "%" {
		return ""
	}
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		if name[i] == '%' && i+2 < len(name) {
			if c, err := strconv.ParseUint(name[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(c))
				i += 2
				continue
			}
		}
		b.WriteByte(name[i])
	}
	return b.String()
}

// fold is what a disk that knows neither case nor composition takes a path for.
func fold(p string) string { return norm.NFC.String(cases.Fold().String(norm.NFC.String(p))) }

// numbered is a name with a number before its ending.
func numbered(p string, n int) string {
	if n < 2 {
		return p
	}
	ext := path.Ext(p)
	if ext == path.Base(p) { // ".profile" has no ending
		ext = ""
	}
	return fmt.Sprintf("%s (%d)%s", strings.TrimSuffix(p, ext), n, ext)
}

func shortHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:8])
}

func escapeURL(name string) string { return strings.ReplaceAll(url.PathEscape(name), "'", "%27") }
