package calls_test

import (
	"testing"

	"github.com/keepsake-backup/keepsake/extract/calls"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
)

func TestGenerations(t *testing.T) {
	for _, ios := range extracttest.Generations {
		t.Run(ios, func(t *testing.T) {
			extracttest.Conform(t, calls.New(), extracttest.Source(t, extracttest.Phone(t, ios)))
		})
	}
}
