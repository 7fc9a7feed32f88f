package whatsapp_test

import (
	"io/fs"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/extract/whatsapp"
)

const (
	domain = "AppDomainGroup-group.net.whatsapp.WhatsApp.shared"
	chats  = domain + "/ChatStorage.sqlite"
)

var phones sync.Map // by iOS: fs.FS

// phone is a virtual phone, made once.
func phone(t *testing.T, ios string) fs.FS {
	t.Helper()
	if p, ok := phones.Load(ios); ok {
		return p.(fs.FS)
	}
	p := memory(t, extracttest.Phone(t, ios))
	phones.Store(ios, p)
	return p
}

// memory takes along what the app has: the phone itself goes with the test that made
// it.
func memory(t *testing.T, from fs.FS) fs.FS {
	t.Helper()
	to := fstest.MapFS{}
	err := fs.WalkDir(from, domain, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(from, p)
		if err != nil {
			return err
		}
		info, err := d.Info()
		to[p] = &fstest.MapFile{Data: data, Mode: 0o600}
		if err == nil {
			to[p].ModTime = info.ModTime()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return to
}

func public(t *testing.T) fs.FS { return extracttest.Public(t, "ios15-whatsapp", domain) }

func TestConformPublic(t *testing.T) {
	extracttest.Conform(t, whatsapp.New(), extracttest.Source(t, public(t)))
}

// sources are those that an independent reading is compared with.
func sources(t *testing.T) map[string]fs.FS {
	return map[string]fs.FS{"public": public(t), "13.7": phone(t, "13.7"), "17.3": phone(t, "17.3"), "26.1": phone(t, "26.1")}
}

func TestConformVirtual(t *testing.T) {
	for _, ios := range extracttest.Generations {
		t.Run(ios, func(t *testing.T) {
			src := extracttest.Source(t, phone(t, ios))
			extracttest.Conform(t, whatsapp.New(), src)
			var reader whatsapp.Reader
			n := 0
			err := reader.Files(t.Context(), src, func(f extract.File) error {
				n++
				if !src.Has(f.Origin) {
					t.Errorf("%q: no file %s", f.Path, f.Origin)
				}
				return nil
			})
			if err != nil || n == 0 {
				t.Errorf("%d files, %v", n, err)
			}
		})
	}
}

func TestDamage(t *testing.T) {
	extracttest.Damage(t, whatsapp.New(), public(t), chats)
}
