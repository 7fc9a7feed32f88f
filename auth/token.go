package auth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/catalog"
	"github.com/keepsake-backup/keepsake/internal/secret"
)

// Scopes are what a token can be for: to look, to say that a phone is in the hand, to
// start backups, and everything that its account may.
var Scopes = []string{"read", "signal", "backup", "admin"}

const tokenPrefix = "ksk_"

func newToken() (secret.Text, catalog.Digest) {
	text, _ := newText()
	whole := tokenPrefix + text.Reveal() + checksum(text.Reveal())
	return secret.NewText(whole), sha256.Sum256([]byte(whole))
}

func checksum(text string) string {
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(text))))
}

// wellFormed tells whether text can be a token at all.
func wellFormed(text string) bool {
	rest, ok := strings.CutPrefix(text, tokenPrefix)
	return ok && len(rest) == 43+6 && checksum(rest[:43]) == rest[43:]
}

func tokenOf(t catalog.Token, a Account) Token {
	return Token{ID: t.ID, Account: a, Name: t.Name, Scopes: t.Scopes, Phones: t.Phones, Created: t.Created, Expires: t.Expires, LastUsed: t.LastUsed}
}

// Token gives what a token's text stands for; ErrNobody if it is none, or none any more.
func (k *Keeper) Token(ctx context.Context, text secret.Text) (Token, error) {
	if !wellFormed(text.Reveal()) {
		return Token{}, ErrNobody
	}
	t, err := k.db.Token(ctx, sha256.Sum256([]byte(text.Reveal())))
	if err != nil {
		return Token{}, nobody("look for token", err)
	}
	now := k.now()
	if !t.Expires.IsZero() && !now.Before(t.Expires) {
		return Token{}, ErrNobody
	}
	a, err := k.db.Account(ctx, t.Account)
	if err != nil {
		return Token{}, nobody("look for token", err)
	}
	if a.Disabled {
		return Token{}, ErrNobody
	}
	if now.Sub(t.LastUsed) > touchEvery {
		if err := k.db.TouchToken(ctx, t.ID, now); err != nil {
			return Token{}, nobody("look for token", err)
		}
	}
	return tokenOf(t, accountOf(a)), nil
}

// Tokens are those of an account.
func (k *Keeper) Tokens(ctx context.Context, account int64) ([]Token, error) {
	a, err := k.db.Account(ctx, account)
	if err != nil {
		return nil, fmt.Errorf("list tokens: %w", err)
	}
	list, err := k.db.Tokens(ctx, account)
	tokens := make([]Token, len(list))
	for i, t := range list {
		tokens[i] = tokenOf(t, accountOf(a))
	}
	return tokens, err
}

// maxTokens is how many an account may have.
const maxTokens = 50

// CreateToken makes a token of an account with the name, scopes, phones and end of t,
// and gives its text, which is never to be seen again.
func (k *Keeper) CreateToken(ctx context.Context, account int64, t Token) (secret.Text, error) {
	t.Name = strings.TrimSpace(t.Name)
	have, err := k.db.Tokens(ctx, account)
	if err != nil {
		return secret.Text{}, fmt.Errorf("create token: %w", err)
	}
	switch {
	case t.Name == "" || len(t.Name) > maxName:
		return secret.Text{}, &InputError{"the token has no name", "Say what it is for, such as \"Shortcut on my iPhone\"."}
	case len(t.Scopes) == 0 || slices.ContainsFunc(t.Scopes, func(s string) bool { return !slices.Contains(Scopes, s) }):
		return secret.Text{}, &InputError{"the token is for nothing that there is", "Choose among " + strings.Join(Scopes, ", ") + "."}
	case !t.Expires.IsZero() && !t.Expires.After(k.now()):
		return secret.Text{}, &InputError{"the token would have ended already", "Choose a later day, or none."}
	case len(have) >= maxTokens:
		return secret.Text{}, &InputError{fmt.Sprintf("there are %d tokens already", len(have)), "Remove those that nobody uses."}
	}
	text, digest := newToken()
	if _, err := k.db.AddToken(ctx, catalog.Token{Digest: digest, Account: account, Name: t.Name, Scopes: t.Scopes, Phones: t.Phones, Expires: t.Expires.Truncate(time.Millisecond)}); err != nil {
		return secret.Text{}, fmt.Errorf("create token: %w", err)
	}
	return text, k.note(ctx, account, "", "made a token", t.Name)
}

// DeleteToken ends a token of an account.
func (k *Keeper) DeleteToken(ctx context.Context, account, token int64) error {
	if err := k.db.DeleteToken(ctx, account, token); err != nil {
		return fmt.Errorf("remove token: %w", err)
	}
	return k.note(ctx, account, "", "removed a token", "")
}
