package format

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
)

// ID is a SHA-256: of a file's sealed bytes for files, of the plaintext for
// blobs. Its text form is 64 lower-case hexadecimal digits. It is comparable.
type ID [sha256.Size]byte

// Hash is the ID of data.
func Hash(data []byte) ID { return sha256.Sum256(data) }

var errNotHex = errors.New("not all lower-case hexadecimal digits")

// ParseID reads the 64 digits of an ID. Upper-case digits are refused: an ID has
// one text, because it is a file name (restic-format.md 1).
func ParseID(s string) (ID, error) { return parseID([]byte(s)) }

func parseID(text []byte) (ID, error) {
	var id ID
	if len(text) != 2*len(id) {
		return ID{}, fmt.Errorf("parse ID: %d characters, want %d", len(text), 2*len(id))
	}
	if !decodeID(&id, text) {
		return ID{}, fmt.Errorf("parse ID: %w", errNotHex)
	}
	return id, nil
}

func (id ID) String() string { return hex.EncodeToString(id[:]) }

// Short is what people see: the first eight digits.
func (id ID) Short() string { return hex.EncodeToString(id[:4]) }

// IsNull tells whether id is the zero value, which names nothing.
func (id ID) IsNull() bool { return id == ID{} }

// Compare orders IDs as bytes.Compare does.
func (id ID) Compare(other ID) int { return bytes.Compare(id[:], other[:]) }

// MarshalText gives the 64 digits.
func (id ID) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, id[:]), nil }

// UnmarshalText reads the 64 digits, as ParseID does.
func (id *ID) UnmarshalText(text []byte) error {
	parsed, err := parseID(text)
	if err == nil {
		*id = parsed
	}
	return err
}
