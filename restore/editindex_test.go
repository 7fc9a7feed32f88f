package restore

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/keepsake-backup/keepsake/itunesbackup"
)

// manifestBackup makes a folder with nothing but an index in it, changed by statements.
func manifestBackup(t *testing.T, statements ...string) (fstest.MapFS, *itunesbackup.Backup) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "Manifest.db")
	m, err := itunesbackup.CreateManifest(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	var rows []itunesbackup.Record
	for i, domain := range []string{"HomeDomain", "AppDomain-a.b", "AppDomain-a.b", "AppDomain-a.b.c"} {
		rows = append(rows, itunesbackup.Record{Domain: domain, RelativePath: string(rune('a' + i)), Flags: itunesbackup.FlagDirectory, File: itunesbackup.MBFile{Mode: 0o40755, Inode: int64(i + 1)}})
	}
	if err := errors.Join(m.Put(t.Context(), rows), m.Close()); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	list, err := itunesbackup.ManifestPlist{Version: itunesbackup.ManifestVersion}.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	fsys := fstest.MapFS{"Manifest.db": {Data: data}, "Manifest.plist": {Data: list}}
	b, err := itunesbackup.OpenFS(t.Context(), fsys)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return fsys, b
}

func TestEditedIndex(t *testing.T) {
	for name, statements := range map[string][]string{
		"plain": nil, "wanting a write-ahead log": {"PRAGMA journal_mode = WAL"}, "odd IDs": {"UPDATE Files SET fileID = 'x' WHERE domain = 'AppDomain-a.b' AND relativePath = 'b'"},
	} {
		t.Run(name, func(t *testing.T) {
			fsys, b := manifestBackup(t, statements...)
			x, err := openIndex(t.Context(), fsys, b, maxIndex)
			if err != nil {
				t.Fatal(err)
			}
			defer x.Close()
			domains, err := x.domains(t.Context())
			if diff := cmp.Diff(map[string]int64{"HomeDomain": 1, "AppDomain-a.b": 2, "AppDomain-a.b.c": 1}, domains); diff != "" || err != nil {
				t.Error(diff, err)
			}
			out := &LeftOut{ids: map[itunesbackup.FileID]struct{}{}}
			if err := errors.Join(x.dropDomain(t.Context(), "AppDomain-a.b", out), x.dropRow(t.Context(), "no such row", out)); err != nil || out.Rows != 2 {
				t.Errorf("%d rows dropped, %v", out.Rows, err)
			}
			if !out.has(itunesbackup.MakeFileID("AppDomain-a.b", "c")) {
				t.Error("a file is not hidden")
			}
			data, err := x.bytes(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			left, err := itunesbackup.OpenFS(t.Context(), &view{FS: fsys, changed: map[string][]byte{"Manifest.db": data}})
			if err != nil {
				t.Fatal(err)
			}
			defer left.Close()
			if n, err := left.Count(t.Context()); err != nil || n != 2 {
				t.Errorf("%d rows left, %v", n, err)
			}
			if v, err := left.Verify(t.Context(), itunesbackup.VerifyOptions{}); err != nil {
				t.Error(v, err)
			}
		})
	}
}

func TestOpenIndex_refused(t *testing.T) {
	fsys, b := manifestBackup(t)
	triggered, tb := manifestBackup(t, `CREATE TRIGGER t AFTER DELETE ON Files BEGIN DELETE FROM Files; END`)
	for name, c := range map[string]struct {
		fsys  fs.FS
		b     *itunesbackup.Backup
		limit int64
	}{
		"too large": {fsys, b, 4096},
		"triggers":  {triggered, tb, maxIndex},
		"a log":     {fstest.MapFS{"Manifest.db": fsys["Manifest.db"], "Manifest.db-wal": {Data: []byte("x")}}, b, maxIndex},
		"old":       {fstest.MapFS{}, b, maxIndex},
	} {
		x, err := openIndex(context.Background(), c.fsys, c.b, c.limit)
		var no *notPartialError
		if !errors.As(err, &no) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			x.Close()
		}
	}
}

func TestAppNames(t *testing.T) {
	n := newAppNames(itunesbackup.InfoPlist{InstalledApplications: []string{"a.b"}, Applications: map[string]any{"a.b.c": nil}},
		itunesbackup.ManifestPlist{Applications: map[string]any{
			"x.app": map[string]any{"ContainerContentClass": "Data/Application"}, "x.app.widget": map[string]any{"ContainerContentClass": "Data/PluginKitPlugin"}}},
		map[string]int64{"AppDomain-only.data": 1, "HomeDomain": 5})
	for domain, want := range map[string]string{
		"AppDomain-a.b": "a.b", "AppDomainPlugin-a.b.widget": "a.b", "AppDomainPlugin-a.b.c.widget": "a.b.c", "AppDomainPlugin-a.bc": "",
		"AppDomainGroup-group.a.b": "a.b", "AppDomainGroup-group.a.b.shared": "a.b", "AppDomainGroup-ABCDE12345.a.b.c": "a.b.c",
		"AppDomainGroup-ABCDE12345.group.a.b": "a.b", "AppDomainGroup-group.z": "", "AppDomainPlugin-x.app.widget": "x.app",
		"AppDomain-only.data": "only.data", "HomeDomain": "", "SysContainerDomain-a.b": "",
	} {
		if got := n.owner(domain); got != want {
			t.Errorf("%s belongs to %q, want %q", domain, got, want)
		}
	}
}
