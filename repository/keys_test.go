package repository

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/fault"
	"github.com/keepsake-backup/keepsake/repository/backend/memory"
)

// There are no more keys than restic tries, a hint saves trying the others, and
// they are listed in the order of their making.
func TestKeys(t *testing.T) {
	m := memory.New()
	r := initTiny(t, m)
	for i := 1; i < maxKeys; i++ {
		if _, err := r.addKey(t.Context(), secret.NewRepositoryPassword(fmt.Sprint("password ", i)), fmt.Sprint("user ", i), "host", free); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.AddKey(t.Context(), secret.NewRepositoryPassword("more"), "user", "host"); err == nil || !strings.Contains(err.Error(), "no more than 20") {
		t.Errorf("a key too many: %v", err)
	}
	if _, err := r.addKey(t.Context(), secret.NewRepositoryPassword(""), "user", "host", free); err == nil {
		t.Error("an empty password is taken")
	}
	keys, err := r.Keys(t.Context())
	if err != nil || len(keys) != maxKeys {
		t.Fatalf("%d keys, %v", len(keys), err)
	}
	for i, k := range keys {
		if i > 0 && (k.Created.Before(keys[i-1].Created) || k.Username != fmt.Sprint("user ", i)) || k.Current != (i == 0) {
			t.Errorf("key %d: %+v", i, k)
		}
	}
	be := fault.New(m)
	if _, err := Open(t.Context(), be, secret.NewRepositoryPassword("password 7"), Options{KeyHint: keys[7].ID.Short()}); err != nil {
		t.Fatal(err)
	}
	if n := be.Count(fault.Load, backend.KeyFile); n != 1 {
		t.Errorf("with a hint, %d keys are loaded", n)
	}
	if _, err := openTiny(t.Context(), m); err != nil {
		t.Error(err)
	}
	if _, err := Open(t.Context(), m, secret.NewRepositoryPassword("none of them"), Options{}); !errors.Is(err, ErrWrongPassword) {
		t.Errorf("a wrong password: %v", err)
	}
	if err := r.RemoveKey(t.Context(), keys[0].ID); err == nil {
		t.Error("the key in use is removed")
	}
}

// A key that was stored and does not open is taken away again.
func TestKeyThatDoesNotOpen(t *testing.T) {
	m := memory.New()
	initTiny(t, m)
	be := fault.New(m)
	r, err := openTiny(t.Context(), be)
	if err != nil {
		t.Fatal(err)
	}
	be.Inject(fault.Fault{Op: fault.Load, Type: backend.KeyFile, Effect: fault.Flip, Offset: 5, Times: fault.Always})
	if _, err := r.addKey(t.Context(), secret.NewRepositoryPassword("more"), "user", "host", free); err == nil || !strings.Contains(err.Error(), "does not open again") {
		t.Errorf("a key that reads damaged: %v", err)
	}
	be.Clear()
	if keys, err := r.Keys(t.Context()); err != nil || len(keys) != 1 {
		t.Errorf("%d keys, %v", len(keys), err)
	}
}

func TestCompression(t *testing.T) {
	text := textBytes(1, 2<<20)
	stored := map[Compression]int64{}
	for _, name := range compressionNames {
		c, err := ParseCompression(name)
		if err != nil || c.String() != name {
			t.Fatal(c, err)
		}
		r := initIn(t, memory.New(), Options{Compression: c})
		s := begin(t, r, Shared)
		w, err := s.Writer(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		id, err := backupWith(t.Context(), w, files{"text": text}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		stored[c] = w.Stats().DataAddedPacked
		wantFiles(t, begin(t, r, Shared), id, files{"text": text})
	}
	if stored[CompressionOff] < int64(len(text)) || stored[CompressionAuto] > int64(len(text))/2 || stored[CompressionMax] > stored[CompressionAuto] ||
		stored[CompressionFastest] < stored[CompressionAuto] {
		t.Errorf("stored %v of %d", stored, len(text))
	}
	if _, err := ParseCompression("some"); err == nil {
		t.Error("an unknown compression is taken")
	}
}
