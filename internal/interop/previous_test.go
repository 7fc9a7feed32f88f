package interop

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/keepsake-backup/keepsake/backup"
	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/mobilebackup2/dirstore"
	"github.com/keepsake-backup/keepsake/restore"
	"github.com/keepsake-backup/keepsake/virtualphone"
)

// Whatever cuts a second backup off, and wherever, the first one still verifies
// and restores, until Status.plist says that the second is finished; and the
// next run finishes the second.
func TestLastGoodBackupSurvives(t *testing.T) {
	for _, point := range []string{"cut@upload:1", "cut@upload.file:5", "cut@manifest", "cut@move", "cut@move:2", "cut@move:3", "cut@remove", "cut@verify"} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			p := start(t)
			dir := t.TempDir()
			p.ourBackup(dir)
			first := p.digest()
			p.use(2)
			second := p.digest()
			faults, err := virtualphone.ParseFaults(point)
			if err != nil {
				t.Fatal(err)
			}
			p.AddFaults(faults...)
			if _, err := backup.ToFolder(context.Background(), p.ours(), dir, backup.Options{}, silent{}); err == nil {
				t.Fatal("the backup was not cut off")
			} else {
				t.Logf("%v\n%s", err, device.Hint(err))
			}
			verifies(t, filepath.Join(dir, p.UDID()))

			other := start(t, seed(77))
			other.erase()
			if err := other.ours().Pair(context.Background(), device.PairOptions{Renew: true}); err != nil {
				t.Fatal(err)
			}
			other.ourRestore(dir, restore.Options{Source: p.UDID()})
			want := first
			if point == "cut@verify" {
				want = second // the phone was only looking at it once more
			}
			sameDigest(t, want, other.digest())

			p.ourBackup(dir)
			verifies(t, filepath.Join(dir, p.UDID()))
			other.erase()
			if err := other.ours().Pair(context.Background(), device.PairOptions{Renew: true}); err != nil {
				t.Fatal(err)
			}
			other.ourRestore(dir, restore.Options{Source: p.UDID()})
			sameDigest(t, second, other.digest())
		})
	}
}

// verifies checks the last good backup of a folder.
func verifies(t *testing.T, folder string) {
	t.Helper()
	fsys, _, err := dirstore.Previous(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer fsys.Close()
	b, err := itunesbackup.OpenFS(t.Context(), fsys)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	report, err := b.Verify(t.Context(), itunesbackup.VerifyOptions{Digests: true, Decrypt: true})
	if err != nil {
		t.Fatal(err)
	}
	if report.Failures > 0 || report.Files < 50 {
		t.Errorf("%d files, %d failures: %+v", report.Files, report.Failures, report.Problems)
	}
}
