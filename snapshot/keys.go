package snapshot

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/keepsake-backup/keepsake/keybag"
)

// Keys are those that open the files of an encrypted backup: of the classes 1 to
// 4, and of Manifest.db. They print as "[redacted]".
type Keys struct {
	classes  map[keybag.Class]keybag.Key
	manifest keybag.Key // zero before iOS 10.2, when Manifest.db was not encrypted
}

const redacted = "[redacted]"

// KeysOf takes the keys out of an unlocked bag. wrappedManifestKey is ManifestKey
// of Manifest.plist, 44 bytes, or nil if there is none; that it opens proves that
// the bag and the manifest belong together. Errors: those of keybag.
func KeysOf(bag *keybag.Keybag, wrappedManifestKey []byte) (Keys, error) {
	classes, err := bag.FileKeys()
	if err != nil {
		return Keys{}, err
	}
	k := Keys{classes: classes}
	if wrappedManifestKey == nil {
		return k, nil
	}
	if k.manifest, err = k.unwrapManifest(wrappedManifestKey); err != nil {
		return Keys{}, err
	}
	return k, nil
}

func (k Keys) unwrapManifest(wrapped []byte) (keybag.Key, error) {
	w, err := keybag.ParseWrappedKey(wrapped)
	if err != nil {
		return keybag.Key{}, fmt.Errorf("open key of Manifest.db: %w", err)
	}
	key, err := k.File(w)
	if err != nil {
		return keybag.Key{}, fmt.Errorf("open key of Manifest.db: %w", err)
	}
	return key, nil
}

// File opens the key of a file. Errors: keybag.ErrNoClassKey, keybag.ErrWrongKey.
func (k Keys) File(wrapped keybag.WrappedKey) (keybag.Key, error) {
	return wrapped.Unwrap(k.classes[wrapped.Class()])
}

// fileKey is File for the bytes of a row, which may be of any length.
func (k Keys) fileKey(wrapped []byte) (keybag.Key, error) {
	w, err := keybag.ParseWrappedKey(wrapped)
	if err != nil {
		return keybag.Key{}, err
	}
	return k.File(w)
}

// Manifest is the key of Manifest.db; zero if that is not encrypted.
func (k Keys) Manifest() keybag.Key { return k.manifest }

// Classes are the class keys, for keybag.Keybag.UseKeys.
func (k Keys) Classes() map[keybag.Class]keybag.Key { return k.classes }

// IsZero tells whether there are no keys.
func (k Keys) IsZero() bool { return len(k.classes) == 0 }

// canary proves that the keys open what a Manifest.plist names.
func (k Keys) canary(wrapped []byte) error {
	if k.IsZero() {
		return errors.New("there are no class keys")
	}
	if wrapped == nil {
		return nil
	}
	key, err := k.unwrapManifest(wrapped)
	if err != nil {
		return err
	}
	if !key.Equal(k.manifest) {
		return fmt.Errorf("open key of Manifest.db: %w", keybag.ErrWrongKey)
	}
	return nil
}

func (k Keys) String() string               { return redacted }
func (k Keys) GoString() string             { return redacted }
func (k Keys) Format(s fmt.State, _ rune)   { fmt.Fprint(s, redacted) }
func (k Keys) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (k Keys) MarshalText() ([]byte, error) { return []byte(redacted), nil }
