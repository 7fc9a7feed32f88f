package voicememos_test

import (
	"testing"

	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/extract/voicememos"
)

func TestMissing(t *testing.T) {
	t.Parallel()
	fsys := extracttest.Phone(t, "17.3", "voice memos")
	for _, store := range extracttest.Source(t, fsys).Find("*/Recordings/CloudRecordings.db") {
		extracttest.Missing(t, voicememos.New(), fsys, store, "ZCLOUDRECORDING", "ZCLOUDRECORDING.Z_PK")
	}
}
