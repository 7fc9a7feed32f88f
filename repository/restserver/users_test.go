package restserver

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/keepsake-backup/keepsake/internal/secret"
)

// Hashes as other programs write them.
const (
	// of the reference implementation's own tests: password "password"
	argonVector = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
	// of crypt_blowfish's: password "U*U"
	bcryptVector = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"
)

// cheap is a hash that tests can afford.
func cheap(t testing.TB, password string) string {
	t.Helper()
	h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return "$2y$" + strings.TrimPrefix(string(h), "$2a$") // as htpasswd -B has it
}

// userFile writes one, of name and password in pairs.
func userFile(t testing.TB, users ...string) string {
	t.Helper()
	var b strings.Builder
	for i := 0; i+1 < len(users); i += 2 {
		b.WriteString(users[i] + ":" + cheap(t, users[i+1]) + "\n")
	}
	name := filepath.Join(t.TempDir(), "htpasswd")
	if err := os.WriteFile(name, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func openUsers(t testing.TB, users ...string) *Users {
	t.Helper()
	u, err := OpenUsers(userFile(t, users...), nil)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestParseHash(t *testing.T) {
	h, err := parseHash(bcryptVector)
	if err != nil || !h.verify([]byte("U*U")) || h.verify([]byte("U*V")) {
		t.Errorf("bcrypt: %v, or the wrong verdict", err)
	}
	y, err := parseHash(strings.Replace(bcryptVector, "$2a$", "$2y$", 1))
	if err != nil || !y.verify([]byte("U*U")) || y.verify(nil) {
		t.Errorf("bcrypt as Apache writes it: %v, or the wrong verdict", err)
	}
	argon, err := parseHash(argonVector)
	if err != nil || !argon.verify([]byte("password")) || argon.verify([]byte("Password")) {
		t.Errorf("argon2id: %v, or the wrong verdict", err)
	}
	small := argonCost{time: 1, memory: 64, threads: 2}
	own, err := parseHash(newHash([]byte("hunter2"), small))
	if err != nil || !own.verify([]byte("hunter2")) || own.verify([]byte("hunter3")) || own.verify(nil) {
		t.Errorf("our own: %v, or the wrong verdict", err)
	}
	if first, second := newHash([]byte("x"), small), newHash([]byte("x"), small); first == second {
		t.Error("two hashes have one salt")
	}
	if h := newHash(nil, newCost); !strings.HasPrefix(h, "$argon2id$v=19$m=65536,t=3,p=4$") {
		t.Errorf("a new password costs %s", h)
	}
	for _, text := range []string{
		"", "hunter2", "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", "$apr1$abcdefgh$0123456789012345678901", "$1$abc$def",
		bcryptVector[:59], bcryptVector + "x", strings.Replace(bcryptVector, "$05$", "$18$", 1), strings.Replace(bcryptVector, "$05$", "$xx$", 1),
		argonVector[:len(argonVector)-43], argonVector[:len(argonVector)-40], "$argon2id$v=16$m=64,t=1,p=1$c2FsdHNhbHQ$c2FsdHNhbHQ", "$argon2id$v=19$m=64,t=1$c2FsdHNhbHQ$c2FsdHNhbHQ",
		"$argon2i$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$c2FsdHNhbHQ", "$argon2id$v=19$m=4294967295,t=1,p=1$c2FsdHNhbHQ$c2FsdHNhbHQ",
		"$argon2id$v=19$m=64,t=0,p=1$c2FsdHNhbHQ$c2FsdHNhbHQ", "$argon2id$v=19$m=64,t=65,p=1$c2FsdHNhbHQ$c2FsdHNhbHQ",
		"$argon2id$v=19$m=64,t=1,p=0$c2FsdHNhbHQ$c2FsdHNhbHQ", "$argon2id$v=19$t=1,m=64,p=1$c2FsdHNhbHQ$c2FsdHNhbHQ",
		"$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ=$c2FsdHNhbHQ", "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHR$c2FsdHNhbHQ",
		"$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$c2FsdHNhbHQ$", "$argon2id$v=19$m=-1,t=1,p=1$c2FsdHNhbHQ$c2FsdHNhbHQ",
	} {
		if _, err := parseHash(text); err == nil {
			t.Errorf("%q is accepted", text)
		} else if len(text) > 7 && strings.Contains(err.Error(), text) {
			t.Errorf("the error shows the hash: %v", err)
		}
	}
}

func TestParseUsers(t *testing.T) {
	good := "# ours\r\n\nada:" + bcryptVector + "\r\n  \nbob:" + bcryptVector + ":since 2021\ncarla@example.org:" + bcryptVector
	users, err := parseUsers([]byte(good))
	if err != nil || len(users) != 3 || !users["ada"].verify([]byte("U*U")) || users["bob"].text != bcryptVector {
		t.Errorf("got %d users, %v", len(users), err)
	}
	for _, c := range []struct{ text, want string }{
		{"ada", "line 1"},
		{"\nada:hunter2", "line 2: user ada"},
		{"ada:" + bcryptVector + "\nada:" + bcryptVector, "there twice"},
		{"ada:" + bcryptVector + "\nAda:" + bcryptVector, "there twice"},
		{"../x:" + bcryptVector, "line 1"},
		{"data:" + bcryptVector, "taken by"},
		{":" + bcryptVector, "line 1"},
		{" ada:" + bcryptVector, "line 1"},
		{"ada:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", "not accepted"},
	} {
		_, err := parseUsers([]byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got %v, want %q", c.text, err, c.want)
		}
		if err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "5en6G6")) {
			t.Errorf("the error shows what is secret: %v", err)
		}
	}
}

func FuzzParseUsers(f *testing.F) {
	for _, s := range []string{"ada:" + bcryptVector + "\n", "#x\r\n\na:$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$c2FsdHNhbHQ:x", "a:b", ":", "a:$2y$", "a:$argon2id$$$$$"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		users, err := parseUsers(data)
		if err != nil {
			return
		}
		for name, h := range users {
			if checkSegment(name) != nil || !bytes.Contains(data, []byte(name+":"+h.text)) {
				t.Errorf("user %q with hash %q out of %q", name, h.text, data)
			}
			if again, err := parseHash(h.text); err != nil || again.text != h.text {
				t.Errorf("hash %q is not one: %v", h.text, err)
			}
		}
	})
}

