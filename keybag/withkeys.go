package keybag

import (
	"context"
	"fmt"
)

// NewWithKeys makes a bag as [New] does, with the given keys in the place of random
// ones: what they protect opens with it and another password. Keychain items do
// not, unless their keys are among them. An unencrypted bag is refused: there the
// phone's own classes open, too.
func NewWithKeys(ctx context.Context, o Options, keys map[Class]Key) (*Keybag, error) {
	if !o.Encrypted {
		return nil, fmt.Errorf("make keybag: given keys need a password")
	}
	k, err := New(ctx, o)
	if err != nil {
		return nil, err
	}
	for c, key := range keys {
		if key.IsZero() {
			return nil, fmt.Errorf("make keybag: %s: %w", c, errNoKey)
		}
		if _, ok := k.keys[c]; !ok {
			return nil, fmt.Errorf("make keybag: %w %s", ErrNoClassKey, c)
		}
		k.keys[c] = key
	}
	if o, err = o.withDefaults(); err == nil {
		err = k.lockWith(ctx, o)
	}
	if err != nil {
		return nil, fmt.Errorf("make keybag: %w", err)
	}
	return k, nil
}
