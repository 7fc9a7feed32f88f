package contacts_test

import (
	"testing"

	"github.com/keepsake-backup/keepsake/extract/contacts"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
)

func TestGarbled(t *testing.T) {
	fsys := everybody(t)
	for _, name := range []string{book, images} {
		extracttest.Garble(t, contacts.New(), fsys, name, "PersonLink") // all with one link are one
	}
}
