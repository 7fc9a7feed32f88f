package photos

import (
	"testing"

	"github.com/keepsake-backup/keepsake/extract/extracttest"
)

func TestConform(t *testing.T) {
	for _, ios := range extracttest.Generations {
		t.Run(ios, func(t *testing.T) {
			t.Parallel()
			src := extracttest.Source(t, extracttest.Phone(t, ios))
			extracttest.Conform(t, New(), src)
		})
	}
}
