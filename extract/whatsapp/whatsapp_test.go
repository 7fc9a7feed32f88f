package whatsapp_test

import (
	"io/fs"
	"sync"
	"testing"

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
	p := extracttest.Phone(t, ios)
	phones.Store(ios, p)
	return p
}

func public(t *testing.T) fs.FS { return extracttest.Public(t, "ios15-whatsapp", domain) }

func TestConformPublic(t *testing.T) {
	extracttest.Conform(t, whatsapp.New(), extracttest.Source(t, public(t)))
}

func TestConformVirtual(t *testing.T) {
	for _, ios := range extracttest.Generations {
		t.Run(ios, func(t *testing.T) {
			src := extracttest.Source(t, extracttest.Phone(t, ios))
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
