// Package spooldir says where what has arrived from a phone waits for a repository,
// for commands and for the service alike.
//
//	backup.RepositoryOptions{Spool: spooldir.Of(repo), …}
//	spooldir.Tidy(repo, udid) // when the run has become a version
//
// It waits on the repository's own disk if that is one of this computer, since there
// is the room that it is going to need:
//
//	<repository>/keepsake-spool/<repository ID>/<UDID>/   package backup's
//
// For other stores package backup keeps it with the unfinished run.
package spooldir

import (
	"os"
	"path/filepath"

	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend/location"
)

// Of is the folder for a repository, which is made when something comes; "" if its
// store is not a folder of this computer.
func Of(r *repository.Repository) string {
	at, err := location.Parse(r.Location())
	if err != nil || at.Kind != location.Local {
		return ""
	}
	return filepath.Join(at.Path, "keepsake-spool")
}

// Tidy removes the folders that a finished run of a phone has left empty. Those that
// are not empty belong to a run that is not finished.
func Tidy(r *repository.Repository, udid string) {
	spool := Of(r)
	if spool == "" {
		return
	}
	for _, dir := range []string{filepath.Join(spool, r.ID().String(), udid), filepath.Join(spool, r.ID().String()), spool} {
		if os.Remove(dir) != nil {
			return
		}
	}
}
