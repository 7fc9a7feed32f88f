package device

import (
	"cmp"
	"strconv"
	"strings"
)

// CompareVersions compares versions such as "17.2.1" number by number and
// returns -1, 0 or +1. What is missing counts as 0, what is no number too.
func CompareVersions(a, b string) int {
	for a != "" || b != "" {
		var x, y string
		x, a, _ = strings.Cut(a, ".")
		y, b, _ = strings.Cut(b, ".")
		if c := cmp.Compare(versionPart(x), versionPart(y)); c != 0 {
			return c
		}
	}
	return 0
}

func versionPart(s string) uint64 {
	end := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' })
	if end >= 0 {
		s = s[:end]
	}
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0
	}
	return n
}

// AsksForPasscode tells whether that version of iOS asks for the passcode at
// the start of every local backup: 15.7.1 and later of 15, and from 16.1 on
// (protocol.md 6). Phones without a passcode never ask.
func AsksForPasscode(productVersion string) bool {
	if CompareVersions(productVersion, "16") < 0 {
		return CompareVersions(productVersion, "15.7.1") >= 0
	}
	return CompareVersions(productVersion, "16.1") >= 0
}
