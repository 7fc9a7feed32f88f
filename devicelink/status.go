package devicelink

import (
	"errors"
	"io/fs"
	"syscall"
)

// statusOf orders the errors of the host's file system by what the phone can
// be told about them (protocol.md 4.5). errors.Is also matches the meanings
// fs.ErrNotExist and fs.ErrExist, so stores without errno fit in.
var statusOf = []struct {
	err  error
	code Status
}{
	{syscall.ENOSPC, StatusNoSpace},
	{syscall.EDQUOT, StatusNoSpace}, // a full quota is a full disk to the phone
	{fs.ErrNotExist, StatusNotFound},
	// ENOTEMPTY counts as fs.ErrExist to the standard library, but "exists" is
	// harmless to the phone and a folder that cannot be removed is not.
	{syscall.ENOTEMPTY, StatusError},
	{fs.ErrExist, StatusExists},
	{syscall.ENOTDIR, StatusNotDirectory},
	{syscall.EISDIR, StatusIsDirectory},
	{syscall.ELOOP, StatusLoop},
	{syscall.EIO, StatusIO},
}

// StatusOf maps an error of the host to the code that the phone understands;
// what the table does not name, such as EACCES, is StatusError.
func StatusOf(err error) Status {
	if err == nil {
		return StatusOK
	}
	if diskFull(err) {
		return StatusNoSpace
	}
	for _, row := range statusOf {
		if errors.Is(err, row.err) {
			return row.code
		}
	}
	return StatusError
}

// NoSpace tells whether err means that the host's disk or quota is full.
func NoSpace(err error) bool { return err != nil && StatusOf(err) == StatusNoSpace }
