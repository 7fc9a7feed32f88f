package catalog

import (
	"context"
	"crypto/cipher"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/keepsake-backup/keepsake/internal/secret"
)

// KeySize is the length of Options.Key in bytes.
const KeySize = chacha20poly1305.KeySize

// ErrWrongKey: the secrets of the catalog were sealed under another key. It has a Hint.
var ErrWrongKey error = wrongKey{}

type wrongKey struct{}

func (wrongKey) Error() string { return "the key is not that of the catalog" }

// Hint says what to do.
func (wrongKey) Hint() string {
	return "put back the key that lay beside the catalog when it was made; without it the secrets in the catalog are lost, and the backups are not: move the catalog away and set the service up again with the same place and password"
}

// canary is a secret that is there to try the key.
const canary = "canary"

// sealer seals secrets: nonce │ ciphertext │ tag.
type sealer struct{ aead cipher.AEAD }

func newSealer(key secret.Bytes) (sealer, error) {
	aead, err := chacha20poly1305.NewX(key.Reveal())
	if err != nil {
		return sealer{}, fmt.Errorf("the key has to have %d bytes", KeySize)
	}
	return sealer{aead}, nil
}

func (s sealer) seal(name string, plain []byte) []byte {
	nonce := make([]byte, s.aead.NonceSize(), s.aead.NonceSize()+len(plain)+s.aead.Overhead())
	rand.Read(nonce)
	return s.aead.Seal(nonce, nonce, plain, []byte("keepsake secret "+name))
}

func (s sealer) open(name string, sealed []byte) ([]byte, error) {
	n := s.aead.NonceSize()
	if len(sealed) < n {
		return nil, ErrWrongKey
	}
	plain, err := s.aead.Open(nil, sealed[:n], sealed[n:], []byte("keepsake secret "+name))
	if err != nil {
		return nil, ErrWrongKey
	}
	return plain, nil
}

// proveKey tries the key at the canary, which a new catalog gets.
func (db *DB) proveKey(ctx context.Context) error {
	_, err := db.Unseal(ctx, canary)
	if errors.Is(err, ErrNotFound) {
		var name string
		err = db.read.QueryRowContext(ctx, "SELECT name FROM secret LIMIT 1").Scan(&name)
		if errors.Is(err, sql.ErrNoRows) {
			return db.Seal(ctx, canary, secret.NewBytes([]byte(canary)))
		}
		if err == nil { // somebody has taken the canary away: any other one will do
			_, err = db.Unseal(ctx, name)
		}
	}
	if err != nil {
		return fmt.Errorf("open catalog %s: %w", db.path, err)
	}
	return nil
}

// Seal keeps a secret under a name, in the place of an earlier one.
func (db *DB) Seal(ctx context.Context, name string, plain secret.Bytes) error {
	_, err := db.write.ExecContext(ctx, "INSERT INTO secret (name, sealed) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed", name, db.seal.seal(name, plain.Reveal()))
	if err != nil {
		return fmt.Errorf("keep secret %q: %w", name, err)
	}
	return nil
}

// Unseal gives a secret; ErrNotFound if there is none of that name.
func (db *DB) Unseal(ctx context.Context, name string) (secret.Bytes, error) {
	var sealed []byte
	if err := db.read.QueryRowContext(ctx, "SELECT sealed FROM secret WHERE name = ?", name).Scan(&sealed); err != nil {
		return secret.Bytes{}, fmt.Errorf("read secret %q: %w", name, missing(err))
	}
	plain, err := db.seal.open(name, sealed)
	if err != nil {
		return secret.Bytes{}, fmt.Errorf("read secret %q: %w", name, err)
	}
	return secret.NewBytes(plain), nil
}

// Secrets are the names that begin with prefix, sorted.
func (db *DB) Secrets(ctx context.Context, prefix string) ([]string, error) {
	return list(ctx, db.read, func(row scanner) (name string, err error) { return name, row.Scan(&name) },
		"SELECT name FROM secret WHERE substr(name, 1, length(?1)) = ?1 AND name <> ?2 ORDER BY name", prefix, canary)
}

// DeleteSecret forgets a secret; one that is not there is no error.
func (db *DB) DeleteSecret(ctx context.Context, name string) error {
	if _, err := db.write.ExecContext(ctx, "DELETE FROM secret WHERE name = ?", name); err != nil {
		return fmt.Errorf("forget secret %q: %w", name, err)
	}
	return nil
}
