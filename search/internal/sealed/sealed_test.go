package sealed

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/internal/secret"
)

func testKey(t testing.TB, b byte) *Key {
	t.Helper()
	k, err := NewKey(secret.NewBytes(bytes.Repeat([]byte{b}, KeySize)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func folder(t testing.TB) (*os.Root, string) {
	t.Helper()
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root, dir
}

func random(n int) []byte {
	r := rand.NewChaCha8([32]byte{1})
	b := make([]byte, n)
	_, _ = r.Read(b)
	return b
}

func TestFile(t *testing.T) {
	root, _ := folder(t)
	key, cache := testKey(t, 1), NewCache(3)
	for _, n := range []int{0, 1, BlockSize - 1, BlockSize, BlockSize + 1, 2 * BlockSize, 5*BlockSize + 77} {
		data := random(n)
		w, err := Create(root, "x", "x", key)
		if err != nil {
			t.Fatal(err)
		}
		for rest := data; len(rest) > 0; { // in pieces of odd sizes
			m := min(len(rest), 7001)
			if _, err := w.Write(rest[:m]); err != nil {
				t.Fatal(err)
			}
			rest = rest[m:]
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		r, err := Open(root, "x", key, cache)
		if err != nil {
			t.Fatal(err)
		}
		if r.Size() != int64(n) || w.Size() != int64(n) || r.ID() != w.ID() {
			t.Errorf("%d bytes: size %d", n, r.Size())
		}
		got, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes: not what was written, %v", n, err)
		}
		for range 50 {
			at := rand.IntN(n + 1)
			p := make([]byte, rand.IntN(6*BlockSize))
			m, err := r.ReadAt(p, int64(at))
			if !bytes.Equal(p[:m], data[at:min(n, at+len(p))]) || m < len(p) && err != io.EOF || m == len(p) && err != nil {
				t.Errorf("%d bytes from %d of %d: %d, %v", len(p), at, n, m, err)
			}
		}
		if err := r.Check(); err != nil {
			t.Error(err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if err := root.Remove("x"); err != nil {
			t.Fatal(err)
		}
	}
}

// Every single bit, every length and every other name matter.
func TestOpen_altered(t *testing.T) {
	root, dir := folder(t)
	key := testKey(t, 1)
	data := random(BlockSize + 10)
	if _, err := WriteFile(root, "x", "x", key, data); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(filepath.Join(dir, "x"))
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what, name string, b []byte, key *Key, want error) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := ReadFile(root, name, key, 1<<20); !errors.Is(err, want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for i := 0; i < len(good); i += 1 + len(good)/500 {
		b := bytes.Clone(good)
		b[i] ^= 1 << (i % 8)
		refused("a bit", "y", b, key, ErrDamaged)
		refused("cut", "x", good[:i], key, ErrDamaged)
	}
	refused("another name", "z", good, key, ErrDamaged)
	refused("another key", "x", good, testKey(t, 2), ErrKey)
	block := BlockSize + overhead
	refused("first block only", "x", good[:headerSize+block], key, ErrDamaged)
	swapped := append(append(bytes.Clone(good[:headerSize]), good[headerSize+block:]...), good[headerSize:headerSize+block]...)
	refused("blocks in another order", "x", swapped, key, ErrDamaged)
	if err := os.WriteFile(filepath.Join(dir, "x"), good, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := ReadFile(root, "x", key, 100); !errors.Is(err, ErrDamaged) {
		t.Errorf("too long: %v", err)
	}
	if got, _, err := ReadFile(root, "x", key, 1<<20); err != nil || !bytes.Equal(got, data) {
		t.Errorf("the good one: %v", err)
	}
	if _, err := Create(root, "x", "x", key); !errors.Is(err, os.ErrExist) {
		t.Errorf("written over: %v", err)
	}
	if strings.Contains(string(good), string(data[:20])) {
		t.Error("it is in clear")
	}
}

func FuzzOpen(f *testing.F) {
	key := testKey(f, 1)
	root, dir := folder(f)
	if _, err := WriteFile(root, "seed", "x", key, []byte("hello")); err != nil {
		f.Fatal(err)
	}
	seed, err := os.ReadFile(filepath.Join(dir, "seed"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, data []byte) {
		root, dir := folder(t)
		if err := os.WriteFile(filepath.Join(dir, "x"), data, 0o600); err != nil {
			t.Fatal(err)
		}
		got, _, err := ReadFile(root, "x", key, 1<<20)
		if err == nil && string(got) != "hello" { // each process that fuzzes has a seed of its own
			t.Fatalf("opened %q", got)
		}
		if err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatal(err)
		}
	})
}
