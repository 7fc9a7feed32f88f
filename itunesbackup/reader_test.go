package itunesbackup_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/itunesbackup/itunesbackuptest"
	"github.com/keepsake-backup/keepsake/keybag"
)

func TestOpenManifestAt(t *testing.T) {
	dir := itunesbackuptest.Build(t, itunesbackuptest.Plain())
	data, err := os.ReadFile(filepath.Join(dir, itunesbackup.ManifestName))
	if err != nil {
		t.Fatal(err)
	}
	m, err := itunesbackup.OpenManifestAt(t.Context(), bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if n, err := m.Count(t.Context()); err != nil || n == 0 {
		t.Errorf("%d rows, %v", n, err)
	}
	for _, bad := range [][]byte{nil, []byte("short"), bytes.Repeat([]byte{7}, 5000)} {
		if _, err := itunesbackup.OpenManifestAt(t.Context(), bytes.NewReader(bad), int64(len(bad))); !errors.Is(err, itunesbackup.ErrMalformed) {
			t.Errorf("%d bytes: %v", len(bad), err)
		}
	}
}

func TestBackup_UnlockKeys(t *testing.T) {
	spec := itunesbackuptest.Encrypted()
	dir := itunesbackuptest.Build(t, spec)
	keys, err := open(t, dir, spec.Password).Keybag().FileKeys()
	if err != nil {
		t.Fatal(err)
	}
	locked, err := itunesbackup.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer locked.Close()
	foreign, err := keybag.New(t.Context(), keybag.Options{Encrypted: true, Password: spec.Password, Rounds: 1, Iterations: 1})
	if err != nil {
		t.Fatal(err)
	}
	others, err := foreign.FileKeys()
	if err != nil {
		t.Fatal(err)
	}
	if err := locked.UnlockKeys(t.Context(), others); !errors.Is(err, keybag.ErrWrongKey) {
		t.Errorf("keys of another backup: %v", err)
	}
	if locked.Unlocked() {
		t.Error("keys of another backup unlocked it")
	}
	if err := locked.UnlockKeys(t.Context(), keys); err != nil {
		t.Fatal(err)
	}
	r, err := locked.Verify(t.Context(), itunesbackup.VerifyOptions{Digests: true, Decrypt: true})
	if err != nil || !r.OK() || r.Decrypted == 0 {
		t.Errorf("%+v, %v", r, err)
	}

	plain, err := itunesbackup.Open(t.Context(), itunesbackuptest.Build(t, itunesbackuptest.Plain()))
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if err := plain.UnlockKeys(t.Context(), nil); err != nil {
		t.Errorf("nothing to unlock: %v", err)
	}
}

// unsealing is a folder whose Manifest.db is ciphertext that nobody can read, and
// who has the key gets the plaintext.
type unsealing struct {
	fs.FS
	plain []byte
}

func (u unsealing) Open(name string) (fs.File, error) {
	f, err := u.FS.Open(name)
	if err == nil && name == itunesbackup.ManifestName {
		return unsealed{f, u.plain}, nil
	}
	return f, err
}

type unsealed struct {
	fs.File
	plain []byte
}

func (u unsealed) ReadAt([]byte, int64) (int, error) { return 0, errors.New("ciphertext was read") }

func (u unsealed) Unsealed(keybag.Key) (io.ReaderAt, int64, bool) {
	return bytes.NewReader(u.plain), int64(len(u.plain)), true
}

func TestOpenFS_unsealed(t *testing.T) {
	spec := itunesbackuptest.Encrypted()
	dir := itunesbackuptest.Build(t, spec)
	plain, err := os.ReadFile(filepath.Join(itunesbackuptest.Build(t, itunesbackuptest.Plain()), itunesbackup.ManifestName))
	if err != nil {
		t.Fatal(err)
	}
	b, err := itunesbackup.OpenFS(t.Context(), unsealing{os.DirFS(dir), plain})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Unlock(t.Context(), spec.Password); err != nil {
		t.Fatal(err)
	}
	if n, err := b.Count(t.Context()); err != nil || n == 0 {
		t.Errorf("%d rows, %v", n, err)
	}
}
