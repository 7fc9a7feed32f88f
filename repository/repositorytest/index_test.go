package repositorytest_test

import (
	"testing"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend/memory"
	"github.com/keepsake-backup/keepsake/repository/repositorytest"
)

// The engine finds what was filled in.
func TestFillIndex(t *testing.T) {
	be, password := memory.New(), secret.NewRepositoryPassword("measured")
	r, err := repository.Init(t.Context(), be, password, repository.InitOptions{Options: repository.Options{KDF: repository.KDF{N: 1024, R: 8, P: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	const blobs = 1234
	if err := repositorytest.FillIndex(t.Context(), be, password, repositorytest.Index{Blobs: blobs, PerPack: 10, PerFile: 500}); err != nil {
		t.Fatal(err)
	}
	s, err := r.Begin(t.Context(), repository.Shared, 0)
	if err != nil {
		t.Fatal(err)
	}
	x, err := s.Index(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if x.Len() != blobs || x.PackCount() != 50+50+24 {
		t.Errorf("%d blobs in %d packs", x.Len(), x.PackCount())
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := repositorytest.FillIndex(t.Context(), be, secret.NewRepositoryPassword("another"), repositorytest.Index{Blobs: 1, PerPack: 1, PerFile: 1}); err == nil {
		t.Error("a wrong password opened the repository")
	}
}
