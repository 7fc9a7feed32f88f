package keybag

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/internal/secret"
)

func TestClassKeys(t *testing.T) {
	password := secret.NewBackupPassword("secret")
	bag, err := New(t.Context(), Options{Encrypted: true, Password: password, Rounds: 1, Iterations: 1})
	if err != nil {
		t.Fatal(err)
	}
	key, err := RandomKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := bag.Wrap(ClassCompleteUntilFirstAuth, key)
	if err != nil {
		t.Fatal(err)
	}
	keychain, err := bag.Wrap(ClassKeychainAlways, key)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := bag.FileKeys()
	if err != nil || len(keys) != 4 {
		t.Fatalf("%d keys, %v", len(keys), err)
	}
	if text := fmt.Sprintf("%v %+v %#v", keys, keys, keys); strings.Contains(text, fmt.Sprint(keys[3].Reveal())) || !strings.Contains(text, redacted) {
		t.Error("the keys show themselves")
	}

	locked, err := Parse(bag.Marshal())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := locked.FileKeys(); !errors.Is(err, ErrLocked) {
		t.Error(err)
	}
	for _, none := range []map[Class]Key{nil, {3: {}}} {
		if err := locked.UseKeys(none); err == nil || locked.Unlocked() {
			t.Errorf("%d keys: %v", len(none), err)
		}
	}
	if err := locked.UseKeys(keys); err != nil || !locked.Unlocked() {
		t.Fatal(err)
	}
	if got, err := locked.Unwrap(wrapped); err != nil || !got.Equal(key) {
		t.Errorf("unwrap: %v", err)
	}
	if _, err := locked.Unwrap(keychain); !errors.Is(err, ErrNoClassKey) {
		t.Errorf("keychain: %v", err)
	}
	if err := locked.Rewrap(t.Context(), Options{}); !errors.Is(err, ErrPartial) {
		t.Errorf("rewrap: %v", err)
	}
	if err := locked.Unlock(t.Context(), password); err != nil {
		t.Fatal(err)
	}
	if err := locked.UseKeys(map[Class]Key{3: key}); err != nil {
		t.Fatal(err)
	}
	if got, err := locked.Unwrap(keychain); err != nil || !got.Equal(key) {
		t.Errorf("an unlocked bag lost keys: %v", err)
	}
	if err := locked.Rewrap(t.Context(), Options{Encrypted: true, Password: password, Rounds: 1, Iterations: 1}); err != nil {
		t.Errorf("rewrap after the password: %v", err)
	}

	if got, err := wrapped.Unwrap(keys[ClassCompleteUntilFirstAuth]); err != nil || !got.Equal(key) {
		t.Errorf("unwrap without bag: %v", err)
	}
	if _, err := wrapped.Unwrap(keys[ClassNone]); !errors.Is(err, ErrWrongKey) {
		t.Error(err)
	}
	if _, err := wrapped.Unwrap(Key{}); !errors.Is(err, ErrNoClassKey) {
		t.Error(err)
	}
}
