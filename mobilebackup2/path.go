package mobilebackup2

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/keepsake-backup/keepsake/devicelink"
)

// UnbackFolder is where the phone unpacks a backup to on Unback (protocol.md 4.2).
const UnbackFolder = "_unback_"

// PathError is a path of the phone that is none of a backup. It may be an
// attack or a broken phone; the job ends.
type PathError struct {
	Op     string // the message it came in
	Path   string
	Reason string
}

func (e *PathError) Error() string {
	return fmt.Sprintf("%s: refused path %.200q of the phone: %s", e.Op, e.Path, e.Reason)
}

// Hint tells the owner that nothing was touched.
func (e *PathError) Hint() string {
	return "The phone named a place outside its backup. Nothing there was read or written. Restart the phone; if it happens again, please report it."
}

// CheckPath tells what is wrong with a path of the phone, "" when nothing is.
// Paths are at most 4096 bytes of UTF-8 (protocol.md 4.4), relative, of elements
// that are neither empty nor "." nor "..", without NUL and backslash, and they
// begin with one of the folders in roots, or with such a folder set aside by the
// phone under its name and a time, UDID-yyyyMMdd-HHmmss (protocol.md 4.13, 4.14).
func CheckPath(path string, roots ...string) (reason string) {
	switch {
	case path == "":
		return "it is empty"
	case len(path) > devicelink.MaxPath:
		return fmt.Sprintf("it is longer than %d bytes", devicelink.MaxPath)
	case path[0] == '/':
		return "it is absolute"
	}
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case c == 0:
			return "it contains a NUL"
		case c == '\\':
			return "it contains a backslash"
		case c >= utf8.RuneSelf && !utf8.ValidString(path):
			return "it is not UTF-8"
		}
	}
	first, _, _ := strings.Cut(path, "/")
	for rest, more := path, true; more; {
		var element string
		element, rest, more = strings.Cut(rest, "/")
		switch {
		case element == "":
			return "it has an empty element"
		case element == "." || element == "..":
			return "it has the element " + element
		}
	}
	for _, r := range roots {
		if r != "" && (first == r || strings.HasPrefix(first, r) && isTimeSuffix(first[len(r):])) {
			return ""
		}
	}
	return "it does not begin with " + strings.Join(roots, " or ")
}

func isTimeSuffix(s string) bool {
	const layout = "-yyyyMMdd-HHmmss"
	if len(s) != len(layout) {
		return false
	}
	for i := range len(s) {
		if layout[i] == '-' && s[i] != '-' || layout[i] != '-' && (s[i] < '0' || s[i] > '9') {
			return false
		}
	}
	return true
}
