package itunesbackup

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"strings"
)

// FileID names a file of a backup: the SHA-1 of "domain-relativePath"
// (backup-format.md 1.3). It says nothing about the content.
type FileID [sha1.Size]byte

// MakeFileID computes the ID of a row to be added. Do not use it to look up an
// existing row with a non-ASCII path: the phone hashed another Unicode form of
// it than the one it stored; look up by domain and path instead.
func MakeFileID(domain, relativePath string) FileID {
	b := make([]byte, 0, 256)
	b = append(b, domain...)
	b = append(b, '-')
	b = append(b, relativePath...)
	return sha1.Sum(b)
}

// ParseFileID takes the 40 lower-case hex digits of a row or file name and
// nothing else: IDs become names in the backup folder.
func ParseFileID(s string) (FileID, error) {
	var id FileID
	if len(s) != 2*len(id) {
		return FileID{}, fmt.Errorf("parse file ID %.50q: want 40 hex digits", s)
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil || strings.ToLower(s) != s {
		return FileID{}, fmt.Errorf("parse file ID %q: want lower-case hex digits", s)
	}
	return id, nil
}

// String gives 40 lower-case hex digits.
func (id FileID) String() string { return hex.EncodeToString(id[:]) }

// Shard is the folder of the file, the first two digits: "ab".
func (id FileID) Shard() string { return hex.EncodeToString(id[:1]) }

// Path is where the file lies in the backup folder, with a slash: "ab/ab12…".
func (id FileID) Path() string {
	var b [43]byte
	hex.Encode(b[3:], id[:])
	b[0], b[1], b[2] = b[3], b[4], '/'
	return string(b[:])
}

// MarshalText gives the same as String, so that IDs are readable in JSON.
func (id FileID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }
