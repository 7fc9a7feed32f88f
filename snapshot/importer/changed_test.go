package importer_test

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/snapshot/importer"
)

// meddler does something to the folder when files begin to be read.
type meddler struct {
	silent
	once sync.Once
	do   func()
}

func (m *meddler) Update(progress.Counters) { m.once.Do(m.do) }

// iTunes may write into the folder that is read: what is of two moments is no
// version.
func TestFolder_changes(t *testing.T) {
	phone := startPhone(t)
	dir := phone.backup(t, t.TempDir())
	photos, err := filepath.Glob(filepath.Join(dir, "[0-9a-f][0-9a-f]", "*"))
	if err != nil || len(photos) < 10 {
		t.Fatal(len(photos), err)
	}
	for name, change := range map[string]func(dir string) error{
		"a run begins": func(dir string) error {
			setState(t, dir, itunesbackup.SnapshotUploading)
			return nil
		},
		"the index is replaced": func(dir string) error {
			at := time.Now().Add(time.Hour)
			return os.Chtimes(filepath.Join(dir, itunesbackup.ManifestName), at, at)
		},
		"files are written again": func(dir string) error {
			at := time.Now().Add(time.Hour)
			for _, p := range photos {
				rel, err := filepath.Rel(filepath.Dir(filepath.Dir(p)), p)
				if err == nil {
					err = os.Chtimes(filepath.Join(dir, rel), at, at)
				}
				if err != nil {
					return err
				}
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			mine := filepath.Join(t.TempDir(), filepath.Base(dir))
			copyFolder(t, dir, mine)
			r := inMemory(t)
			s := begin(t, r, repository.Shared)
			m := &meddler{do: func() {
				if err := change(mine); err != nil {
					t.Error(err)
				}
			}}
			_, err := importer.Folder(t.Context(), s, mine, with(secret.BackupPassword{}), m)
			var changed *importer.ChangedError
			if !errors.As(err, &changed) || changed.Hint() == "" {
				t.Errorf("%v", err)
			}
			noSnapshots(t, r)
		})
	}
}
