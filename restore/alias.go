package restore

import (
	"context"
	"strings"

	"github.com/keepsake-backup/keepsake/mobilebackup2/dirstore"
)

// copier copies the backup's folder under the name that the phone knows it by:
// its UDID, though its owner may have renamed it.
type copier struct {
	*dirstore.Store
	name, folder string
}

func (c copier) path(p string) string {
	if p == c.name || strings.HasPrefix(p, c.name+"/") {
		return c.folder + p[len(c.name):]
	}
	return p
}

// Copy is how the phone sets a backup aside before a restore.
func (c copier) Copy(ctx context.Context, from, to string) error {
	return c.Store.Copy(ctx, c.path(from), c.path(to))
}
