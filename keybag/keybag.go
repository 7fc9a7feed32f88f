package keybag

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/text/unicode/norm"

	"github.com/keepsake-backup/keepsake/internal/secret"
)

var (
	// ErrWrongPassword: no class key opens with the password, in none of its
	// Unicode forms. The bag is as locked as before.
	ErrWrongPassword = errors.New("wrong backup password")
	// ErrLocked: the call needs class keys and [Keybag.Unlock] has not succeeded.
	ErrLocked = errors.New("keybag is locked")
	// ErrNoClassKey: the bag is unlocked but has no usable key of that class:
	// unknown, bound to the phone (classes 5 and 9 to 11), or damaged.
	ErrNoClassKey = errors.New("no key for the class")
	// ErrWrongKey: a wrapped key is damaged or belongs to another bag.
	ErrWrongKey = errors.New("wrapped key does not open with this keybag")
)

// wrapPassword is the bit of a class's WRAP that says "wrapped with the
// password key"; the bit below it means the phone's own key as well.
const wrapPassword = 2

// typeMask takes the kind out of TYPE, whose high bits are flags.
const typeMask = 0xFF

// Keybag is the keybag of one backup. Its methods may be called concurrently.
type Keybag struct {
	mu      sync.RWMutex
	header  []item    // guarded by mu
	classes [][]item  // guarded by mu; every entry starts with UUID
	keys    classKeys // guarded by mu; nil while locked
	partial bool      // guarded by mu; keys came from UseKeys
}

type classKeys map[Class]Key

// classEntry is what a class group says, without the values nobody reads.
type classEntry struct {
	class   Class
	wrap    uint32
	wrapped []byte // nil when the class is not an AES key wrapped with the password
}

// Parse reads a BackupKeyBag. Unknown tags are kept. Every error wraps
// [ErrMalformed]. The bag is locked.
func Parse(data []byte) (*Keybag, error) {
	items, err := parseItems(data)
	if err != nil {
		return nil, fmt.Errorf("parse keybag: %w", err)
	}
	k := &Keybag{}
	uuids := 0
	for _, it := range items {
		if it.tag == "UUID" {
			uuids++
		}
		switch {
		case uuids < 2:
			k.header = append(k.header, it)
		case it.tag == "UUID":
			k.classes = append(k.classes, []item{it})
		default:
			last := len(k.classes) - 1
			k.classes[last] = append(k.classes[last], it)
		}
	}
	if err := k.validate(); err != nil {
		return nil, fmt.Errorf("parse keybag: %w", err)
	}
	return k, nil
}

func (k *Keybag) validate() error {
	uuid := find(k.header, "UUID")
	if uuid == nil || len(uuid.value) != 16 {
		return fmt.Errorf("%w: no UUID of 16 bytes", ErrMalformed)
	}
	kind := find(k.header, "TYPE")
	if kind == nil {
		return fmt.Errorf("%w: no TYPE", ErrMalformed)
	}
	if n, err := kind.uint32(); err != nil {
		return err
	} else if n&typeMask != typeBackup {
		return fmt.Errorf("%w: TYPE %d is not a backup keybag", ErrMalformed, n)
	}
	if _, err := readKDF(k.header); err != nil {
		return err
	}
	for _, group := range k.classes {
		if _, err := readClass(group); err != nil {
			return err
		}
	}
	return nil
}

// readKDF takes the derivation numbers from a header; checking their bounds is
// left to the derivation, so that a strange bag can still be looked at.
func readKDF(header []item) (kdf, error) {
	var p kdf
	for _, it := range header {
		var err error
		switch it.tag {
		case "SALT":
			p.salt = it.value
		case "DPSL":
			p.dpSalt = it.value
		case "ITER":
			p.iterations, err = it.uint32()
		case "DPIC":
			p.rounds, err = it.uint32()
		}
		if err != nil {
			return kdf{}, err
		}
	}
	return p, nil
}

func readClass(group []item) (classEntry, error) {
	var e classEntry
	var keyType uint32
	for _, it := range group {
		var n uint32
		var err error
		switch it.tag {
		case "CLAS":
			n, err = it.uint32()
			e.class = Class(n & 0xF)
		case "WRAP":
			e.wrap, err = it.uint32()
		case "KTYP":
			keyType, err = it.uint32()
		case "WPKY":
			e.wrapped = it.value
		}
		if err != nil {
			return classEntry{}, err
		}
	}
	if e.wrap&wrapPassword == 0 || keyType != 0 || len(e.wrapped) != wrappedLen {
		e.wrapped = nil
	}
	return e, nil
}

