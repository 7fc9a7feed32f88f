package usbmux

import (
	"fmt"
	"strings"
)

// UDID is a phone's permanent identifier: 40 hexadecimal digits in lower case,
// or, since 2018, 8 digits, a dash and 16 digits in upper case. The zero value
// is no UDID; others come from [ParseUDID]. It names pair records and backup
// folders, and is neither the printed serial number nor a [DeviceID].
type UDID struct{ s string }

// ParseUDID takes a UDID in any case, and the newer form without its dash, as
// USB serial numbers carry it (protocol.md 1.3).
func ParseUDID(s string) (UDID, error) {
	switch {
	case len(s) == 40 && isHex(s):
		return UDID{strings.ToLower(s)}, nil
	case len(s) == 24 && isHex(s):
		return UDID{strings.ToUpper(s[:8] + "-" + s[8:])}, nil
	case len(s) == 25 && s[8] == '-' && isHex(s[:8]) && isHex(s[9:]):
		return UDID{strings.ToUpper(s)}, nil
	}
	return UDID{}, fmt.Errorf("parse UDID %.60q: neither 40 hexadecimal digits nor 8-16", s)
}

func isHex(s string) bool {
	for _, c := range []byte(s) {
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F') {
			return false
		}
	}
	return true
}

// String returns the UDID as pair records and backup folders are named.
func (u UDID) String() string { return u.s }

// IsZero tells whether u is no UDID.
func (u UDID) IsZero() bool { return u.s == "" }

// HasPrefix tells whether u starts with prefix, in any case and with or
// without the dash.
func (u UDID) HasPrefix(prefix string) bool {
	plain := strings.ReplaceAll(strings.ToLower(u.s), "-", "")
	return strings.HasPrefix(plain, strings.ReplaceAll(strings.ToLower(prefix), "-", ""))
}

// MarshalText makes a UDID a string in JSON.
func (u UDID) MarshalText() ([]byte, error) { return []byte(u.s), nil }

// UnmarshalText reads what MarshalText wrote; empty text is the zero UDID.
func (u *UDID) UnmarshalText(text []byte) (err error) {
	*u = UDID{}
	if len(text) > 0 {
		*u, err = ParseUDID(string(text))
	}
	return err
}
