// Package secret holds values that must never be seen: they print as
// "[redacted]" through fmt, log/slog and encoding/json, whatever the verb.
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
type Text struct{ value string }

// NewText wraps s.
func NewText(s string) Text { return Text{s} }

// Reveal returns the secret. Call it only where the value is used: to derive a
// key or to put it on the wire to its owner.
func (t Text) Reveal() string { return t.value }

// IsZero tells whether no secret was given.
func (t Text) IsZero() bool { return t.value == "" }

func (t Text) String() string               { return redacted }
func (t Text) GoString() string             { return redacted }
func (t Text) Format(s fmt.State, _ rune)   { fmt.Fprint(s, redacted) }
func (t Text) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (t Text) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// BackupPassword protects an encrypted backup; the phone keeps it and encrypts
// with it (backup-format.md 3).
type BackupPassword struct{ Text }

// NewBackupPassword takes the password as the owner typed it.
func NewBackupPassword(s string) BackupPassword { return BackupPassword{Text{s}} }

// Passcode unlocks the phone. Only the virtual phone ever holds one.
type Passcode struct{ Text }

// NewPasscode takes the digits or letters of the passcode.
func NewPasscode(s string) Passcode { return Passcode{Text{s}} }

// Bytes is secret binary data: a private key, an escrow bag, a class key.
type Bytes struct{ value []byte }

// NewBytes wraps b without copying it.
func NewBytes(b []byte) Bytes { return Bytes{b} }

// Reveal returns the bytes themselves, not a copy.
func (b Bytes) Reveal() []byte { return b.value }

// IsZero tells whether there are no bytes.
func (b Bytes) IsZero() bool { return len(b.value) == 0 }

func (b Bytes) String() string               { return redacted }
func (b Bytes) GoString() string             { return redacted }
func (b Bytes) Format(s fmt.State, _ rune)   { fmt.Fprint(s, redacted) }
func (b Bytes) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (b Bytes) MarshalText() ([]byte, error) { return []byte(redacted), nil }
