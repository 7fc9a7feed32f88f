package snapshot_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/keepsake-backup/keepsake/backup"
	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/usbmux"
	"github.com/keepsake-backup/keepsake/virtualphone"
)

type silent struct{}

func (silent) Phase(_, _ string)             {}
func (silent) Update(progress.Counters)      {}
func (silent) Say(_ progress.Kind, _ string) {}
func (silent) Close()                        {}

// startPhone gives a virtual phone and a paired handle on it.
func startPhone(t *testing.T) (*virtualphone.Phone, *device.Device) {
	t.Helper()
	server, err := virtualphone.Start(t.Context(), virtualphone.Config{Dir: t.TempDir(), Profile: "tiny", KDFRounds: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Errorf("close phone: %v", err)
		}
	})
	addr, err := usbmux.ParseAddress(server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	d, err := device.Open(t.Context(), device.Options{Mux: &usbmux.Client{Address: addr}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	if err := d.Pair(t.Context(), device.PairOptions{}); err != nil {
		t.Fatal(err)
	}
	return server.Phones()[0], d
}

// The folder of a phone comes back from the repository byte for byte: plain and
// encrypted, two versions, of which the second stores what changed.
func TestPhone(t *testing.T) {
	for _, test := range []struct {
		name     string
		password secret.BackupPassword
		sealed   bool
	}{{name: "plain"}, {name: "encrypted", password: backupPassword}, {name: "sealed", password: backupPassword, sealed: true}} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			phone, dev := startPhone(t)
			if !test.password.IsZero() {
				if err := backup.SetEncryption(t.Context(), dev, secret.BackupPassword{}, test.password, silent{}); err != nil {
					t.Fatal(err)
				}
			}
			r := newRepository(t, nil)
			s := begin(t, r)
			dir := t.TempDir()
			first := folder{dir: phoneFolder(t, dev, dir), password: test.password, sealed: test.sealed}
			a := first.build(t, s)
			sameFolder(t, a, first.dir)
			kept := t.TempDir()
			if err := os.CopyFS(kept, os.DirFS(first.dir)); err != nil {
				t.Fatal(err)
			}

			if _, err := phone.Use(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			before := times(t, first)
			second := folder{dir: phoneFolder(t, dev, dir), password: test.password, sealed: test.sealed, parent: a}
			second.only = changed(t, second, before)
			if n := len(second.ids(t)); len(second.only) == 0 || len(second.only) > n/2 {
				t.Errorf("%d of %d files came", len(second.only), n)
			}
			b := second.build(t, begin(t, r))
			sameFolder(t, b, second.dir)
			sameFolder(t, a, kept)
			for _, p := range []struct{ rep *itunesbackup.Report }{{verify(t, a, test.password)}, {verify(t, b, test.password)}} {
				if !p.rep.OK() || p.rep.Files == 0 {
					t.Errorf("verify: %d files, %v", p.rep.Files, p.rep.Problems)
				}
			}
			m := b.Meta()
			if m.UDID != phone.UDID() || m.Name == "" || m.ProductVersion == "" || m.Sealed != test.sealed || m.Encrypted != !test.password.IsZero() || len(m.Exceptions) != 0 {
				t.Errorf("meta: %+v", m)
			}
			noDamage(t, r)
		})
	}
}

func phoneFolder(t *testing.T, dev *device.Device, dir string) string {
	t.Helper()
	res, err := backup.ToFolder(t.Context(), dev, dir, backup.Options{}, silent{})
	if err != nil {
		t.Fatal(err)
	}
	return res.Folder
}

// times tells files apart that came anew.
func times(t *testing.T, f folder) map[itunesbackup.FileID]os.FileInfo {
	t.Helper()
	infos := map[itunesbackup.FileID]os.FileInfo{}
	for _, id := range f.ids(t) {
		info, err := os.Stat(filepath.Join(f.dir, id.Path()))
		if err != nil {
			t.Fatal(err)
		}
		infos[id] = info
	}
	return infos
}

func changed(t *testing.T, f folder, before map[itunesbackup.FileID]os.FileInfo) map[itunesbackup.FileID]bool {
	t.Helper()
	ids := map[itunesbackup.FileID]bool{}
	for id, info := range times(t, f) {
		if old, ok := before[id]; !ok || !os.SameFile(old, info) {
			ids[id] = true
		}
	}
	return ids
}
