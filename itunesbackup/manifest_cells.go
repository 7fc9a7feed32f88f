package itunesbackup

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"

	"golang.org/x/text/unicode/norm"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/keybag"
)

// cellCipher is how iOS 10.0 alone locked a manifest: the database in clear, the
// file column of every row encrypted (backup-format.md 3.7). Properties tells:
//
//	salt, passwordHash = SHA-256(password | salt)
//	key = the first 16 bytes of SHA-1(password | salt), AES-CBC, IV 00 01 … 0f
type cellCipher struct {
	salt, hash []byte
	block      cipher.Block // nil while locked
}

const maxProperty = 1 << 10

func (m *Manifest) readProperties(ctx context.Context) error {
	var exists int
	if err := m.db.QueryRowContext(ctx, `SELECT count(*) FROM pragma_table_list WHERE schema = 'main' AND name = 'Properties' AND type = 'table'`).Scan(&exists); err != nil {
		return databaseError(ctx, err)
	}
	if exists == 0 {
		return nil
	}
	rows, err := m.db.QueryContext(ctx, `SELECT key, CAST(value AS BLOB) FROM Properties
		WHERE key IN ('salt', 'passwordHash') AND length(value) <= ?`, maxProperty)
	if err != nil {
		return databaseError(ctx, err)
	}
	defer rows.Close()
	m.mu.Lock()
	defer m.mu.Unlock()
	for rows.Next() {
		var key string
		var value []byte
		if err := rows.Scan(&key, &value); err != nil {
			return databaseError(ctx, err)
		}
		if key == "salt" {
			m.cells.salt = value
		} else {
			m.cells.hash = value
		}
	}
	if err := rows.Err(); err != nil {
		return databaseError(ctx, err)
	}
	return nil
}

// unlockCells gives the rows of an iOS 10.0 manifest their key; for any other
// there is nothing to do.
func (m *Manifest) unlockCells(password secret.BackupPassword) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cells.salt == nil {
		return nil
	}
	typed := password.Reveal()
	for _, form := range []string{typed, norm.NFC.String(typed), norm.NFD.String(typed)} {
		salted := append([]byte(form), m.cells.salt...)
		hash := sha256.Sum256(salted)
		if subtle.ConstantTimeCompare(hash[:], m.cells.hash) != 1 {
			continue
		}
		key := sha1.Sum(salted)
		block, err := aes.NewCipher(key[:16])
		if err != nil {
			return fmt.Errorf("unlock manifest: %w", err)
		}
		m.cells.block = block
		return nil
	}
	return fmt.Errorf("unlock manifest: %w", keybag.ErrWrongPassword)
}

// openCell gives the archive in a file column.
func (m *Manifest) openCell(cell []byte) ([]byte, error) {
	if bytes.HasPrefix(cell, []byte(bplistMagic)) {
		return cell, nil
	}
	m.mu.Lock()
	c := m.cells
	m.mu.Unlock()
	switch {
	case c.salt == nil:
		return cell, nil
	case c.block == nil:
		return nil, ErrLocked
	case len(cell) == 0 || len(cell)%aes.BlockSize != 0:
		return nil, fmt.Errorf("%w: encrypted file column of %d bytes", ErrMalformed, len(cell))
	}
	iv := make([]byte, aes.BlockSize)
	for i := range iv {
		iv[i] = byte(i)
	}
	plain := make([]byte, len(cell))
	cipher.NewCBCDecrypter(c.block, iv).CryptBlocks(plain, cell)
	// A property list is found from its end, so padding has to go; without valid
	// padding the archive's own check will tell.
	if pad := int(plain[len(plain)-1]); pad >= 1 && pad <= aes.BlockSize {
		plain = plain[:len(plain)-pad]
	}
	return plain, nil
}
