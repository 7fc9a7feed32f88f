package restore

import (
	"context"
	"io"
	"path/filepath"
	"strings"

	"github.com/keepsake-backup/keepsake/mobilebackup2"
	"github.com/keepsake-backup/keepsake/mobilebackup2/dirstore"
)

// aliased shows a folder under the name that the phone asks for: the backup's
// UDID, though its owner may have renamed the folder.
type aliased struct {
	*dirstore.Store
	name, folder string
}

// alias returns disk itself when the names are the same.
func alias(disk *dirstore.Store, report *Report) mobilebackup2.Store {
	folder := filepath.Base(report.Folder)
	if folder == report.Source {
		return disk
	}
	return &aliased{disk, report.Source, folder}
}

func (a *aliased) path(p string) string {
	if p == a.name || strings.HasPrefix(p, a.name+"/") {
		return a.folder + p[len(a.name):]
	}
	return p
}

func (a *aliased) Open(ctx context.Context, p string) (io.ReadCloser, int64, error) {
	return a.Store.Open(ctx, a.path(p))
}

func (a *aliased) Put(ctx context.Context, p string, r io.Reader) error {
	return a.Store.Put(ctx, a.path(p), r)
}

func (a *aliased) ReadDir(ctx context.Context, p string) ([]mobilebackup2.Entry, error) {
	return a.Store.ReadDir(ctx, a.path(p))
}

func (a *aliased) Mkdir(ctx context.Context, p string) error { return a.Store.Mkdir(ctx, a.path(p)) }

func (a *aliased) Rename(ctx context.Context, from, to string) error {
	return a.Store.Rename(ctx, a.path(from), a.path(to))
}

func (a *aliased) Remove(ctx context.Context, p string) error { return a.Store.Remove(ctx, a.path(p)) }

// Copy is how the phone sets a backup aside before a restore.
func (a *aliased) Copy(ctx context.Context, from, to string) error {
	return a.Store.Copy(ctx, a.path(from), a.path(to))
}
