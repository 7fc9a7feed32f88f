//go:build linux

package resticinterop

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	//lint:ignore SA1019 the repository format is defined with Poly1305-AES
	"golang.org/x/crypto/poly1305"
	"golang.org/x/crypto/scrypt"
)

// The format's keys and sealing once more (restic-format.md 2 and 3), by the
// shortest code that does it: to make opening cheap, and to plant locks that
// nobody can be made to write.

// sealKey is encryption key, k and r.
type sealKey [64]byte

func (k *sealKey) tag(nonce, ciphertext []byte) (tag [16]byte) {
	block, err := aes.NewCipher(k[32:48])
	if err != nil {
		panic(err) // the length is right
	}
	var once [32]byte
	copy(once[:16], k[48:])
	block.Encrypt(once[16:], nonce)
	poly1305.Sum(&tag, ciphertext, &once)
	return tag
}

func (k *sealKey) crypt(nonce, data []byte) []byte {
	block, err := aes.NewCipher(k[:32])
	if err != nil {
		panic(err) // the length is right
	}
	out := make([]byte, len(data))
	cipher.NewCTR(block, nonce).XORKeyStream(out, data)
	return out
}

func (k *sealKey) seal(plaintext []byte) []byte {
	nonce := make([]byte, 16)
	rand.Read(nonce)
	ciphertext := k.crypt(nonce, plaintext)
	tag := k.tag(nonce, ciphertext)
	return append(append(nonce, ciphertext...), tag[:]...)
}

func (k *sealKey) open(sealed []byte) ([]byte, error) {
	if len(sealed) < 32 {
		return nil, errors.New("too short")
	}
	nonce, ciphertext := sealed[:16], sealed[16:len(sealed)-16]
	if tag := k.tag(nonce, ciphertext); string(tag[:]) != string(sealed[len(sealed)-16:]) {
		return nil, errors.New("wrong key, or damaged")
	}
	return k.crypt(nonce, ciphertext), nil
}

// keyFile is what a key file holds.
type keyFile struct {
	Created  time.Time `json:"created"`
	Username string    `json:"username"`
	Hostname string    `json:"hostname"`
	KDF      string    `json:"kdf"`
	N        int       `json:"N"`
	R        int       `json:"r"`
	P        int       `json:"p"`
	Salt     []byte    `json:"salt"`
	Data     []byte    `json:"data"`
}

func (f *keyFile) userKey(password string) (*sealKey, error) {
	derived, err := scrypt.Key([]byte(password), f.Salt, f.N, f.R, f.P, 64)
	if err != nil {
		return nil, err
	}
	return (*sealKey)(derived), nil
}

// onlyKey reads the one key file of a repository and the master key in it.
func onlyKey(t testing.TB, dir, password string) (path string, f keyFile, master []byte) {
	t.Helper()
	files, err := filepath.Glob(dir + "/keys/*")
	if err != nil || len(files) != 1 {
		t.Fatalf("keys: %q, %v", files, err)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &f); err != nil {
		t.Fatal(err)
	}
	user, err := f.userKey(password)
	if err != nil {
		t.Fatal(err)
	}
	if master, err = user.open(f.Data); err != nil {
		t.Fatalf("open %s: %v", files[0], err)
	}
	return files[0], f, master
}

// makeCheap replaces the only key file of a repository by one with the same
// password and master key that opens in no time. Each command opens it again.
func makeCheap(t testing.TB, dir, password string) {
	t.Helper()
	path, f, master := onlyKey(t, dir, password)
	f.N = 1 << 4
	user, err := f.userKey(password)
	if err != nil {
		t.Fatal(err)
	}
	f.Data = user.seal(master)
	data, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(fmt.Sprintf("%s/keys/%x", dir, sha256.Sum256(data)), data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// lock is a lock as it lies in a repository.
type lock struct {
	Time      time.Time `json:"time"`
	Exclusive bool      `json:"exclusive"`
	Hostname  string    `json:"hostname"`
	Username  string    `json:"username"`
	PID       int       `json:"pid"`
}

// plant puts a lock into a repository, and returns its file's name.
func plant(t testing.TB, dir string, l lock) string {
	t.Helper()
	_, _, master := onlyKey(t, dir, password)
	var m struct {
		MAC struct {
			K []byte `json:"k"`
			R []byte `json:"r"`
		} `json:"mac"`
		Encrypt []byte `json:"encrypt"`
	}
	if err := json.Unmarshal(master, &m); err != nil {
		t.Fatal(err)
	}
	key := (*sealKey)(append(append(m.Encrypt, m.MAC.K...), m.MAC.R...))
	text, err := json.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	data := key.seal(text)
	name := sumOf(data)
	if err := os.WriteFile(dir+"/locks/"+name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
