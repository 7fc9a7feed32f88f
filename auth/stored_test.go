package auth

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/catalog"
	"github.com/keepsake-backup/keepsake/internal/secret"
)

// forms are the ways in which a secret might be written.
func forms(s string) [][]byte {
	all := [][]byte{[]byte(s), []byte(hex.EncodeToString([]byte(s))), []byte(base64.StdEncoding.EncodeToString([]byte(s))), []byte(base64.RawURLEncoding.EncodeToString([]byte(s)))}
	if quoted, err := json.Marshal(s); err == nil {
		all = append(all, bytes.Trim(quoted, `"`))
	}
	if raw, err := base64.RawURLEncoding.DecodeString(s); err == nil && len(raw) >= 16 {
		all = append(all, raw, []byte(hex.EncodeToString(raw)))
	}
	return all
}

// No secret of anybody is in the file, in whatever form it might be written: not in
// the database, not beside it, not in a copy of it.
func TestNothingSecretIsStored(t *testing.T) {
	ctx, h := t.Context(), newHouse(t)
	session, s, err := h.signIn(goodPassword, "10.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	token, err := h.CreateToken(ctx, h.anna.ID, Token{Name: "x", Scopes: []string{"read"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.signIn("mistyped secret words", "10.0.0.1"); !errors.Is(err, ErrWrong) {
		t.Fatal(err)
	}
	if err := h.ChangePassword(ctx, s, secret.NewText(goodPassword), secret.NewText("the newest of words")); err != nil {
		t.Fatal(err)
	}
	secrets := map[string]string{"password": goodPassword, "new password": "the newest of words", "mistyped password": "mistyped secret words",
		"session": session.Reveal(), "token": token.Reveal(), "inside of the token": token.Reveal()[4:47]}
	for name, plain := range map[string]string{"repository password": "the repository's \"own\" words", "pair record": "<key>HostPrivateKey</key>" + strings.Repeat("pair record ", 500), "backup password": "backup words of Anna"} {
		secrets[name] = plain
		if err := h.db.Seal(ctx, name, secret.NewBytes([]byte(plain))); err != nil {
			t.Fatal(err)
		}
	}
	copied := filepath.Join(t.TempDir(), "copy.db")
	if err := h.db.Backup(ctx, copied); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{h.path, h.path + "-wal", copied} {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for what, plain := range secrets {
			for _, form := range forms(plain) {
				if bytes.Contains(data, form[:min(len(form), 200)]) {
					t.Errorf("%s holds the %s as %.20q", filepath.Base(name), what, form)
				}
			}
		}
		if !bytes.Contains(data, []byte("signed in")) && name == copied {
			t.Error("the copy does not hold what is no secret: this test looks at the wrong file")
		}
	}
	entries, err := h.Audit(ctx, 0, 100)
	if err != nil || len(entries) < 4 {
		t.Errorf("audit %+v, %v", entries, err)
	}
	text, err := json.Marshal(entries)
	if err != nil {
		t.Fatal(err)
	}
	for what, plain := range secrets {
		if bytes.Contains(text, []byte(plain)) {
			t.Errorf("the audit log holds the %s", what)
		}
	}
	if a, err := h.db.Account(ctx, h.anna.ID); err != nil || !strings.HasPrefix(a.PasswordHash.Reveal(), "$argon2id$") {
		t.Errorf("the password is stored otherwise than by argon2id (%v)", err)
	}
	if _, err := h.db.Unseal(ctx, "none"); !errors.Is(err, catalog.ErrNotFound) {
		t.Error(err)
	}
}
