package keybag

import (
	"testing"

	"github.com/keepsake-backup/keepsake/internal/secret"
)

func TestNewWithKeys(t *testing.T) {
	password := secret.NewBackupPassword("made up")
	old, err := New(t.Context(), Options{Encrypted: true, Password: secret.NewBackupPassword("the owner's"), Rounds: 1})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := old.FileKeys()
	if err != nil {
		t.Fatal(err)
	}
	fileKey, err := RandomKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := old.Wrap(ClassComplete, fileKey)
	if err != nil {
		t.Fatal(err)
	}
	made, err := NewWithKeys(t.Context(), Options{Encrypted: true, Password: password, Rounds: 1}, keys)
	if err != nil {
		t.Fatal(err)
	}
	bag, err := Parse(made.Marshal())
	if err != nil {
		t.Fatal(err)
	}
	if err := bag.Unlock(t.Context(), password); err != nil {
		t.Fatal(err)
	}
	if got, err := bag.Unwrap(wrapped); err != nil || !got.Equal(fileKey) {
		t.Errorf("a file's key does not open: %v", err)
	}
	if keychain, err := old.Wrap(ClassKeychainAlways, fileKey); err != nil {
		t.Fatal(err)
	} else if _, err := bag.Unwrap(keychain); err == nil {
		t.Error("an item of the keychain opens")
	}
	for name, try := range map[string]func() error{
		"no password": func() error {
			_, err := NewWithKeys(t.Context(), Options{}, keys)
			return err
		},
		"a zero key": func() error {
			_, err := NewWithKeys(t.Context(), Options{Encrypted: true, Password: password, Rounds: 1}, map[Class]Key{ClassNone: {}})
			return err
		},
		"a class that is the phone's": func() error {
			_, err := NewWithKeys(t.Context(), Options{Encrypted: true, Password: password, Rounds: 1}, map[Class]Key{ClassRecovery: fileKey})
			return err
		},
	} {
		if try() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
