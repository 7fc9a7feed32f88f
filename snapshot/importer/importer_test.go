package importer_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/itunesbackup/itunesbackuptest"
	"github.com/keepsake-backup/keepsake/keybag"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/snapshot"
	"github.com/keepsake-backup/keepsake/snapshot/export"
	"github.com/keepsake-backup/keepsake/snapshot/importer"
)

var (
	noPassword    = secret.BackupPassword{}
	phonePassword = secret.NewBackupPassword("päss wörd")
)

// What a phone sent to a folder, imported and exported, is the same folder:
// in clear, encrypted, and sealed.
func TestFolder_sameFolder(t *testing.T) {
	for _, tc := range []struct {
		name              string
		encrypted, sealed bool
	}{{"plain", false, false}, {"encrypted", true, false}, {"sealed", true, true}} {
		t.Run(tc.name, func(t *testing.T) {
			p := startPhone(t)
			given := noPassword
			if tc.encrypted {
				p.encrypt(t, phonePassword)
			}
			if !tc.sealed {
				given = phonePassword
			}
			folder := p.backup(t, t.TempDir())
			r := inMemory(t)
			one := importInto(t, r, folder, given).Backups[0]
			if one.Sealed != tc.sealed || one.Snapshot.Sealed != tc.sealed || one.Snapshot.UDID != p.UDID() || !one.Snapshot.Time.Equal(one.Date) || one.Files < 20 {
				t.Errorf("%+v", one)
			}
			sameFolder(t, folder, exportOf(t, r, "latest", export.Options{Verify: true}))

			// Once more, from the folder and from the export: nothing new.
			again := importInto(t, r, folder, given).Backups[0]
			if !again.Known || again.Snapshot.ID != one.Snapshot.ID {
				t.Errorf("imported twice: %+v", again)
			}
		})
	}
}

func TestFolder_wrongPassword(t *testing.T) {
	dir := itunesbackuptest.Build(t, itunesbackuptest.Encrypted())
	r := inMemory(t)
	s := begin(t, r, repository.Shared)
	_, err := importer.Folder(t.Context(), s, dir, with(secret.NewBackupPassword("wrong")), &silent{})
	if !errors.Is(err, keybag.ErrWrongPassword) {
		t.Errorf("error %v", err)
	}
	if list, err := snapshot.List(t.Context(), begin(t, r, repository.Shared)); err != nil || len(list) > 0 {
		t.Errorf("%d snapshots, %v", len(list), err)
	}
}

// Copies in dated folders become a chain, the oldest first.
func TestFolder_chain(t *testing.T) {
	p := startPhone(t)
	p.encrypt(t, phonePassword)
	work, chain := t.TempDir(), t.TempDir()
	var folders []string
	for _, name := range []string{"2026-01-01", "2026-01-02/deep", "."} {
		folder := p.backup(t, work)
		to := filepath.Join(chain, name, p.UDID())
		if name == "2026-01-01" {
			to = filepath.Join(chain, p.UDID()+"-20260101-101500") // as Finder names archives
		}
		copyFolder(t, folder, to)
		folders = append(folders, to)
		p.use(t)
		// The phone dates backups by the second, and the chain is ordered by date.
		time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second)))
	}
	if err := os.WriteFile(filepath.Join(chain, ".DS_Store"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := inMemory(t)
	result := importInto(t, r, chain, phonePassword)
	if len(result.Backups) != 3 {
		t.Fatalf("%d backups", len(result.Backups))
	}
	for i, b := range result.Backups {
		if b.Path != folders[i] {
			t.Errorf("number %d is %s, want %s", i, b.Path, folders[i])
		}
		if i > 0 && (b.Snapshot.Parent == nil || *b.Snapshot.Parent != result.Backups[i-1].Snapshot.ID) {
			t.Errorf("number %d: parent %v", i, b.Snapshot.Parent)
		}
		sameFolder(t, folders[i], exportOf(t, r, b.Snapshot.ID.String(), export.Options{}))
	}
	for _, b := range importInto(t, r, chain, phonePassword).Backups {
		if !b.Known {
			t.Errorf("%s: imported twice", b.Path)
		}
	}
}
