package repository

import (
	"context"

	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// ReadFile loads an index, a snapshot or a lock, verifies and opens it and gives
// its JSON.
func (r *Repository) ReadFile(ctx context.Context, t backend.FileType, id format.ID) ([]byte, error) {
	return r.loadUnpacked(ctx, t, id)
}
