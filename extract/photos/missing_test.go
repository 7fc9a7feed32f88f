package photos

import (
	"testing"

	"github.com/keepsake-backup/keepsake/extract/extracttest"
)

func TestMissing(t *testing.T) {
	t.Parallel()
	extracttest.Missing(t, New(), camera(made(t, shapes[8].statements()...), "DCIM/100APPLE/IMG_0001.HEIC"), libraryDB, "ZASSET", "ZASSET.Z_PK")
	extracttest.Missing(t, New(), phone(t, "17.3"), libraryDB, "ZASSET", "ZASSET.Z_PK")
}
