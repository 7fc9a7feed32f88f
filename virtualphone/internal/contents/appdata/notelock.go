package appdata

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/keepsake-backup/keepsake/internal/plist"
)

// NotePassword opens the locked notes of every virtual phone; their hint says
// so. It protects invented text only.
const NotePassword = "keepsake"

const (
	noteHint       = "The name of this project, in small letters"
	noteIterations = 20000 // what phones use (content-schemas.md 7)
)

// lockedBody is a body under a password (content-schemas.md 7):
//
//	key-encryption key = PBKDF2-HMAC-SHA256(password, salt, iterations), 16 bytes
//	wrapped key        = RFC 3394 wrap of the note key, 24 bytes
//	data               = AES-128-GCM(note key, 16-byte vector, gzip body), tag apart
type lockedBody struct {
	salt, wrappedKey, iv, tag, data []byte
}

// columns are those of a row that say how it opens.
func (l lockedBody) columns() []any {
	return []any{"ZCRYPTOITERATIONCOUNT", noteIterations, "ZCRYPTOSALT", l.salt, "ZCRYPTOWRAPPEDKEY", l.wrappedKey, "ZCRYPTOINITIALIZATIONVECTOR", l.iv, "ZCRYPTOTAG", l.tag}
}

// noteLock is the key of a note.
type noteLock struct {
	salt, key, wrapped []byte
}

func newNoteLock(r *rng) (noteLock, error) {
	l := noteLock{salt: r.bytes(16), key: r.bytes(16)}
	var err error
	l.wrapped, err = wrapWithPassword(l.salt, l.key)
	return l, err
}

// seal encrypts a body, values or a file.
func (n noteLock) seal(r *rng, body []byte) (lockedBody, error) {
	l := lockedBody{salt: n.salt, wrappedKey: n.wrapped, iv: r.bytes(16)}
	block, err := aes.NewCipher(n.key)
	if err != nil {
		return l, fmt.Errorf("lock note: %w", err)
	}
	gcm, err := cipher.NewGCMWithNonceSize(block, len(l.iv))
	if err != nil {
		return l, fmt.Errorf("lock note: %w", err)
	}
	sealed := gcm.Seal(nil, l.iv, body, nil)
	cut := len(sealed) - gcm.Overhead()
	l.data, l.tag = sealed[:cut], sealed[cut:]
	return l, nil
}

func wrapWithPassword(salt, key []byte) ([]byte, error) {
	kek, err := pbkdf2.Key(sha256.New, NotePassword, salt, noteIterations, 16)
	if err != nil {
		return nil, fmt.Errorf("derive note key: %w", err)
	}
	return wrapKey(kek, key)
}

// wrapKey is RFC 3394, 2.2.1, with the default initial value.
func wrapKey(kek, key []byte) ([]byte, error) {
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, fmt.Errorf("wrap key: %w", err)
	}
	n := len(key) / 8
	out := make([]byte, 8+len(key))
	copy(out[8:], key)
	a := []byte{0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6}
	buf := make([]byte, 16)
	for j := range 6 {
		for i := 1; i <= n; i++ {
			copy(buf, a)
			copy(buf[8:], out[8*i:])
			block.Encrypt(buf, buf)
			t := uint64(n*j + i)
			binary.BigEndian.PutUint64(a, binary.BigEndian.Uint64(buf)^t)
			copy(out[8*i:8*i+8], buf[8:])
		}
	}
	copy(out, a)
	return out, nil
}

// accountKeyBody is the newer form of a locked body, whose key is not in the
// notes database: a keyed archive around random bytes. Nothing opens it.
func accountKeyBody(r *rng) ([]byte, error) {
	meta, err := plist.Marshal(map[string]any{"cipherVersion": 1, "accountKeyIdentifier": r.guid(), "objectIdentifier": r.guid()}, plist.Binary)
	if err != nil {
		return nil, err
	}
	a := newArchive()
	data := func(b []byte) plist.UID { return a.object([]string{"NSData", "NSObject"}, field{"NS.data", b}) }
	root := a.object([]string{"ICCryptoEncryptionObject", "NSObject"}, field{"metadata", data(meta)},
		field{"wrappedEncryptionKey", data(r.bytes(40))}, field{"encryptedData", data(r.bytes(220))})
	return a.encode(root)
}
