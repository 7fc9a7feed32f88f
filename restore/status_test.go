package restore_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/itunesbackup"
)

func rewriteStatus(t *testing.T, dir, backup, snapshot string) {
	t.Helper()
	st := itunesbackup.StatusPlist{Version: "3.3", UUID: "61AC4632-C46E-4BF8-888A-0B1C89FAA39D", Date: time.Now(),
		BackupState: itunesbackup.BackupState(backup), SnapshotState: itunesbackup.SnapshotState(snapshot)}
	data, err := st.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "Status.plist"), data, 0o600); err != nil {
		t.Fatal(err)
	}
}
