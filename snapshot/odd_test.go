package snapshot_test

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/keybag"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/snapshot"
)

// A Manifest.db that some tool encrypted otherwise is kept as it is.
func TestBuild_manifestRaw(t *testing.T) {
	t.Parallel()
	m := makeFolder(t, backupPassword, usual()...)
	name := filepath.Join(m.dir, "Manifest.db")
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, append(data, "a block too much"...), 0o600); err != nil {
		t.Fatal(err)
	}
	r := newRepository(t, nil)
	s := begin(t, r)
	w, err := s.Writer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	in := m.folder().input(t, s, w)
	stored := append(bytes.Clone(data), "a block too much"...)
	in.ManifestStored, in.ManifestStoredSize = bytes.NewReader(stored), int64(len(stored))
	if err := os.WriteFile(name, stored, 0o600); err != nil {
		t.Fatal(err)
	}
	built, err := snapshot.Build(t.Context(), w, in, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !built.Meta().ManifestRaw {
		t.Error("it was not noticed")
	}
	sn, err := built.Commit(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	p := reopen(t, r, sn)
	sameFolder(t, p, m.dir)
	b, err := p.Backup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if n, err := b.Count(t.Context()); err != nil || n == 0 {
		t.Errorf("%d rows, %v", n, err)
	}
}

// Rows that cannot be read harm no others, and their files stay.
func TestBuild_faultyRows(t *testing.T) {
	t.Parallel()
	m := makeFolder(t, secret.BackupPassword{}, append(usual(), file("HomeDomain", "faulty", "content of a faulty row"))...)
	db, err := sql.Open("sqlite", filepath.Join(m.dir, "Manifest.db"))
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		`UPDATE Files SET file = x'00' WHERE relativePath = 'faulty'`,
		`INSERT INTO Files VALUES ('no file ID', 'HomeDomain', 'x', 1, x'00')`,
		`INSERT INTO Files SELECT '` + strings.Repeat("1", 40) + `', NULL, NULL, 16, NULL`,
		`INSERT INTO Files SELECT '` + strings.Repeat("2", 40) + `', 'HomeDomain', '../../etc/passwd', 1, file FROM Files WHERE relativePath = 'Library/empty'`,
	} {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	r := newRepository(t, nil)
	f := m.folder()
	a := f.build(t, begin(t, r))
	sameFolder(t, a, m.dir)
	meta := a.Meta()
	if meta.Faulty != 4 || len(meta.Exceptions) != 1 || meta.Exceptions[0].Why != snapshot.WhyRow {
		t.Errorf("%+v", meta)
	}
	sameIndex(t, a)
	f.parent, f.only = a, map[itunesbackup.FileID]bool{}
	if b := f.build(t, begin(t, r)); b.Tree() != a.Tree() {
		t.Error("the same again is another tree")
	}
}

// A key that does not open leaves its file as it is.
func TestBuild_foreignKey(t *testing.T) {
	t.Parallel()
	m := makeFolder(t, backupPassword, usual()...)
	r := newRepository(t, nil)
	s := begin(t, r)
	w, err := s.Writer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	in := m.folder().input(t, s, w)
	id := itunesbackup.MakeFileID("CameraRollDomain", "Media/large.bin")
	editInput(t, &in, id, func(rec *itunesbackup.Record) { rec.File.EncryptionKey[20] ^= 1 })
	stored := m.folder().read(t, id.Path())
	contents := in.Contents
	in.Contents = func(x itunesbackup.FileID) (snapshot.Content, bool) {
		if x == id {
			return save(t, w, "large.bin", keybag.Key{}, stored), true
		}
		return contents(x)
	}
	built, err := snapshot.Build(t.Context(), w, in, nil)
	if err != nil {
		t.Fatal(err)
	}
	sn, err := built.Commit(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	p := reopen(t, r, sn)
	if x := p.Meta().Exceptions; len(x) != 1 || x[0].Why != snapshot.WhyKey || !x[0].Raw || x[0].ID != id {
		t.Errorf("%+v", x)
	}
	f, err := p.Folder(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := fs.ReadFile(f, id.Path()); err != nil || !bytes.Equal(got, stored) {
		t.Errorf("other bytes, %v", err)
	}
	if _, err := fs.ReadFile(p.FS(t.Context()), "CameraRollDomain/Media/large.bin"); !errors.Is(err, keybag.ErrWrongKey) {
		t.Error(err)
	}
	sameIndex(t, p)
}

func TestBuild_refused(t *testing.T) {
	t.Parallel()
	m := makeFolder(t, backupPassword, usual()...)
	r := newRepository(t, nil)
	s := begin(t, r)
	w, err := s.Writer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	good := m.folder().input(t, s, w)
	bag, err := keybag.New(t.Context(), keybag.Options{Encrypted: true, Password: backupPassword, Rounds: 1, Iterations: 1})
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := snapshot.KeysOf(bag, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		change func(*snapshot.Input)
		want   string
	}{
		{"no keys", func(in *snapshot.Input) { in.Keys = nil }, "no keys"},
		{"keys of another phone", func(in *snapshot.Input) { in.Keys = &foreign }, "wrapped key does not open"},
		{"no time", func(in *snapshot.Input) { in.Time = time.Time{} }, "no time"},
		{"no list", func(in *snapshot.Input) { in.ManifestPlist = []byte("?") }, "Manifest.plist"},
		{"ciphertext", func(in *snapshot.Input) { in.Manifest, in.ManifestSize = in.ManifestStored, in.ManifestStoredSize }, "no SQLite"},
		{"hostile UDID", func(in *snapshot.Input) { in.UDID = "../../x" }, "letters"},
		{"sealed without files", func(in *snapshot.Input) { in.Sealed = true }, "which files"},
		{"decrypted and sealed", func(in *snapshot.Input) { in.Sealed, in.Stored = true, each(m.folder().ids(t)) }, "decrypted"},
		{"too few bytes", func(in *snapshot.Input) {
			contents := in.Contents
			in.Contents = func(id itunesbackup.FileID) (snapshot.Content, bool) {
				c, ok := contents(id)
				c.Stored += 16
				return c, ok
			}
		}, "were stored"},
	} {
		in := good
		test.change(&in)
		if _, err := snapshot.Build(t.Context(), w, in, nil); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	a := m.folder().build(t, begin(t, r))
	in := good
	in.Parent, in.UDID = a, "another"
	if _, err := snapshot.Build(t.Context(), w, in, nil); err == nil || !strings.Contains(err.Error(), "of the phone") {
		t.Error(err)
	}
}

// Folders of more than 50,000 entries are bounded, and lose nothing.
func TestBuild_crowded(t *testing.T) {
	t.Parallel()
	const many = 50_020
	name := filepath.Join(t.TempDir(), "Manifest.db")
	db, err := itunesbackup.CreateManifest(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	var list []itunesbackup.Record
	add := func(path string, dir bool) {
		r := itunesbackup.Record{Domain: "MediaDomain", RelativePath: path, Flags: itunesbackup.FlagFile, File: itunesbackup.MBFile{Mode: 0o100644, Inode: 1, Size: 3}}
		if dir {
			r.Flags, r.File.Mode = itunesbackup.FlagDirectory, 0o040755
		}
		list = append(list, r)
	}
	add("", true)
	add("crowd", true)
	for i := range many {
		add(fmt.Sprintf("crowd/%06d", i), false)
	}
	if err := db.Put(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	plist, err := itunesbackup.ManifestPlist{Version: "10.0", Lockdown: map[string]any{"UniqueDeviceID": madeUDID}}.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	r := newRepository(t, nil)
	s := begin(t, r)
	w, err := s.Writer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	c := save(t, w, "three", keybag.Key{}, []byte("abc"))
	in := snapshot.Input{Session: s, Manifest: bytes.NewReader(data), ManifestSize: int64(len(data)), ManifestPlist: plist, UDID: madeUDID,
		Contents: func(itunesbackup.FileID) (snapshot.Content, bool) { return c, true }}
	in.Time = time.Unix(1_777_000_000, 0)
	built, err := snapshot.Build(t.Context(), w, in, nil)
	if err != nil {
		t.Fatal(err)
	}
	sn, err := built.Commit(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	p := reopen(t, r, sn)
	if n := len(p.Meta().Exceptions); n != many-50_000 {
		t.Errorf("%d exceptions", n)
	}
	names, err := fs.ReadDir(p.FS(t.Context()), "MediaDomain/crowd")
	if err != nil || len(names) != many {
		t.Errorf("%d names, %v", len(names), err)
	}
	if got, err := fs.ReadFile(p.FS(t.Context()), fmt.Sprintf("MediaDomain/crowd/%06d", many-1)); err != nil || string(got) != "abc" {
		t.Errorf("%q, %v", got, err)
	}
	sameIndex(t, p)
}

// An index that is lost is made anew.
func TestIndex_rebuilt(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			m := makeFolder(t, kind.password, usual()...)
			r := newRepository(t, nil)
			s := begin(t, r)
			p := m.folder().build(t, s)
			x, err := p.Index(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			// The index without its blob, as if a pack were gone.
			bare := rewrite(t, begin(t, r), p, "_ios/index", func(n *format.Node) { n.Content[0][0] ^= 1 })
			y, err := bare.Index(t.Context())
			if err != nil || !bytes.Equal(x.Records(), y.Records()) {
				t.Errorf("rebuilt: %v", err)
			}
			sameFolder(t, bare, m.dir)
		})
	}
}

// Stock restic lists, checks and restores a phone.
func TestRestic(t *testing.T) {
	t.Parallel()
	m := makeFolder(t, backupPassword, usual()...)
	dir := filepath.Join(t.TempDir(), "repository")
	var be backend.Backend = newLocal(t, dir)
	p := m.folder().build(t, begin(t, newRepository(t, be)))
	restic := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), "restic", append([]string{"--no-cache", "-r", dir}, args...)...)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "RESTIC_PASSWORD=" + repositoryPassword}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("restic %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	restic("--no-lock", "check", "--read-data")
	id := p.Info().ID.String()
	list := restic("--no-lock", "ls", id)
	for _, name := range []string{"/HomeDomain/Library/Notes/a.txt", "/CameraRollDomain/Media/über — 写真.txt", "/_ios/Manifest.db", "/_ios/keepsake.json", "/_ios/index"} {
		if !strings.Contains(list, "/"+madeUDID+name+"\n") {
			t.Errorf("%s is not in\n%s", name, list)
		}
	}
	if out := restic("--no-lock", "snapshots"); !strings.Contains(out, "keepsake") || !strings.Contains(out, "udid:"+madeUDID) {
		t.Error(out)
	}
	to := t.TempDir()
	restic("--no-lock", "restore", id, "--target", to)
	got, err := os.ReadFile(filepath.Join(to, madeUDID, "HomeDomain/Library/Notes/a.txt"))
	if err != nil || string(got) != "first note" {
		t.Errorf("%q, %v", got, err)
	}
	if target, err := os.Readlink(filepath.Join(to, madeUDID, "HomeDomain/Library/link")); err != nil || target != "Notes/a.txt" {
		t.Errorf("%q, %v", target, err)
	}
}
