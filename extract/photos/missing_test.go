package photos

import (
	"testing"

	"github.com/keepsake-backup/keepsake/extract/extracttest"
)

func TestMissing(t *testing.T) {
	t.Parallel()
	extracttest.Missing(t, New(), phone(t, "17.3"), libraryDB, "ZASSET", "ZASSET.Z_PK")
}
