package inside

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/search"
)

// Sealer is a repository, as far as an index needs one: *repository.Repository.
type Sealer interface {
	ID() format.ID
	Seal(purpose string, data []byte) []byte
	Unseal(purpose string, sealed []byte) ([]byte, error)
}

const indexPurpose = "keepsake search index"

// OpenIndex opens the index of the versions of a phone in a repository, in the folder
// dir of a cache:
//
//	dir/search/<repository>/<UDID>/key     32 bytes, sealed by the repository
//	                               index/  package search
//
// So it opens for those only who can open the repository. An index whose key is lost is
// begun anew.
func OpenIndex(ctx context.Context, dir string, r Sealer, udid string) (*search.Index, error) {
	home := filepath.Join(dir, "search", r.ID().String(), udid)
	if err := os.MkdirAll(home, 0o700); err != nil {
		return nil, fmt.Errorf("open search index: %w", err)
	}
	key, err := indexKey(filepath.Join(home, "key"), filepath.Join(home, "index"), r)
	if err != nil {
		return nil, fmt.Errorf("open search index: %w", err)
	}
	return search.Open(ctx, filepath.Join(home, "index"), secret.NewBytes(key))
}

func indexKey(file, index string, r Sealer) ([]byte, error) {
	sealed, err := os.ReadFile(file)
	if err == nil {
		if key, err := r.Unseal(indexPurpose, sealed); err == nil && len(key) == search.KeySize {
			return key, nil
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	// It is of another repository, or damaged: what it opened is a cache.
	if err := search.Remove(index); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	key := make([]byte, search.KeySize)
	rand.Read(key)
	part := file + ".part"
	if err := os.WriteFile(part, r.Seal(indexPurpose, key), 0o600); err != nil {
		return nil, err
	}
	return key, os.Rename(part, file)
}
