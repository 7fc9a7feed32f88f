package keybag

import (
	"errors"
	"fmt"
	"maps"
)

// ErrPartial: the bag was opened with some of its class keys instead of the
// password, and the call needs them all.
var ErrPartial = errors.New("not all keys of the keybag are at hand: the backup password is needed")

// FileKeys gives the keys of classes 1 to 4, which protect files and the
// manifest; those that the bag does not have are left out. They are secrets and
// print as such. Whoever has them needs no password to read files; what the
// keychain holds stays locked. Error: [ErrLocked].
func (k *Keybag) FileKeys() (map[Class]Key, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.keys == nil {
		return nil, fmt.Errorf("take file keys: %w", ErrLocked)
	}
	keys := map[Class]Key{}
	for c, key := range k.keys {
		if c.IsFile() {
			keys[c] = key
		}
	}
	return keys, nil
}

// UseKeys opens the bag with class keys that [Keybag.FileKeys] once gave. That
// they belong to this bag shows when the manifest's key opens with them. A bag
// that a password has opened stays as it is. [Keybag.Rewrap] refuses a bag opened
// so, because the keys of the keychain would be lost. No keys are an error.
func (k *Keybag) UseKeys(keys map[Class]Key) error {
	if len(keys) == 0 {
		return errors.New("use class keys: there are none")
	}
	for c, key := range keys {
		if key.IsZero() {
			return fmt.Errorf("use class keys: %s: %w", c, errNoKey)
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.keys == nil || k.partial {
		k.keys, k.partial = classKeys(maps.Clone(keys)), true
	}
	return nil
}

// Unwrap opens a wrapped key with the key of its class, for those who hold it
// without a bag. Error: [ErrWrongKey].
func (w WrappedKey) Unwrap(classKey Key) (Key, error) {
	if classKey.IsZero() {
		return Key{}, fmt.Errorf("unwrap key: %w %s", ErrNoClassKey, w.Class())
	}
	plain, err := unwrap(classKey.bytes(), w[4:])
	if errors.Is(err, errIntegrity) {
		return Key{}, fmt.Errorf("unwrap key: %w", ErrWrongKey)
	}
	if err != nil {
		return Key{}, err
	}
	return NewKey(plain)
}

func (k *Keybag) isPartial() bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.partial
}
