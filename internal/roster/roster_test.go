package roster

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/local"
	"github.com/keepsake-backup/keepsake/repository/backend/memory"
	"github.com/keepsake-backup/keepsake/repository/format"
)

const (
	anna = "00008101-000A1B2C3D4E001E"
	bert = "00008110-000A1B2C3D4E002F"
)

func backends(t *testing.T) map[string]backend.Backend {
	folder, err := local.Open(t.TempDir()+"/"+Folder, local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return map[string]backend.Backend{"memory": memory.New(), "local": folder}
}

func TestMembers(t *testing.T) {
	for name, be := range backends(t) {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			if got, err := Members(ctx, be); err != nil || len(got) != 0 {
				t.Fatalf("before anything is there: %v, %v", got, err)
			}
			var wait sync.WaitGroup
			for _, udid := range []string{bert, anna, bert, anna} {
				wait.Go(func() {
					if err := Add(ctx, be, udid); err != nil {
						t.Error(err)
					}
				})
			}
			wait.Wait()
			got, err := Members(ctx, be)
			if err != nil || !slices.Equal(got, []string{anna, bert}) {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

func TestForeignAndDamagedFiles(t *testing.T) {
	save := func(t *testing.T, be backend.Backend, name string, data []byte) {
		t.Helper()
		if err := be.Save(context.Background(), backend.Handle{Type: backend.IndexFile, Name: name}, bytes.NewReader(data)); err != nil {
			t.Fatal(err)
		}
	}
	be := memory.New()
	if err := Add(t.Context(), be, anna); err != nil {
		t.Fatal(err)
	}
	for _, foreign := range []string{"{}", `{"keepsake_member":2,"name":"x"}`, "\x00", "[]"} {
		save(t, be, format.Hash([]byte(foreign)).String(), []byte(foreign))
	}
	if got, err := Members(t.Context(), be); err != nil || !slices.Equal(got, []string{anna}) {
		t.Errorf("beside foreign files: %v, %v", got, err)
	}
	save(t, be, format.Hash([]byte("one")).String(), []byte("another"))
	if got, err := Members(t.Context(), be); err == nil {
		t.Errorf("a damaged file is passed over: %v", got)
	}
	large := memory.New()
	data := make([]byte, maxEntry+1)
	save(t, large, format.Hash(data).String(), data)
	if _, err := Members(t.Context(), large); err == nil {
		t.Error("a huge file is read")
	}
}
