package contacts_test

import (
	"testing"

	"github.com/keepsake-backup/keepsake/extract/contacts"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
)

func TestMissing(t *testing.T) {
	t.Parallel()
	fsys := everybody(t)
	extracttest.Missing(t, contacts.New(), fsys, book, "ABPerson")
	extracttest.Missing(t, contacts.New(), fsys, images)
}
