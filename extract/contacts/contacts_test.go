package contacts_test

import (
	"io/fs"
	"testing"

	"github.com/keepsake-backup/keepsake/extract/contacts"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
)

const (
	folder = "HomeDomain/Library/AddressBook"
	book   = folder + "/AddressBook.sqlitedb"
	images = folder + "/AddressBookImages.sqlitedb"
)

func public(t testing.TB) fs.FS { return extracttest.Public(t, "ios15-contacts", folder) }

func TestPublic(t *testing.T) {
	src := extracttest.Source(t, public(t))
	extracttest.Conform(t, contacts.New(), src)
}

func TestDamage(t *testing.T) { extracttest.Damage(t, contacts.New(), public(t), book) }
