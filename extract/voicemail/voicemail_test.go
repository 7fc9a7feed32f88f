package voicemail_test

import (
	"testing"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/extract/voicemail"
)

const (
	folder   = "HomeDomain/Library/Voicemail"
	database = folder + "/voicemail.db"
)

func TestGenerations(t *testing.T) {
	for _, ios := range extracttest.Generations {
		t.Run(ios, func(t *testing.T) {
			t.Parallel()
			fsys := extracttest.Phone(t, ios)
			src := extracttest.Source(t, fsys)
			extracttest.Conform(t, voicemail.New(), src)
			if ios == "17.3" {
				extracttest.Damage(t, voicemail.New(), fsys, database)
			}
		})
	}
}

// The public phone has the tables, and nobody has called.
func TestPublic(t *testing.T) {
	fsys := extracttest.Public(t, "ios15-voicemail", folder)
	c := extracttest.Read(t, voicemail.New(), extracttest.Source(t, fsys), extract.Query{})
	if len(c.Records) != 0 || len(c.Problems) != 0 {
		t.Errorf("%d records, problems %v", len(c.Records), c.Problems)
	}
}
