package notes

import (
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// Lock tells with what a note is locked.
type Lock string

// The locks of notes; "" is none.
const (
	LockPassword Lock = "password"
	LockPasscode Lock = "passcode" // of the phone
)

// What a locked note says that was not opened.
const (
	sayPasscode = "locked with the phone's passcode: cannot be opened outside the phone"
	sayNone     = "locked with a password: none was given"
	sayWrong    = "locked with a password: none of those that were given opens it"
	sayDamaged  = "locked with a password: its data is damaged"
	sayCostly   = "locked with a password: trying it would take too long"
)

// Bounds of what a database may ask for. Phones hash a password 20,000 times.
const (
	maxIterations = 5_000_000
	maxHashing    = 300_000_000 // iterations of one reading
	maxSalt       = 1024
)

// cryptoRow are the columns of a row that say how its content is locked.
type cryptoRow struct {
	salt, wrapped, iv, tag sqlitefs.Blob
	iterations             int64
}

// errCostly says that passwords cannot be tried for the work it would be.
var errCostly = errors.New("too many iterations")

// keyring derives keys from the passwords that there are; it remembers them, as all
// notes of an account may have the same salt.
type keyring struct {
	passwords []secret.Text
	keks      map[string]secret.Bytes
	hashed    int64
}

func newKeyring(passwords []secret.Text) *keyring {
	return &keyring{passwords: passwords, keks: map[string]secret.Bytes{}}
}

// key finds the key of a row. Errors: errWrongKey when no password opens it, errCostly,
// errMalformed.
func (k *keyring) key(ctx context.Context, row cryptoRow) (secret.Bytes, error) {
	if len(row.salt) == 0 || len(row.salt) > maxSalt || len(row.wrapped) == 0 || row.iterations < 1 {
		return secret.Bytes{}, errMalformed
	}
	for i := range k.passwords {
		if err := ctx.Err(); err != nil {
			return secret.Bytes{}, err
		}
		kek, err := k.kek(i, row)
		if err != nil {
			return secret.Bytes{}, err
		}
		key, err := unwrapKey(kek.Reveal(), row.wrapped)
		if errors.Is(err, errWrongKey) {
			continue
		}
		return secret.NewBytes(key), err
	}
	return secret.Bytes{}, errWrongKey
}

func (k *keyring) kek(i int, row cryptoRow) (secret.Bytes, error) {
	name := fmt.Sprintf("%d %d %x", i, row.iterations, []byte(row.salt))
	if kek, ok := k.keks[name]; ok {
		return kek, nil
	}
	if row.iterations > maxIterations || k.hashed+row.iterations > maxHashing {
		return secret.Bytes{}, errCostly
	}
	k.hashed += row.iterations
	raw, err := pbkdf2.Key(sha256.New, k.passwords[i].Reveal(), row.salt, int(row.iterations), 16)
	if err != nil {
		return secret.Bytes{}, fmt.Errorf("derive the key of a note: %w", err)
	}
	kek := secret.NewBytes(raw)
	k.keks[name] = kek
	return kek, nil
}

// open decrypts what a row has locked. Data is given up.
func (k *keyring) open(ctx context.Context, row cryptoRow, data []byte) ([]byte, error) {
	key, err := k.key(ctx, row)
	if err != nil {
		return nil, err
	}
	out, err := openSealed(key.Reveal(), row.iv, row.tag, data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errMalformed, err)
	}
	return out, nil
}

// say gives the words for an error of a keyring.
func (k *keyring) say(err error) string {
	switch {
	case len(k.passwords) == 0:
		return sayNone
	case errors.Is(err, errWrongKey):
		return sayWrong
	case errors.Is(err, errCostly):
		return sayCostly
	}
	return sayDamaged
}

// lockOf tells by the first bytes of a body with what it is locked.
func lockOf(data []byte) Lock {
	switch {
	case isGzip(data):
		return ""
	case len(data) >= 8 && string(data[:8]) == "bplist00":
		return LockPasscode
	}
	return LockPassword
}
