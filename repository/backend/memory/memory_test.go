package memory

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/backendtest"
)

func TestConformance(t *testing.T) {
	backendtest.Run(t, func(t *testing.T) backend.Backend { return New() })
}

func TestClone_isTheStateOfThatMoment(t *testing.T) {
	b := New()
	h := backend.Handle{Type: backend.PackFile, Name: strings.Repeat("a", 64)}
	late := backend.Handle{Type: backend.KeyFile, Name: strings.Repeat("b", 64)}
	if err := b.Save(t.Context(), h, strings.NewReader("early")); err != nil {
		t.Fatal(err)
	}
	c := b.Clone()
	b.Put(h, []byte("damaged"))
	if err := b.Save(t.Context(), late, strings.NewReader("late")); err != nil {
		t.Fatal(err)
	}
	if got := c.Handles(); !slices.Equal(got, []backend.Handle{h}) {
		t.Errorf("clone holds %v, want %v", got, h)
	}
	if got := c.Bytes(h); !bytes.Equal(got, []byte("early")) {
		t.Errorf("clone holds %q", got)
	}
	if got := b.Handles(); !slices.Equal(got, []backend.Handle{late, h}) {
		t.Errorf("store holds %v, want key before pack", got)
	}
	b.Put(h, nil)
	if _, err := b.Stat(t.Context(), h); err == nil || len(b.Handles()) != 1 {
		t.Errorf("Put of nil does not remove: %v", err)
	}
}

func TestOps(t *testing.T) {
	b := New()
	h := backend.Handle{Type: backend.PackFile, Name: strings.Repeat("a", 64)}
	ctx := t.Context()
	for range 2 {
		if err := b.Save(ctx, h, strings.NewReader("0123456789")); err != nil {
			t.Fatal(err)
		}
	}
	if err := backend.ReadFull(ctx, b, h, 2, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Stat(ctx, h); err != nil {
		t.Fatal(err)
	}
	if err := b.List(ctx, backend.PackFile, func(backend.FileInfo) error { return nil }); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_ = b.Remove(ctx, h) // the second fails and is counted too
	}
	want := Ops{Save: 2, Load: 1, Stat: 1, List: 1, Remove: 2, BytesSaved: 10, BytesLoaded: 5}
	if got := b.Ops(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if b.ResetOps(); b.Ops() != (Ops{}) {
		t.Errorf("after a reset: %+v", b.Ops())
	}
}
