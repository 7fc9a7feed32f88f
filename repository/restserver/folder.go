package restserver

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/local"
)

// Folder is an Options.Open for the repositories below a folder of this
// computer: /ada/phone/ is dir/ada/phone, in the layout that restic's own
// rest-server has too. dir has to be there: it is not made, so that nothing is
// written in the place of a disk that is not mounted.
func Folder(dir string) func(context.Context, string) (backend.Backend, error) {
	return func(_ context.Context, repo string) (backend.Backend, error) {
		info, err := os.Stat(dir)
		switch {
		case err != nil:
			// Not os.ErrNotExist: no file of a repository is missing.
			return nil, fmt.Errorf("look at the folder of the repositories: %v", err)
		case !info.IsDir():
			return nil, fmt.Errorf("look at the folder of the repositories: %s is no folder", dir)
		}
		// A nil *local.Backend in the interface would not be nil.
		b, err := local.Open(filepath.Join(dir, filepath.FromSlash(repo)), local.Options{})
		if err != nil {
			return nil, err
		}
		return b, nil
	}
}
