package repository

import (
	"bytes"
	"errors"
	"testing"

	"github.com/keepsake-backup/keepsake/repository/backend/memory"
)

func TestSeal(t *testing.T) {
	r := initIn(t, memory.New(), Options{})
	for _, data := range [][]byte{nil, {0}, []byte("a\x00b"), bytes.Repeat([]byte("k"), 1000)} {
		sealed := r.Seal("test", data)
		if bytes.Contains(sealed, []byte("test")) || len(data) > 1 && bytes.Contains(sealed, data) {
			t.Errorf("%q can be read in %q", data, sealed)
		}
		back, err := r.Unseal("test", sealed)
		if err != nil || !bytes.Equal(back, data) {
			t.Errorf("%q came back as %q, %v", data, back, err)
		}
		if bytes.Equal(sealed, r.Seal("test", data)) {
			t.Error("sealed twice alike")
		}
		for _, purpose := range []string{"", "tes", "test2", "tes\x00t"} {
			if back, err := r.Unseal(purpose, sealed); !errors.Is(err, ErrNotSealed) {
				t.Errorf("opened as %q: %q, %v", purpose, back, err)
			}
		}
		for i := range sealed {
			bad := bytes.Clone(sealed)
			bad[i] ^= 1
			if _, err := r.Unseal("test", bad); !errors.Is(err, ErrNotSealed) {
				t.Fatalf("a changed byte %d was not seen: %v", i, err)
			}
			if _, err := r.Unseal("test", sealed[:i]); !errors.Is(err, ErrNotSealed) {
				t.Fatalf("a cut at %d was not seen: %v", i, err)
			}
		}
	}
	other := initIn(t, memory.New(), Options{})
	if _, err := other.Unseal("test", r.Seal("test", []byte("x"))); !errors.Is(err, ErrNotSealed) {
		t.Errorf("another repository opened it: %v", err)
	}
}
