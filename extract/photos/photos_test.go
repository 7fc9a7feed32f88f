package photos

import (
	"io/fs"
	"sync"
	"testing"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
)

// phones are made once for all tests; they are only read.
var phones sync.Map

func phone(t testing.TB, ios string) fs.FS {
	t.Helper()
	made, _ := phones.LoadOrStore(ios, &sharedPhone{})
	p := made.(*sharedPhone)
	p.once.Do(func() { p.fsys = readInto(t, extracttest.Phone(t, ios, "photos")) })
	if p.fsys == nil {
		t.Fatalf("no phone with iOS %s", ios)
	}
	return p.fsys
}

type sharedPhone struct {
	once sync.Once
	fsys fs.FS
}

func TestConform(t *testing.T) {
	for _, ios := range extracttest.Generations {
		t.Run(ios, func(t *testing.T) {
			extracttest.Conform(t, New(), extracttest.Source(t, phone(t, ios)))
		})
	}
}

func TestDamage(t *testing.T) {
	extracttest.Damage(t, New(), phone(t, "18.6"), libraryDB)
	extracttest.Damage(t, New(), phone(t, "13.7"), libraryDB)
}

// read reads all photos that a query chooses.
func read(t testing.TB, src *extract.Source, q extract.Query) []*Photo {
	t.Helper()
	var list []*Photo
	for _, r := range extracttest.Read(t, New(), src, q).Records {
		list = append(list, r.(*Photo))
	}
	return list
}
