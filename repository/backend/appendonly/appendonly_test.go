package appendonly

import (
	"errors"
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/backendtest"
	"github.com/keepsake-backup/keepsake/repository/backend/fault"
	"github.com/keepsake-backup/keepsake/repository/backend/memory"
)

func TestConformance(t *testing.T) {
	backendtest.RunWith(t, backendtest.Options{NoReplace: true, OnlyLocks: true}, func(t *testing.T) backend.Backend {
		return New(memory.New())
	})
}

func handle(t backend.FileType) backend.Handle {
	h := backend.Handle{Type: t}
	if t != backend.ConfigFile {
		h.Name = strings.Repeat("ab", 32)
	}
	return h
}

// Whatever is asked for, the store behind loses nothing but locks.
func TestNothingIsLost(t *testing.T) {
	m := memory.New()
	b := New(m)
	for _, typ := range backend.FileTypes {
		h := handle(typ)
		m.Put(h, []byte("precious"))
		if err := b.Save(t.Context(), h, strings.NewReader("else")); err == nil {
			t.Errorf("save over %v: no error", h)
		}
		if err := b.Save(t.Context(), h, strings.NewReader("sameSize")); err != nil && typ != backend.ConfigFile {
			t.Errorf("save of %v again: %v", h, err)
		}
		err := b.Remove(t.Context(), h)
		if typ == backend.LockFile {
			if err != nil || m.Bytes(h) != nil {
				t.Errorf("remove %v: %v", h, err)
			}
			continue
		}
		if !errors.Is(err, backend.ErrReadOnly) || !strings.Contains(err.Error(), "only added to") {
			t.Errorf("remove %v: %v", h, err)
		}
		if got := m.Bytes(h); string(got) != "precious" {
			t.Errorf("%v is %q now", h, got)
		}
	}
}

// When it cannot see whether a file is there, it does not write over it.
func TestSave_blind(t *testing.T) {
	m := memory.New()
	h := handle(backend.PackFile)
	m.Put(h, []byte("precious"))
	b := New(fault.New(m, fault.Fault{Op: fault.Stat}))
	if err := b.Save(t.Context(), h, strings.NewReader("else")); !errors.Is(err, fault.ErrInjected) {
		t.Errorf("got %v", err)
	}
	if got := m.Bytes(h); string(got) != "precious" {
		t.Errorf("%v is %q now", h, got)
	}
	if found, ok := backend.As[*memory.Backend](b); !ok || found != m {
		t.Error("the store behind is not to be found")
	}
}
