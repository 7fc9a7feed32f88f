package interop

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/keepsake-backup/keepsake/backup"
	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/installationproxy"
	"github.com/keepsake-backup/keepsake/internal/plist"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/restore"
	"github.com/keepsake-backup/keepsake/usbmux"
)

// ours opens the phone with our own host.
func (p *phone) ours() *device.Device {
	p.t.Helper()
	addr, err := usbmux.ParseAddress(p.addr)
	if err != nil {
		p.t.Fatal(err)
	}
	dev, err := device.Open(context.Background(), device.Options{Mux: &usbmux.Client{Address: addr}})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { dev.Close() })
	return dev
}

// apps lists the apps with a licence from the store, by bundle id.
func (p *phone) apps() (ids []string) {
	p.t.Helper()
	conn, err := p.ours().StartService(context.Background(), installationproxy.Service)
	if err != nil {
		p.t.Fatal(err)
	}
	c := installationproxy.New(conn)
	defer c.Close()
	list, err := c.Browse(context.Background(), "CFBundleIdentifier", "ApplicationSINF")
	if err != nil {
		p.t.Fatal(err)
	}
	for _, a := range list {
		if len(a.SINF) > 0 {
			ids = append(ids, a.BundleID)
		}
	}
	slices.Sort(ids)
	return ids
}

type silent struct{}

func (silent) Phase(string, string)      {}
func (silent) Update(progress.Counters)  {}
func (silent) Say(progress.Kind, string) {}
func (silent) Close()                    {}

func (p *phone) ourBackup(dir string) *backup.Result {
	p.t.Helper()
	r, err := backup.ToFolder(context.Background(), p.ours(), dir, backup.Options{}, silent{})
	if err != nil {
		p.t.Fatalf("our backup: %v", err)
	}
	return r
}

func (p *phone) ourRestore(dir string, opt restore.Options) {
	p.t.Helper()
	boots := p.Count("up")
	if _, err := restore.FromFolder(context.Background(), p.ours(), dir, opt, silent{}); err != nil {
		p.t.Fatalf("our restore: %v", err)
	}
	p.await("up", boots+1)
}

// The same phone, backed up by both: same names, same bytes. What differs must
// be one of the fields that carry a time, a UUID or what the host calls itself.
func TestOursAgainstTheirs_sameFolder(t *testing.T) {
	p := start(t, profile("small"))
	theirs, ours := t.TempDir(), t.TempDir()
	p.backup(theirs)
	p.ourBackup(ours)
	theirs, ours = filepath.Join(theirs, p.UDID()), filepath.Join(ours, p.UDID())

	want, got := sums(t, theirs), sums(t, ours)
	if d := missing(want, got); len(d) > 0 {
		t.Errorf("only idevicebackup2 has %q", d)
	}
	if d := missing(got, want); len(d) > 0 {
		t.Errorf("only ours has %q", d)
	}
	compared := 0
	for path, sum := range want {
		switch path {
		case "Info.plist", "Manifest.plist", "Status.plist", "Manifest.db":
			continue
		}
		compared++
		if got[path] != sum {
			t.Errorf("%s differs", path)
		}
	}
	if compared < 1000 {
		t.Errorf("only %d files were compared", compared)
	}
	if w, g := manifestRows(t, theirs), manifestRows(t, ours); w != g {
		t.Error("the rows of Manifest.db differ")
	}
	samePlist(t, theirs, ours, "Status.plist", "Date", "UUID")
	// The keybag of every full backup has new random keys.
	samePlist(t, theirs, ours, "Manifest.plist", "Date", "BackupKeyBag")
	// GUID is random. Product Name is what Apple's hosts write and idevicebackup2 does not.
	samePlist(t, theirs, ours, "Info.plist", "Last Backup Date", "GUID", "Product Name")
}

func sums(t *testing.T, dir string) map[string]string {
	t.Helper()
	m := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			m[rel] = "folder"
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(b)
		m[rel] = hex.EncodeToString(sum[:])
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// missing lists the keys of a that b lacks.
func missing(a, b map[string]string) (keys []string) {
	for _, k := range slices.Sorted(maps.Keys(a)) {
		if _, ok := b[k]; !ok {
			keys = append(keys, k)
		}
	}
	return keys
}

func manifestRows(t *testing.T, dir string) string {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "Manifest.db")+"?mode=ro&immutable=1")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query("SELECT fileID || domain || relativePath || flags || hex(file) FROM Files ORDER BY fileID")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all strings.Builder
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		all.WriteString(s + "\n")
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if all.Len() < 10000 {
		t.Fatalf("%s: hardly any rows", dir)
	}
	return all.String()
}

// samePlist compares two property lists but for the keys in except.
func samePlist(t *testing.T, a, b, file string, except ...string) {
	t.Helper()
	var x, y map[string]any
	for dir, v := range map[string]*map[string]any{a: &x, b: &y} {
		data, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		if err := plist.Unmarshal(data, v); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	}
	for _, k := range except {
		delete(x, k)
		delete(y, k)
	}
	for k := range x {
		want, err := plist.Marshal(x[k], plist.XML)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := y[k]; !ok {
			t.Errorf("%s: ours lacks %q", file, k)
			continue
		}
		got, err := plist.Marshal(y[k], plist.XML)
		if err != nil {
			t.Fatal(err)
		}
		if string(want) != string(got) {
			t.Errorf("%s: %q differs\ntheirs %.300s\nours   %.300s", file, k, want, got)
		}
	}
	for k := range y {
		if _, ok := x[k]; !ok {
			t.Errorf("%s: only ours has %q", file, k)
		}
	}
}

// A folder made by one is restored by the other, encrypted or not.
func TestOursAgainstTheirs_restoreEachOther(t *testing.T) {
	for _, encrypted := range []bool{false, true} {
		for _, oursFirst := range []bool{false, true} {
			t.Run(name("encrypted=", encrypted, ",ours_makes=", oursFirst), func(t *testing.T) {
				t.Parallel()
				p := start(t)
				dir := t.TempDir()
				var password secret.BackupPassword
				args := []string{"restore", "--system", "--settings", "--remove"}
				if encrypted {
					password = secret.NewBackupPassword("both know it")
					if err := backup.SetEncryption(context.Background(), p.ours(), secret.BackupPassword{}, password, silent{}); err != nil {
						t.Fatal(err)
					}
					args = append([]string{"--password", password.Reveal()}, args...)
				}
				// Each also continues what the other began.
				if oursFirst {
					p.ourBackup(dir)
					p.use(1)
					p.backup(dir)
					p.use(1)
					p.ourBackup(dir)
				} else {
					p.backup(dir)
					p.use(1)
					p.ourBackup(dir)
					p.use(1)
					p.backup(dir)
				}
				want := p.digest()
				apps := p.apps()
				p.erase()
				p.run("idevicepair", "pair")
				if oursFirst {
					p.restore(dir, args...)
				} else {
					p.ourRestore(dir, restore.Options{Password: password})
				}
				sameDigest(t, want, p.digest())
				// The phone can fetch the apps that have a licence in the backup.
				if got := p.apps(); !slices.Equal(got, apps) {
					t.Errorf("apps are %q, want %q", got, apps)
				}
			})
		}
	}
}
