package restserver

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// What a password file may ask of this computer. Its owner writes it, but a slip
// there must not stop the server for minutes.
const (
	maxBcryptCost   = 17      // about 10 s
	maxArgonMemory  = 1 << 20 // KiB: 1 GiB
	maxArgonTime    = 64
	maxArgonThreads = 64
	minArgonPart    = 8 // bytes of salt and of key
	maxArgonPart    = 64
)

const (
	argonSalt = 16 // bytes
	argonKey  = 32 // bytes
)

// argonCost is what a hash takes.
type argonCost struct {
	time, memory uint32 // passes, KiB
	threads      uint8
}

// newCost is for new passwords: the second choice that RFC 9106 section 4
// recommends.
var newCost = argonCost{time: 3, memory: 64 << 10, threads: 4}

// passwordHash is one hash of a password file. text is what stands there.
type passwordHash struct {
	text   string
	verify func(password []byte) bool
}

// errWeakHash: the form is known, and too weak or too old to be taken.
var errWeakHash = errors.New("this form of hash is not accepted: bcrypt ($2y$…) and argon2id ($argon2id$…) are")

// parseHash reads a bcrypt hash as "htpasswd -B" writes it, or an argon2id hash
// in the form of the reference implementation:
//
//	$2y$10$<22 characters of salt><31 characters of hash>
//	$argon2id$v=19$m=65536,t=3,p=4$<salt>$<hash>        base64 without padding
func parseHash(text string) (passwordHash, error) {
	switch {
	case strings.HasPrefix(text, "$2a$"), strings.HasPrefix(text, "$2b$"), strings.HasPrefix(text, "$2y$"):
		return parseBcrypt(text)
	case strings.HasPrefix(text, "$argon2id$"):
		return parseArgon(text)
	}
	return passwordHash{}, errWeakHash
}

func parseBcrypt(text string) (passwordHash, error) {
	hash := []byte(text)
	cost, err := bcrypt.Cost(hash)
	switch {
	case err != nil || len(hash) != 60:
		return passwordHash{}, errors.New("damaged bcrypt hash")
	case cost > maxBcryptCost:
		return passwordHash{}, fmt.Errorf("bcrypt cost %d: at most %d", cost, maxBcryptCost)
	}
	return passwordHash{text, func(password []byte) bool {
		return bcrypt.CompareHashAndPassword(hash, password) == nil
	}}, nil
}

var errArgon = errors.New("damaged argon2id hash")

func parseArgon(text string) (passwordHash, error) {
	parts := strings.Split(text, "$") // "", argon2id, v=19, m=…,t=…,p=…, salt, hash
	if len(parts) != 6 || parts[2] != "v=19" {
		return passwordHash{}, errArgon
	}
	var numbers [3]uint64
	fields := strings.Split(parts[3], ",")
	if len(fields) != len(numbers) {
		return passwordHash{}, errArgon
	}
	for i, name := range []string{"m=", "t=", "p="} {
		value, ok := strings.CutPrefix(fields[i], name)
		n, err := strconv.ParseUint(value, 10, 32)
		if !ok || err != nil {
			return passwordHash{}, errArgon
		}
		numbers[i] = n
	}
	memory, time, threads := numbers[0], numbers[1], numbers[2]
	if memory > maxArgonMemory || time < 1 || time > maxArgonTime || threads < 1 || threads > maxArgonThreads {
		return passwordHash{}, fmt.Errorf("argon2id asks for too much: at most m=%d, t=%d, p=%d", maxArgonMemory, maxArgonTime, maxArgonThreads)
	}
	encoding := base64.RawStdEncoding.Strict()
	salt, err1 := encoding.DecodeString(parts[4])
	key, err2 := encoding.DecodeString(parts[5])
	if err1 != nil || err2 != nil || len(salt) < minArgonPart || len(salt) > maxArgonPart || len(key) < minArgonPart || len(key) > maxArgonPart {
		return passwordHash{}, errArgon
	}
	return passwordHash{text, func(password []byte) bool {
		got := argon2.IDKey(password, salt, uint32(time), uint32(memory), uint8(threads), uint32(len(key)))
		return subtle.ConstantTimeCompare(got, key) == 1
	}}, nil
}

// newHash hashes a password for a file.
func newHash(password []byte, c argonCost) string {
	salt := make([]byte, argonSalt)
	rand.Read(salt) // never fails
	key := argon2.IDKey(password, salt, c.time, c.memory, c.threads, argonKey)
	e := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, c.memory, c.time, c.threads, e.EncodeToString(salt), e.EncodeToString(key))
}
