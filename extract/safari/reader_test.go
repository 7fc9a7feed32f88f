package safari_test

import (
	"testing"

	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/extract/safari"
)

func TestGenerations(t *testing.T) {
	for _, ios := range extracttest.Generations {
		t.Run(ios, func(t *testing.T) {
			extracttest.Conform(t, safari.New(), extracttest.Source(t, extracttest.Phone(t, ios)))
		})
	}
}
