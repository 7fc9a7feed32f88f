package afc

import (
	"fmt"
	"io/fs"
)

var statusText = map[Status]string{
	StatusOK:               "ok",
	StatusUnknown:          "unknown error",
	StatusHeaderInvalid:    "invalid header",
	StatusNoResources:      "no resources",
	StatusReadError:        "read error",
	StatusWriteError:       "write error",
	StatusUnknownPacket:    "unknown packet",
	StatusInvalidArgument:  "invalid argument",
	StatusNotFound:         "not found",
	StatusIsDir:            "is a directory",
	StatusPermissionDenied: "permission denied",
	11:                     "service not connected",
	12:                     "time-out",
	13:                     "too much data",
	14:                     "end of data",
	StatusNotSupported:     "not supported",
	StatusExists:           "exists already",
	StatusBusy:             "busy",
	StatusNoSpace:          "no space left",
	StatusWouldBlock:       "locked by another program",
	StatusIO:               "input/output error",
	21:                     "interrupted",
	22:                     "in progress",
	StatusInternal:         "internal error",
	30:                     "multiplexer error",
	31:                     "no memory",
	32:                     "not enough data",
	StatusDirNotEmpty:      "directory not empty",
	34:                     "TLS error",
}

// Error names the code: "not found (AFC 8)". On a locked phone single files
// give StatusPermissionDenied or StatusIO: try later (protocol.md 14.1).
func (s Status) Error() string {
	text, ok := statusText[s]
	if !ok {
		text = "unknown code"
	}
	return fmt.Sprintf("%s (AFC %d)", text, uint64(s))
}

// Is makes the codes match their equivalents in io/fs.
func (s Status) Is(target error) bool {
	switch target {
	case fs.ErrNotExist:
		return s == StatusNotFound
	case fs.ErrPermission:
		return s == StatusPermissionDenied
	case fs.ErrExist:
		return s == StatusExists
	case fs.ErrInvalid:
		return s == StatusInvalidArgument
	}
	return false
}
