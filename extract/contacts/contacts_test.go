package contacts_test

import (
	"io/fs"
	"os"
	"testing"

	"github.com/keepsake-backup/keepsake/extract/contacts"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
)

const (
	folder = "HomeDomain/Library/AddressBook"
	book   = folder + "/AddressBook.sqlitedb"
	images = folder + "/AddressBookImages.sqlitedb"
)

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func public(t testing.TB) fs.FS { return extracttest.Public(t, "ios15-contacts", folder) }

func TestPublic(t *testing.T) {
	src := extracttest.Source(t, public(t))
	extracttest.Conform(t, contacts.New(), src)
}

func TestDamage(t *testing.T) { extracttest.Damage(t, contacts.New(), public(t), book) }
