package notes

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"image/jpeg"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

func lockedOf(t *testing.T, src *extract.Source) (password, passcode *Note) {
	t.Helper()
	list, problems := readAll(t, src)
	if len(problems) > 0 {
		t.Errorf("problems: %v", problems)
	}
	for _, n := range list {
		switch n.Locked {
		case LockPassword:
			password = n
		case LockPasscode:
			passcode = n
		}
	}
	if password == nil || passcode == nil {
		t.Fatal("not both kinds of locked notes")
	}
	return password, passcode
}

func TestLockedNotes(t *testing.T) {
	for _, ios := range []string{"13.7", "16.3", "26.1"} {
		for _, c := range []struct {
			passwords []string
			unread    string
		}{{nil, sayNone}, {[]string{"wrong"}, sayWrong}, {[]string{"wrong", "keepsake"}, ""}} {
			t.Run(fmt.Sprint(ios, len(c.passwords)), func(t *testing.T) {
				password, passcode := lockedOf(t, opened(t, phone(t, ios), c.passwords...))
				if passcode.Unread != sayPasscode || passcode.Text != "" || passcode.Title == "" {
					t.Errorf("note under the passcode: %q, %q", passcode.Unread, passcode.Text)
				}
				if password.Unread != c.unread || password.Hint == "" || (password.Text != "") != (c.unread == "") {
					t.Errorf("note under a password: %q, text %q", password.Unread, password.Text)
				}
				if c.unread != "" {
					for _, a := range password.Attachments {
						if a.Path != "" && !a.shut {
							t.Errorf("%s is open in a locked note", a.Key)
						}
					}
					return
				}
				if !strings.Contains(password.Text, "Garage\t4711") || !strings.HasPrefix(password.Text, password.Title+"\n") {
					t.Errorf("text %q", password.Text)
				}
				if len(password.Entry().Files) > 0 {
					t.Errorf("encrypted files are offered as they are: %v", password.Entry().Files)
				}
			})
		}
	}
}

// The picture of a locked note comes out as a picture, and stays out without a password.
func TestLockedMedia(t *testing.T) {
	dir := t.TempDir()
	if _, problems := exported(t, opened(t, phone(t, "17.6"), "keepsake"), "html", dir); len(problems) > 0 {
		t.Fatal(problems)
	}
	found, err := filepath.Glob(filepath.Join(dir, "Notes", "Notes", "Locked * files", "Safe.jpeg"))
	if err != nil || len(found) != 1 {
		t.Fatalf("exported %v, %v", found, err)
	}
	data, err := os.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	if c, err := jpeg.DecodeConfig(bytes.NewReader(data)); err != nil || c.Width != 120 || c.Height != 90 {
		t.Errorf("picture %+v, %v", c, err)
	}
	dir = t.TempDir()
	if _, problems := exported(t, opened(t, phone(t, "17.6"), "other"), "html", dir); len(problems) > 0 {
		t.Fatal(problems)
	}
	if found, _ := filepath.Glob(filepath.Join(dir, "Notes", "Notes", "Locked * files")); len(found) > 0 {
		t.Errorf("exported %v without the password", found)
	}
}

// RFC 3394, 4.1 and 4.3 for keys of 16 and 24 bytes.
func TestUnwrapKey(t *testing.T) {
	for _, c := range []struct{ kek, wrapped, want string }{
		{"000102030405060708090A0B0C0D0E0F", "1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5", "00112233445566778899AABBCCDDEEFF"},
		{"000102030405060708090A0B0C0D0E0F1011121314151617", "96778B25AE6CA435F92B5B97C050AED2468AB8A17AD84E5D", "00112233445566778899AABBCCDDEEFF"},
	} {
		got, err := unwrapKey(unhex(t, c.kek), unhex(t, c.wrapped))
		if err != nil || !strings.EqualFold(hex.EncodeToString(got), c.want) {
			t.Errorf("got %x, %v; want %s", got, err, c.want)
		}
		bad := unhex(t, c.wrapped)
		bad[5] ^= 1
		if _, err := unwrapKey(unhex(t, c.kek), bad); !errors.Is(err, errWrongKey) {
			t.Errorf("a changed key gave %v", err)
		}
	}
	for _, n := range []int{0, 8, 16, 23, 48, 1000} {
		if _, err := unwrapKey(make([]byte, 16), make([]byte, n)); !errors.Is(err, errMalformed) {
			t.Errorf("%d bytes gave %v", n, err)
		}
	}
}

// A database cannot make us hash for hours.
func TestIterationsAreBounded(t *testing.T) {
	row := cryptoRow{salt: sqlitefs.Blob("salt"), wrapped: make(sqlitefs.Blob, 24), iterations: maxIterations + 1}
	ring := newKeyring([]secret.Text{secret.NewText("a")})
	if _, err := ring.key(t.Context(), row); !errors.Is(err, errCostly) {
		t.Errorf("got %v", err)
	}
	ring.hashed = maxHashing
	row.iterations = 1
	if _, err := ring.key(t.Context(), row); !errors.Is(err, errCostly) {
		t.Errorf("after much work: %v", err)
	}
	for _, bad := range []cryptoRow{{}, {salt: row.salt, wrapped: row.wrapped, iterations: -1}, {salt: make(sqlitefs.Blob, maxSalt+1), wrapped: row.wrapped, iterations: 1}} {
		if _, err := newKeyring(ring.passwords).key(t.Context(), bad); !errors.Is(err, errMalformed) {
			t.Errorf("%+v gave %v", bad.iterations, err)
		}
	}
}
