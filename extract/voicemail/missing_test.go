package voicemail_test

import (
	"testing"

	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/extract/voicemail"
)

func TestMissing(t *testing.T) {
	t.Parallel()
	extracttest.Missing(t, voicemail.New(), extracttest.Public(t, "ios15-voicemail", folder), database, "voicemail", "deleted")
}