func TestSetUser(t *testing.T) {
	file := filepath.Join(t.TempDir(), "users")
	set := func(name, password string) bool {
		t.Helper()
		added, err := setUser(file, name, secret.NewText(password), argonCost{1, 64, 1})
		if err != nil {
			t.Fatal(err)
		}
		return added
	}
	if !set("ada", "one") {
		t.Error("a new user is none")
	}
	info, err := os.Stat(file)
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
	comment := "# family\r\nbob:" + bcryptVector + ":keep"
	old, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append([]byte(comment+"\n"), old...), 0o600); err != nil {
		t.Fatal(err)
	}
	if set("ada", "two") {
		t.Error("an old user is new")
	}
	u, err := OpenUsers(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := u.Names(); !slices.Equal(got, []string{"ada", "bob"}) {
		t.Errorf("users %v", got)
	}
	if h, ok := u.find("ada"); !ok || !h.verify([]byte("two")) {
		t.Error("the new password is not the one")
	}
	text, err := os.ReadFile(file)
	if err != nil || !strings.HasPrefix(string(text), "# family\nbob:"+bcryptVector+":keep\nada:$argon2id$") || strings.Contains(string(text), "two") {
		t.Errorf("the file is %q, %v", text, err)
	}
	if err := RemoveUser(file, "ada"); err != nil {
		t.Error(err)
	}
	if err := RemoveUser(file, "ada"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("removed twice: %v", err)
	}
	for _, c := range []struct{ name, password string }{{"../x", "p"}, {"a:b", "p"}, {"", "p"}, {"ada", ""}, {"Bob", "p"}, {"ada", strings.Repeat("x", 1025)}} {
		if _, err := setUser(file, c.name, secret.NewText(c.password), argonCost{1, 64, 1}); err == nil {
			t.Errorf("user %q with a password of %d bytes is written", c.name, len(c.password))
		}
	}
	if added, err := SetUser(file, "carla", secret.NewText("three")); !added || err != nil {
		t.Errorf("carla: %v, %v", added, err)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(file), ".users-*")); err != nil || len(left) > 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
}

// TestUsers_changes: a running server takes notice, but not of a damaged file.
func TestUsers_changes(t *testing.T) {
	file := userFile(t, "ada", "one")
	var log bytes.Buffer
	u, err := OpenUsers(file, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		u.mu.Lock()
		u.checked = time.Time{} // a second later
		u.mu.Unlock()
	}
	write("bob:" + cheap(t, "two") + "\n# longer\n")
	if _, ok := u.find("bob"); !ok {
		t.Error("bob is not known")
	}
	if _, ok := u.find("ada"); ok {
		t.Error("ada is still known")
	}
	write("nonsense")
	if _, ok := u.find("bob"); !ok {
		t.Error("a damaged file takes bob away")
	}
	if !strings.Contains(log.String(), "last good state") || strings.Contains(log.String(), "nonsense") {
		t.Errorf("the log says %q", &log)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	u.checked = time.Time{}
	if _, ok := u.find("bob"); !ok {
		t.Error("a missing file takes bob away")
	}
	if _, err := OpenUsers(file, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}
