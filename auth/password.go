package auth

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/alexedwards/argon2id"

	"github.com/keepsake-backup/keepsake/internal/secret"
)

// Bounds of a password: characters, and bytes.
const (
	minPassword = 10
	maxPassword = 512
)

// worst are passwords of ten characters and more that everybody tries first.
var worst = []string{"1234567890", "12345678910", "123456789012", "0123456789", "0987654321", "9876543210", "1111111111", "0000000000", "qwertyuiop", "qwertzuiop", "1q2w3e4r5t",
	"1qaz2wsx3edc", "password12", "password123", "password1234", "passwort123", "administrator", "iloveyou123", "letmein123", "welcome123", "changeme123", "keepsake123", "abcdefghij", "qwerty12345"}

// checkPassword refuses what is guessed at once.
func checkPassword(password secret.Text, login string) error {
	text := password.Reveal()
	lower := strings.ToLower(text)
	switch {
	case utf8.RuneCountInString(text) < minPassword:
		return &InputError{fmt.Sprintf("the password is too short: it needs %d characters", minPassword), "Four words that have nothing to do with each other are good."}
	case len(text) > maxPassword:
		return &InputError{"the password is too long", fmt.Sprintf("Take at most %d characters.", maxPassword)}
	case slices.Contains(worst, lower), strings.Count(lower, lower[:1]) == len(lower), login != "" && strings.Trim(strings.ReplaceAll(lower, login, ""), "0123456789!.-_ ") == "":
		return &InputError{"that password is among the first that anybody tries", "Four words that have nothing to do with each other are good."}
	}
	return nil
}

// inTurn waits for a turn to compute a hash.
func (k *Keeper) inTurn(ctx context.Context, fn func() error) error {
	select {
	case k.hashing <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-k.hashing }()
	return fn()
}

func (k *Keeper) newHash(ctx context.Context, password secret.Text) (hash secret.Text, err error) {
	err = k.inTurn(ctx, func() error {
		text, err := argon2id.CreateHash(password.Reveal(), &k.hash)
		hash = secret.NewText(text)
		return err
	})
	return hash, err
}

// matches compares a password with a hash; the zero hash is nobody's, and costs as much.
func (k *Keeper) matches(ctx context.Context, password, hash secret.Text) (ok bool, err error) {
	known := !hash.IsZero()
	text := k.dummy
	if known {
		text = hash.Reveal()
	}
	if len(password.Reveal()) > maxPassword {
		password = secret.Text{}
	}
	err = k.inTurn(ctx, func() (err error) {
		ok, err = argon2id.ComparePasswordAndHash(password.Reveal(), text)
		return err
	})
	return ok && known && err == nil, err
}