// UUID is the bag's own identifier; a keychain backup names it.
func (k *Keybag) UUID() [16]byte {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return [16]byte(find(k.header, "UUID").value)
}

// Marshal gives the bag's bytes, those it was parsed from unless
// [Keybag.Rewrap] changed it.
func (k *Keybag) Marshal() []byte {
	k.mu.RLock()
	defer k.mu.RUnlock()
	b := appendItems(nil, k.header)
	for _, group := range k.classes {
		b = appendItems(b, group)
	}
	return b
}

// Rounds gives the DPIC and ITER of the bag: how often the password is hashed.
// DPIC is 0 for unencrypted backups and those before iOS 10.2.
func (k *Keybag) Rounds() (dpic, iter int) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	p, err := readKDF(k.header)
	if err != nil || p.dpSalt == nil {
		p.rounds = 0
	}
	return int(p.rounds), int(p.iterations)
}

// Unlock derives the password's key and opens the class keys with it. It tries
// the password as given and, when it is not plain ASCII, composed (NFC) and
// decomposed (NFD); each try takes seconds of one core on a real bag. A bag of
// an unencrypted backup opens with the empty password.
//
// Errors: [ErrWrongPassword]; [ErrMalformed] for impossible or excessive rounds;
// ctx's error, soon after ctx ends. Unlocking an unlocked bag tests the password
// again and keeps the bag unlocked whatever the result.
func (k *Keybag) Unlock(ctx context.Context, password secret.BackupPassword) error {
	k.mu.RLock()
	header, classes := k.header, k.classes
	k.mu.RUnlock()
	p, err := readKDF(header)
	if err != nil {
		return fmt.Errorf("unlock keybag: %w", err)
	}
	for _, form := range passwordForms(password.Reveal()) {
		derived, err := p.derive(ctx, form)
		if err != nil {
			return fmt.Errorf("unlock keybag: %w", err)
		}
		keys, err := openClasses(derived, classes)
		if err != nil {
			return fmt.Errorf("unlock keybag: %w", err)
		}
		if keys != nil {
			k.mu.Lock()
			k.keys, k.partial = keys, false
			k.mu.Unlock()
			return nil
		}
	}
	return fmt.Errorf("unlock keybag: %w", ErrWrongPassword)
}

// passwordForms lists the byte strings a typed password may stand for.
func passwordForms(typed string) []string {
	forms := []string{typed}
	for _, f := range []string{norm.NFC.String(typed), norm.NFD.String(typed)} {
		if f != typed {
			forms = append(forms, f)
		}
	}
	return forms
}

// openClasses unwraps every class key it can. It returns nil when no key that
// the password alone protects opens: the password is wrong. Keys that need the
// phone as well are tried too, because those of an unencrypted backup open.
func openClasses(derived []byte, classes [][]item) (classKeys, error) {
	keys := classKeys{}
	found := false
	for _, group := range classes {
		e, err := readClass(group)
		if err != nil {
			return nil, err
		}
		if e.wrapped == nil {
			continue
		}
		plain, err := unwrap(derived, e.wrapped)
		if errors.Is(err, errIntegrity) {
			continue
		}
		if err != nil {
			return nil, err
		}
		key, err := NewKey(plain)
		if err != nil {
			return nil, err
		}
		keys[e.class] = key
		found = found || e.wrap == wrapPassword
	}
	if !found {
		return nil, nil
	}
	return keys, nil
}

// Unlocked tells whether the class keys are at hand.
func (k *Keybag) Unlocked() bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.keys != nil
}

func (k *Keybag) classKey(c Class) (Key, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.keys == nil {
		return Key{}, ErrLocked
	}
	key, ok := k.keys[c]
	if !ok {
		return Key{}, fmt.Errorf("%w %s", ErrNoClassKey, c)
	}
	return key, nil
}

// Unwrap opens a file's or the manifest's key. Errors: [ErrLocked],
// [ErrNoClassKey], [ErrWrongKey].
func (k *Keybag) Unwrap(w WrappedKey) (Key, error) {
	classKey, err := k.classKey(w.Class())
	if err != nil {
		return Key{}, fmt.Errorf("unwrap key: %w", err)
	}
	return w.Unwrap(classKey)
}

// Wrap stores key under class c. Errors: [ErrLocked], [ErrNoClassKey]; a zero
// key is refused.
func (k *Keybag) Wrap(c Class, key Key) (WrappedKey, error) {
	classKey, err := k.classKey(c)
	if err != nil {
		return WrappedKey{}, fmt.Errorf("wrap key: %w", err)
	}
	wrapped, err := wrap(classKey.bytes(), key.bytes())
	if err != nil {
		return WrappedKey{}, err
	}
	return newWrappedKey(c, wrapped), nil
}
