package notes

import (
	"testing"

	"github.com/keepsake-backup/keepsake/extract/extracttest"
)

func TestGarbled(t *testing.T) {
	for _, ios := range []string{"13.7", "26.1"} {
		extracttest.Garble(t, New(), phone(t, ios), domain+"/NoteStore.sqlite", "Z_ENT", "Z_NAME")
	}
}
