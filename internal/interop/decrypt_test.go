package interop

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"howett.net/plist"
)

// An encrypted backup by our host decrypts, with nothing but the standard
// library and the rules of backup-format.md 3, to the phone's own plaintext.
// Package keybag is deliberately not used.
func TestOurs_encryptedDecryptsByTheBook(t *testing.T) {
	p := start(t)
	const password = "pässword by the book"
	dir := t.TempDir()
	p.run("idevicebackup2", "encryption", "on", password, dir)
	p.ourBackup(dir)
	want := lines(p.digest())
	dir = filepath.Join(dir, p.UDID())

	var manifest struct {
		BackupKeyBag, ManifestKey []byte
		IsEncrypted               bool
	}
	data, err := os.ReadFile(filepath.Join(dir, "Manifest.plist"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plist.Unmarshal(data, &manifest); err != nil || !manifest.IsEncrypted {
		t.Fatalf("Manifest.plist: encrypted %v, %v", manifest.IsEncrypted, err)
	}
	classKeys, err := unlock(manifest.BackupKeyBag, password)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := os.ReadFile(filepath.Join(dir, "Manifest.db"))
	if err != nil {
		t.Fatal(err)
	}
	open, err := decrypt(classKeys, manifest.ManifestKey, sealed)
	if err != nil {
		t.Fatalf("Manifest.db: %v", err)
	}
	dbFile := filepath.Join(t.TempDir(), "Manifest.db")
	if err := os.WriteFile(dbFile, open, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", dbFile)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query("SELECT fileID, domain, relativePath, file FROM Files WHERE flags = 1")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	checked := 0
	for rows.Next() {
		var id, domain, path string
		var blob []byte
		if err := rows.Scan(&id, &domain, &path, &blob); err != nil {
			t.Fatal(err)
		}
		key, err := encryptionKey(blob)
		if err != nil {
			t.Fatalf("%s %s: %v", domain, path, err)
		}
		stored, err := os.ReadFile(filepath.Join(dir, id[:2], id))
		if err != nil {
			t.Fatal(err)
		}
		plain, err := decrypt(classKeys, key, stored)
		if err != nil {
			t.Fatalf("%s %s: %v", domain, path, err)
		}
		sum := sha256.Sum256(plain)
		if w := want[domain+"/"+path]; w != hex.EncodeToString(sum[:]) {
			t.Errorf("%s/%s: plaintext %x, the phone has %s", domain, path, sum, w)
		}
		checked++
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if checked < 50 {
		t.Errorf("only %d files were checked", checked)
	}
}

// unlock parses a keybag and unwraps the class keys that the password alone opens.
func unlock(bag []byte, password string) (map[uint32][]byte, error) {
	type entry struct {
		class, wrap uint32
		wpky        []byte
	}
	head := map[string][]byte{}
	var entries []entry
	for len(bag) >= 8 {
		tag, n := string(bag[:4]), binary.BigEndian.Uint32(bag[4:])
		if uint64(n) > uint64(len(bag)-8) {
			return nil, errors.New("keybag is cut off")
		}
		value := bag[8 : 8+n]
		bag = bag[8+n:]
		_, seen := head["UUID"]
		switch {
		case tag == "UUID" && seen:
			entries = append(entries, entry{})
		case len(entries) == 0:
			head[tag] = value
		case tag == "CLAS":
			entries[len(entries)-1].class = binary.BigEndian.Uint32(value)
		case tag == "WRAP":
			entries[len(entries)-1].wrap = binary.BigEndian.Uint32(value)
		case tag == "WPKY":
			entries[len(entries)-1].wpky = value
		}
	}
	k1, err := pbkdf2.Key(sha256.New, password, head["DPSL"], int(binary.BigEndian.Uint32(head["DPIC"])), 32)
	if err != nil {
		return nil, err
	}
	k, err := pbkdf2.Key(sha1.New, string(k1), head["SALT"], int(binary.BigEndian.Uint32(head["ITER"])), 32)
	if err != nil {
		return nil, err
	}
	keys := map[uint32][]byte{}
	for _, e := range entries {
		if e.wrap != 2 {
			continue
		}
		if keys[e.class], err = unwrap(k, e.wpky); err != nil {
			return nil, fmt.Errorf("class %d: %w", e.class, err)
		}
	}
	return keys, nil
}

// unwrap is RFC 3394.
func unwrap(kek, wrapped []byte) ([]byte, error) {
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, err
	}
	n := len(wrapped)/8 - 1
	a := append([]byte(nil), wrapped[:8]...)
	r := append([]byte(nil), wrapped[8:]...)
	buf := make([]byte, 16)
	for j := 5; j >= 0; j-- {
		for i := n; i >= 1; i-- {
			t := binary.BigEndian.Uint64(a) ^ uint64(n*j+i)
			binary.BigEndian.PutUint64(buf, t)
			copy(buf[8:], r[(i-1)*8:i*8])
			block.Decrypt(buf, buf)
			copy(a, buf[:8])
			copy(r[(i-1)*8:], buf[8:])
		}
	}
	if subtle.ConstantTimeCompare(a, []byte("\xA6\xA6\xA6\xA6\xA6\xA6\xA6\xA6")) != 1 {
		return nil, errors.New("wrong key")
	}
	return r, nil
}

// decrypt opens data with a key of 4 bytes class and 40 bytes wrapped key.
func decrypt(classKeys map[uint32][]byte, wrapped, data []byte) ([]byte, error) {
	if len(wrapped) != 44 {
		return nil, fmt.Errorf("key of %d bytes", len(wrapped))
	}
	key, err := unwrap(classKeys[binary.LittleEndian.Uint32(wrapped)], wrapped[4:])
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	if len(data) == 0 || len(data)%16 != 0 {
		return nil, fmt.Errorf("%d bytes are no ciphertext", len(data))
	}
	plain := make([]byte, len(data))
	cipher.NewCBCDecrypter(block, make([]byte, 16)).CryptBlocks(plain, data)
	pad := int(plain[len(plain)-1])
	if pad < 1 || pad > 16 {
		return nil, fmt.Errorf("padding of %d", pad)
	}
	return plain[:len(plain)-pad], nil
}

// encryptionKey finds EncryptionKey in an MBFile archive.
func encryptionKey(blob []byte) ([]byte, error) {
	var archive struct {
		Objects []any `plist:"$objects"`
	}
	if _, err := plist.Unmarshal(blob, &archive); err != nil {
		return nil, err
	}
	file, ok := archive.Objects[1].(map[string]any)
	if !ok {
		return nil, errors.New("no MBFile")
	}
	uid, ok := file["EncryptionKey"].(plist.UID)
	if !ok {
		return nil, errors.New("no EncryptionKey")
	}
	holder, ok := archive.Objects[uid].(map[string]any)
	if !ok {
		return nil, errors.New("EncryptionKey is no object")
	}
	key, ok := holder["NS.data"].([]byte)
	if !ok {
		return nil, errors.New("EncryptionKey has no data")
	}
	return key, nil
}
