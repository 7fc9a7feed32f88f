package whatsapp_test

import (
	"errors"
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
	all := map[string]fs.FS{"public": public(t)}
	for _, ios := range extracttest.Generations {
		all[ios] = phone(t, ios)
	}
	return all
}

func TestConformVirtual(t *testing.T) {
	for _, ios := range extracttest.Generations {
		t.Run(ios, func(t *testing.T) {
			src := extracttest.Source(t, phone(t, ios))
			extracttest.Conform(t, whatsapp.New(), src)
			reader := whatsapp.New()
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

func TestGarbled(t *testing.T) {
	for _, name := range []string{chats, domain + "/CallHistory.sqlite"} {
		extracttest.Garble(t, whatsapp.New(), phone(t, "17.3"), name)
	}
}

func TestPreview(t *testing.T) {
	src := extracttest.Source(t, phone(t, "17.3"))
	whole, small, none := 0, 0, 0
	for _, m := range messages(t, src, extract.Query{}) {
		p, err := whatsapp.New().Preview(t.Context(), src, m.Key, 64)
		switch {
		case len(m.Attachments) == 1 && m.Attachments[0].Type == "image/jpeg" && (m.Attachments[0].Path != "" || m.Attachments[0].Preview != ""):
			if err != nil || p.Type != "image/jpeg" || len(p.Data) < 100 {
				t.Errorf("%s: %s of %d bytes, %v", m.Key, p.Type, len(p.Data), err)
			}
			if m.Attachments[0].Path != "" {
				whole++
			} else {
				small++
			}
		case len(m.Attachments) == 0:
			if !errors.Is(err, extract.ErrNoPreview) {
				t.Errorf("%s: %v", m.Key, err)
			}
			none++
		}
	}
	if whole+small == 0 || none == 0 {
		t.Errorf("%d pictures, %d previews, %d messages without", whole, small, none)
	}
}
