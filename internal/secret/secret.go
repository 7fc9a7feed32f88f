// Package secret holds values that must never be seen: they print as
// "[redacted]" through fmt, log/slog and encoding/json, whatever the verb. The
// values hide in a closure, because fmt calls no methods on unexported fields
// of a struct that it prints: there it shows an address.
//
// Keepsake keeps four passwords apart (design.md 3): the passcode of the phone,
// the backup password, the Apple Account password and the repository password.
// Each has its own type, so that one is never passed for another.
package secret

import (
	"fmt"
	"log/slog"
)

const redacted = "[redacted]"

// Text is a secret string. The zero value is "no secret".
type Text struct{ value func() string }

// NewText wraps s.
func NewText(s string) Text {
	if s == "" {
		return Text{}
	}
	return Text{func() string { return s }}
}

// Reveal returns the secret. Call it only where the value is used: to derive a
// key or to put it on the wire to its owner.
func (t Text) Reveal() string {
	if t.value == nil {
		return ""
	}
	return t.value()
}

// IsZero tells whether no secret was given.
func (t Text) IsZero() bool { return t.value == nil }

func (t Text) String() string               { return redacted }
func (t Text) GoString() string             { return redacted }
func (t Text) Format(s fmt.State, _ rune)   { fmt.Fprint(s, redacted) }
func (t Text) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (t Text) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// BackupPassword protects an encrypted backup; the phone keeps it and encrypts
// with it (backup-format.md 3).
type BackupPassword struct{ Text }

// NewBackupPassword takes the password as the owner typed it.
func NewBackupPassword(s string) BackupPassword { return BackupPassword{NewText(s)} }

// Passcode unlocks the phone. Only the virtual phone ever holds one.
type Passcode struct{ Text }

// NewPasscode takes the digits or letters of the passcode.
func NewPasscode(s string) Passcode { return Passcode{NewText(s)} }

// Bytes is secret binary data: a private key, an escrow bag, a class key.
type Bytes struct{ value func() []byte }

// NewBytes wraps b without copying it.
func NewBytes(b []byte) Bytes {
	if len(b) == 0 {
		return Bytes{}
	}
	return Bytes{func() []byte { return b }}
}

// Reveal returns the bytes themselves, not a copy.
func (b Bytes) Reveal() []byte {
	if b.value == nil {
		return nil
	}
	return b.value()
}

// IsZero tells whether there are no bytes.
func (b Bytes) IsZero() bool { return b.value == nil }

func (b Bytes) String() string               { return redacted }
func (b Bytes) GoString() string             { return redacted }
func (b Bytes) Format(s fmt.State, _ rune)   { fmt.Fprint(s, redacted) }
func (b Bytes) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (b Bytes) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// RepositoryPassword opens a repository: it unlocks one of its keys.
type RepositoryPassword struct{ Text }

// NewRepositoryPassword takes the password as its owner typed it, without the
// newline at the end of a password file.
func NewRepositoryPassword(s string) RepositoryPassword { return RepositoryPassword{NewText(s)} }
