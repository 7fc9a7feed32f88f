package repository

import (
	"bytes"
	"errors"
	"fmt"
)

// ErrNotSealed: Unseal was given bytes that Seal of this repository did not make
// for that purpose, or that have changed since.
var ErrNotSealed = errors.New("not sealed by this repository")

// Seal encrypts and authenticates data with the master key of the repository,
// for state that belongs to it but lies elsewhere: on the disk of a computer that
// works with it. Every password of the repository opens it; whoever has only that
// disk learns its length. Changing passwords changes nothing.
//
// purpose names what it is for, such as "keepsake run"; Unseal wants the same one,
// so that a sealed thing cannot be passed off as another. It may not contain a
// NUL. What is sealed is
//
//	nonce 16 ‖ AES-256-CTR(purpose ‖ NUL ‖ data) ‖ Poly1305-AES tag 16
//
// as for every file of the repository (restic-format.md 4).
func (r *Repository) Seal(purpose string, data []byte) []byte {
	plain := make([]byte, 0, len(purpose)+1+len(data))
	plain = append(append(append(plain, purpose...), 0), data...)
	defer clear(plain)
	return r.key.Seal(nil, plain)
}

// Unseal gives back what Seal was given. Its error wraps ErrNotSealed.
func (r *Repository) Unseal(purpose string, sealed []byte) ([]byte, error) {
	plain, err := r.key.Open(nil, sealed)
	if err != nil {
		return nil, fmt.Errorf("unseal %s: %w: %w", purpose, ErrNotSealed, err)
	}
	label, data, ok := bytes.Cut(plain, []byte{0})
	if !ok || string(label) != purpose {
		clear(plain)
		return nil, fmt.Errorf("unseal %s: %w: it was sealed for something else", purpose, ErrNotSealed)
	}
	return data, nil
}
