package snapshot_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/keybag"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/snapshot"
)

const madeUDID = "00008030-001122334455667A"

// madeRow is a row of a folder that is made for a test; what is stored of it is
// made of content unless stored says.
type madeRow struct {
	domain, path string
	content      string
	target       string // a link
	dir          bool
	modTime      int64
	stored       func(ciphertext []byte) []byte
	mode         uint32
}

// made is an iTunes folder without a phone.
type made struct {
	t        testing.TB
	dir      string
	password secret.BackupPassword
	bag      *keybag.Keybag
}

// make writes a folder of these rows.
func makeFolder(t testing.TB, password secret.BackupPassword, rows ...madeRow) *made {
	t.Helper()
	return makeAnother(t, password, nil, rows...)
}

// makeAnother is makeFolder with the keybag of another one.
func makeAnother(t testing.TB, password secret.BackupPassword, bag *keybag.Keybag, rows ...madeRow) *made {
	t.Helper()
	m := &made{t: t, dir: filepath.Join(t.TempDir(), "folder"), password: password, bag: bag}
	if err := os.Mkdir(m.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	o := itunesbackup.WriterOptions{
		Manifest: itunesbackup.ManifestPlist{Date: time.Unix(1_777_000_000, 0), SystemDomainsVersion: "24.0",
			Lockdown: map[string]any{"UniqueDeviceID": madeUDID, "DeviceName": "Anna's iPhone", "ProductType": "iPhone12,1", "ProductVersion": "26.1", "BuildVersion": "23B85"}},
		Info:   &itunesbackup.InfoPlist{DeviceName: "Anna's iPhone", ProductVersion: "26.1"},
		Status: itunesbackup.StatusPlist{UUID: "0F0E0D0C-0000-4000-8000-0A0B0C0D0E0F", Date: time.Unix(1_777_000_000, 0)},
		Rand:   fixedRandom(),
	}
	if !password.IsZero() {
		if m.bag == nil {
			var err error
			if m.bag, err = keybag.New(t.Context(), keybag.Options{Encrypted: true, Password: password, Rounds: 1, Iterations: 1, Rand: fixedRandom()}); err != nil {
				t.Fatal(err)
			}
		}
		o.Keybag = m.bag
	}
	w, err := itunesbackup.NewWriter(t.Context(), m.dir, o)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	for _, r := range rows {
		rec := itunesbackup.Record{Domain: r.domain, RelativePath: r.path, Flags: itunesbackup.FlagFile,
			File: itunesbackup.MBFile{Mode: 0o100644, Inode: 1, UserID: 501, GroupID: 501, LastModified: 1_776_000_000 + r.modTime, Birth: 1, Size: int64(len(r.content)), ProtectionClass: keybag.ClassCompleteUntilFirstAuth, Target: r.target}}
		switch {
		case r.dir:
			rec.Flags, rec.File.Mode = itunesbackup.FlagDirectory, 0o040755
		case r.target != "":
			rec.Flags, rec.File.Mode = itunesbackup.FlagSymlink, 0o120755
		}
		if r.mode != 0 {
			rec.File.Mode = r.mode
		}
		if rec.Flags != itunesbackup.FlagFile {
			err = w.AddEntry(t.Context(), rec)
		} else {
			err = w.AddFile(t.Context(), rec, strings.NewReader(r.content))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if r.stored != nil {
			m.change(r.domain, r.path, r.stored)
		}
	}
	return m
}

// fixedRandom gives the same bytes each time, so that keys of unchanged files stay.
func fixedRandom() io.Reader {
	block, err := aes.NewCipher(make([]byte, 16))
	if err != nil {
		panic(err)
	}
	return cipher.StreamReader{S: cipher.NewCTR(block, make([]byte, 16)), R: zeros{}}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// change replaces what is stored of a file; nil removes it.
func (m *made) change(domain, path string, by func([]byte) []byte) {
	m.t.Helper()
	name := filepath.Join(m.dir, itunesbackup.MakeFileID(domain, path).Path())
	data, err := os.ReadFile(name)
	if err != nil {
		m.t.Fatal(err)
	}
	if data = by(data); data == nil {
		err = os.Remove(name)
	} else {
		err = os.WriteFile(name, data, 0o600)
	}
	if err != nil {
		m.t.Fatal(err)
	}
}

// edit changes Manifest.db of a folder that is not encrypted.
func (m *made) edit(fn func(*itunesbackup.Manifest)) {
	m.t.Helper()
	db, err := itunesbackup.EditManifest(m.t.Context(), filepath.Join(m.dir, "Manifest.db"))
	if err != nil {
		m.t.Fatal(err)
	}
	fn(db)
	if err := db.Close(); err != nil {
		m.t.Fatal(err)
	}
}

func (m *made) folder() folder { return folder{dir: m.dir, password: m.password} }

var kinds = []struct {
	name     string
	password secret.BackupPassword
}{{"plain", secret.BackupPassword{}}, {"encrypted", backupPassword}}

func file(domain, path, content string) madeRow {
	return madeRow{domain: domain, path: path, content: content}
}

func dirs(domain string, paths ...string) (rows []madeRow) {
	for _, p := range append([]string{""}, paths...) {
		rows = append(rows, madeRow{domain: domain, path: p, dir: true})
	}
	return rows
}

// usual is a small phone.
func usual() []madeRow {
	return append(append(dirs("HomeDomain", "Library", "Library/Notes"), dirs("CameraRollDomain", "Media")...),
		file("HomeDomain", "Library/Notes/a.txt", "first note"), file("HomeDomain", "Library/Notes/b.txt", strings.Repeat("sixteen bytes...", 4)),
		file("HomeDomain", "Library/empty", ""), file("HomeDomain", "Library/Notes.old", "old"),
		file("CameraRollDomain", "Media/large.bin", strings.Repeat("0123456789abcdef", 40_000)),
		file("CameraRollDomain", "Media/über — 写真.txt", "names are bytes"),
		madeRow{domain: "HomeDomain", path: "Library/link", target: "Notes/a.txt"})
}

func TestFS(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			m := makeFolder(t, kind.password, usual()...)
			p := m.folder().build(t, begin(t, newRepository(t, nil)))
			fsys := p.FS(t.Context())
			if err := fstest.TestFS(fsys, "HomeDomain/Library/Notes/a.txt", "CameraRollDomain/Media/large.bin", "HomeDomain/Library/empty"); err != nil {
				t.Error(err)
			}
			got, err := fs.ReadFile(fsys, "HomeDomain/Library/Notes/a.txt")
			if err != nil || string(got) != "first note" {
				t.Errorf("%q, %v", got, err)
			}
			target, err := fs.ReadLink(fsys, "HomeDomain/Library/link")
			if err != nil || target != "Notes/a.txt" {
				t.Errorf("%q, %v", target, err)
			}
			info, err := fs.Stat(fsys, "HomeDomain/Library/Notes/a.txt")
			if err != nil || info.Mode() != 0o644 || info.ModTime().Unix() != 1_776_000_000 || info.Size() != 10 {
				t.Errorf("%v, %v", info, err)
			}
			for _, name := range []string{"_ios", "_ios/keepsake.json", "HomeDomain/nothing"} {
				if _, err := fs.Stat(fsys, name); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s: %v", name, err)
				}
			}
			f, err := p.Folder(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			id := itunesbackup.MakeFileID("HomeDomain", "Library/Notes/a.txt")
			if err := fstest.TestFS(f, "Info.plist", "Manifest.plist", "Manifest.db", "Status.plist", id.Path()); err != nil {
				t.Error(err)
			}
			sameFolder(t, p, m.dir)
			if r := verify(t, p, kind.password); !r.OK() {
				t.Error(r.Problems)
			}
		})
	}
}

// What reads parts, from anywhere, gets the same as who reads it all.
func TestFolder_readAt(t *testing.T) {
	t.Parallel()
	m := makeFolder(t, backupPassword, usual()...)
	p := m.folder().build(t, begin(t, newRepository(t, nil)))
	f, err := p.Folder(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	name := itunesbackup.MakeFileID("CameraRollDomain", "Media/large.bin").Path()
	want, err := os.ReadFile(filepath.Join(m.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	open := func() fs.File {
		file, err := f.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		return file
	}
	for _, offset := range []int{600_000, 17, 300_001, len(want) - 5, 0} {
		got := make([]byte, 1000)
		n, err := open().(io.ReaderAt).ReadAt(got, int64(offset))
		if rest := len(want) - offset; n != min(rest, len(got)) || (err == io.EOF) != (rest < len(got)) || !bytes.Equal(got[:n], want[offset:offset+n]) {
			t.Errorf("%d bytes at %d: %v", n, offset, err)
		}
	}
	var all bytes.Buffer
	if n, err := open().(io.WriterTo).WriteTo(&all); err != nil || n != int64(len(want)) || !bytes.Equal(all.Bytes(), want) {
		t.Errorf("WriteTo: %d, %v", n, err)
	}
	file := open()
	head := make([]byte, 100_001)
	if _, err := io.ReadFull(file, head); err != nil {
		t.Fatal(err)
	}
	all.Reset()
	if n, err := file.(io.WriterTo).WriteTo(&all); err != nil || !bytes.Equal(append(head, all.Bytes()...), want) {
		t.Errorf("the rest: %d, %v", n, err)
	}
	if _, err := file.(io.Seeker).Seek(-5, io.SeekEnd); err != nil {
		t.Fatal(err)
	}
	if tail, err := io.ReadAll(file); err != nil || !bytes.Equal(tail, want[len(want)-5:]) {
		t.Errorf("tail: %v, %v", tail, err)
	}
}

// noPadding changes the last byte, so that the ciphertext decrypts to no padding.
func noPadding(b []byte) []byte { b[len(b)-1] ^= 0x55; return b }

func emptied([]byte) []byte  { return []byte{} }
func cutBy3(b []byte) []byte { return b[:len(b)-3] }
func removed([]byte) []byte  { return nil }

// Whatever does not fit into a tree, or does not encrypt to what it was, is there
// all the same.
func TestBuild_exceptions(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("n", 256)
	rows := append(dirs("AppDomain-org.example", "both", long),
		madeRow{domain: "AppDomain-org.example", path: "padding", content: "odd padding after whole blocks", stored: noPadding},
		madeRow{domain: "AppDomain-org.example", path: "cut", content: "cut short", stored: cutBy3},
		madeRow{domain: "AppDomain-org.example", path: "none", stored: emptied},
		file("AppDomain-org.example", long+"/file", "in a long folder"),
		file("AppDomain-org.example", strings.Repeat("é", 128), "256 bytes of name"),
		file("AppDomain-org.example", strings.Repeat("é", 127), "254 bytes of name"),
		file("AppDomain-org.example", "both/below", "a file below a file"),
		file("_ios", "keepsake.json", "not ours"),
		madeRow{domain: "AppDomain-org.example", path: "fifo", content: "?", mode: 0o010644},
		madeRow{domain: "AppDomain-org.example", path: "future", content: "later", modTime: 1 << 46})
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			rows := slices.Clone(rows)
			if kind.password.IsZero() {
				for i := range rows {
					rows[i].stored = nil
				}
			}
			m := makeFolder(t, kind.password, rows...)
			stray := itunesbackup.MakeFileID("of", "nobody")
			if err := os.MkdirAll(filepath.Join(m.dir, stray.Shard()), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(m.dir, stray.Path()), []byte("stray"), 0o600); err != nil {
				t.Fatal(err)
			}
			if kind.password.IsZero() {
				m.edit(func(db *itunesbackup.Manifest) { // a file with the name of a folder
					r := itunesbackup.Record{ID: itunesbackup.MakeFileID("AppDomain-org.example", "padding2"), Domain: "AppDomain-org.example", RelativePath: "both", Flags: itunesbackup.FlagFile,
						File: itunesbackup.MBFile{Mode: 0o100644, Inode: 9}}
					if err := db.Put(t.Context(), []itunesbackup.Record{r}); err != nil {
						t.Fatal(err)
					}
					writeStored(t, m.dir, r.ID, "taken")
				})
			}
			r := newRepository(t, nil)
			f := m.folder()
			f.stored = true
			a := f.build(t, begin(t, r))
			sameFolder(t, a, m.dir)
			got := map[string]snapshot.Reason{}
			for _, x := range a.Meta().Exceptions {
				got[x.Path] = x.Why
			}
			want := map[string]snapshot.Reason{
				"AppDomain-org.example/" + long + "/file":           snapshot.WhyName,
				"AppDomain-org.example/" + strings.Repeat("é", 128): snapshot.WhyName,
				"_ios/keepsake.json":                                snapshot.WhyName,
				"":                                                  snapshot.WhyUnlisted,
			}
			if kind.password.IsZero() {
				want["AppDomain-org.example/both"] = snapshot.WhyTaken
			} else {
				for _, name := range []string{"padding", "cut", "none"} {
					want["AppDomain-org.example/"+name] = snapshot.WhySeal
				}
			}
			if !maps.Equal(got, want) {
				t.Errorf("exceptions: %v\nwant %v", got, want)
			}
			fsys := a.FS(t.Context())
			if err := fstest.TestFS(fsys, "AppDomain-org.example/"+strings.Repeat("é", 128), "AppDomain-org.example/"+long+"/file", "_ios/keepsake.json", "AppDomain-org.example/both/below"); err != nil {
				t.Error(err)
			}
			if got, err := fs.ReadFile(fsys, "_ios/keepsake.json"); err != nil || string(got) != "not ours" {
				t.Errorf("%q, %v", got, err)
			}
			if !kind.password.IsZero() {
				if got, err := fs.ReadFile(fsys, "AppDomain-org.example/padding"); err != nil || !strings.HasPrefix(string(got), "odd padding") {
					t.Errorf("%q, %v", got, err)
				}
			}
			f.parent, f.only = a, map[itunesbackup.FileID]bool{}
			b := f.build(t, begin(t, r))
			sameFolder(t, b, m.dir)
			if a.Tree() != b.Tree() {
				t.Error("the same again is another tree")
			}
			sameIndex(t, b)
			noDamage(t, r)
		})
	}
}

func writeStored(t testing.TB, dir string, id itunesbackup.FileID, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, id.Shard()), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, id.Path()), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// sameIndex wants the rebuilt index to be the stored one.
func sameIndex(t testing.TB, p *snapshot.Snapshot) {
	t.Helper()
	stored, err := p.Index(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rebuilt, err := p.RebuildIndex(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(stored.Records(), rebuilt.Records()) {
		t.Errorf("the rebuilt index has %d files, the stored one %d, or they differ otherwise", rebuilt.Len(), stored.Len())
	}
}

func TestBuild_incomplete(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			m := makeFolder(t, kind.password, usual()...)
			id := itunesbackup.MakeFileID("HomeDomain", "Library/Notes/a.txt")
			r := newRepository(t, nil)
			s := begin(t, r)
			m.change("HomeDomain", "Library/Notes/b.txt", func(b []byte) []byte { b[0] ^= 1; return b })
			m.change("HomeDomain", "Library/Notes/a.txt", removed)
			_, err := m.folder().try(t, s)
			var incomplete *snapshot.IncompleteError
			if !errors.As(err, &incomplete) || incomplete.Total != 2 || len(incomplete.Files) != 2 {
				t.Fatalf("%v", err)
			}
			if list, err := snapshot.List(t.Context(), s); err != nil || len(list) != 0 {
				t.Errorf("published: %v, %v", list, err)
			}
			f := m.folder()
			f.unread = map[itunesbackup.FileID]string{id: "Operation not permitted", itunesbackup.MakeFileID("HomeDomain", "Library/Notes/b.txt"): "damaged"}
			p := f.build(t, s)
			sameFolder(t, p, m.dir)
			if got := p.Meta().Unread; len(got) != 2 || got[0].Path != "HomeDomain/Library/Notes/a.txt" || got[0].Why != "Operation not permitted" {
				t.Errorf("unread: %+v", got)
			}
			rep := verify(t, p, kind.password)
			found := false
			for _, problem := range rep.Problems {
				found = found || problem.Path == "HomeDomain/Library/Notes/a.txt" && strings.Contains(problem.What, "missing")
			}
			if rep.OK() || !found {
				t.Errorf("verify does not miss it: %v", rep.Problems)
			}
			sameIndex(t, p)
		})
	}
}

// A file that is not sent must be what the list says.
func TestBuild_inherit(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			r := newRepository(t, nil)
			m := makeFolder(t, kind.password, usual()...)
			a := m.folder().build(t, begin(t, r))
			rows := usual()
			for i := range rows {
				if rows[i].path == "Library/Notes/a.txt" {
					rows[i].content, rows[i].modTime = "second note", 5
				}
			}
			rows = append(rows, file("HomeDomain", "Library/Notes/c.txt", "new"))
			m2 := makeAnother(t, kind.password, m.bag, rows...)
			f := m2.folder()
			f.parent = a
			f.only = map[itunesbackup.FileID]bool{itunesbackup.MakeFileID("HomeDomain", "Library/Notes/a.txt"): true, itunesbackup.MakeFileID("HomeDomain", "Library/Notes/c.txt"): true}
			b := f.build(t, begin(t, r))
			sameFolder(t, b, m2.dir)
			sameIndex(t, b)

			var changes []snapshot.Change
			d, err := snapshot.Diff(t.Context(), a, b, func(c snapshot.Change) error { changes = append(changes, c); return nil })
			if err != nil {
				t.Fatal(err)
			}
			want := []snapshot.Change{{Path: "HomeDomain/Library/Notes/a.txt", Action: snapshot.Changed, Before: 10, After: 11},
				{Path: "HomeDomain/Library/Notes/c.txt", Action: snapshot.Added, After: 3}}
			if !slices.Equal(changes, want) || d.Changed != 1 || d.AddedBytes != 3 || len(d.Domains) != 1 || d.Domains[0].Domain != "HomeDomain" {
				t.Errorf("%v, %+v", changes, d)
			}

			f.only = map[itunesbackup.FileID]bool{}
			var incomplete *snapshot.IncompleteError
			if _, err := f.try(t, begin(t, r)); !errors.As(err, &incomplete) || incomplete.Total != 2 {
				t.Errorf("a.txt and c.txt did not come: %v", err)
			}
		})
	}
}

// Sealed and back: neither loses a byte.
func TestSealed(t *testing.T) {
	t.Parallel()
	m := makeFolder(t, backupPassword, append(usual(), madeRow{domain: "HomeDomain", path: "odd", content: "odd padding", stored: noPadding})...)
	m.change("HomeDomain", "odd", noPadding) // and back: its digest is right
	r := newRepository(t, nil)
	f := m.folder()
	f.sealed = true
	a := f.build(t, begin(t, r))
	sameFolder(t, a, m.dir)
	sameIndex(t, a)
	if !a.Info().Sealed || !a.Meta().Sealed || !a.Meta().Keys.IsZero() {
		t.Errorf("%+v", a.Info())
	}
	fsys := a.FS(t.Context())
	if _, err := fs.ReadDir(fsys, "."); !errors.Is(err, snapshot.ErrSealed) {
		t.Errorf("sealed: %v", err)
	}
	if _, err := a.Manifest(t.Context()); !errors.Is(err, snapshot.ErrSealed) {
		t.Errorf("sealed: %v", err)
	}
	if err := a.Unlock(t.Context(), secret.NewBackupPassword("another")); !errors.Is(err, keybag.ErrWrongPassword) {
		t.Error(err)
	}
	if err := a.Unlock(t.Context(), backupPassword); err != nil {
		t.Fatal(err)
	}
	if got, err := fs.ReadFile(fsys, "HomeDomain/Library/Notes/a.txt"); err != nil || string(got) != "first note" {
		t.Errorf("%q, %v", got, err)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}

	f.sealed, f.parent, f.only = false, a, map[itunesbackup.FileID]bool{}
	b := f.build(t, begin(t, r))
	sameFolder(t, b, m.dir)
	sameIndex(t, b)
	whole := m.folder().build(t, begin(t, r))
	if b.Tree() != whole.Tree() {
		t.Error("unsealed, it is another tree than if it had never been sealed")
	}

	f.sealed, f.parent = true, b
	c := f.build(t, begin(t, r))
	sameFolder(t, c, m.dir)
	f.parent = a
	if d := f.build(t, begin(t, r)); d.Tree() != a.Tree() {
		t.Error("sealed again, it is another tree")
	}
	noDamage(t, r)
}

// What a repository has lost is named, by all who need it.
func TestLost(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			m := makeFolder(t, kind.password, usual()...)
			r := newRepository(t, nil)
			whole := m.folder().build(t, begin(t, r))
			const name = "HomeDomain/Library/Notes/a.txt"
			p := rewrite(t, begin(t, r), whole, name, func(n *format.Node) { n.Content[0][0] ^= 1 })
			f, err := p.Folder(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var missing *repository.MissingError
			if _, err := fs.ReadFile(f, itunesbackup.MakeFileID("HomeDomain", "Library/Notes/a.txt").Path()); !errors.As(err, &missing) {
				t.Errorf("read: %v", err)
			}
			rep := verify(t, p, kind.password)
			if named := slices.ContainsFunc(rep.Problems, func(p itunesbackup.Problem) bool { return p.Severity == itunesbackup.Failure && p.Path == name }); rep.OK() || !named {
				t.Errorf("verify: %v", rep.Problems)
			}
			next := m.folder()
			next.parent, next.only = p, map[itunesbackup.FileID]bool{}
			var incomplete *snapshot.IncompleteError
			if _, err := next.try(t, begin(t, r)); !errors.As(err, &incomplete) || incomplete.Total != 1 || incomplete.Files[0].Path != name {
				t.Errorf("built on it: %v", err)
			}
			next.only = nil
			sameFolder(t, next.build(t, begin(t, r)), m.dir)
		})
	}
}

// rewrite makes a copy of a snapshot in which one node is another.
func rewrite(t *testing.T, s *repository.Session, p *snapshot.Snapshot, name string, change func(*format.Node)) *snapshot.Snapshot {
	t.Helper()
	w, err := s.Writer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	var replace func(tree format.ID, parts []string) format.ID
	replace = func(tree format.ID, parts []string) format.ID {
		nodes, err := s.Tree(t.Context(), tree)
		if err != nil {
			t.Fatal(err)
		}
		n, ok := nodes.Find(parts[0])
		if !ok {
			t.Fatalf("there is no %s", name)
		}
		if len(parts) > 1 {
			below := replace(*n.Subtree, parts[1:])
			n.Subtree = &below
		} else {
			change(n)
		}
		id, err := w.SaveTree(t.Context(), nodes)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	sn := p.Info().Snapshot.Snapshot
	root := replace(*sn.Tree, append([]string{p.Info().UDID}, strings.Split(name, "/")...))
	sn.Tree = &root
	id, err := w.Commit(t.Context(), &sn)
	if err != nil {
		t.Fatal(err)
	}
	return reopen(t, s.Repository(), repository.Snapshot{ID: id, Snapshot: sn})
}

// A file that is not sent may have its key wrapped anew, but not another key.
func TestBuild_keyWrappedAnew(t *testing.T) {
	t.Parallel()
	m := makeFolder(t, backupPassword, usual()...)
	r := newRepository(t, nil)
	a := m.folder().build(t, begin(t, r))
	for _, path := range []string{"CameraRollDomain/Media/large.bin", "HomeDomain/Library/Notes/a.txt"} {
		domain, rel, _ := strings.Cut(path, "/")
		id := itunesbackup.MakeFileID(domain, rel)
		for _, test := range []struct {
			name   string
			change func(t *testing.T, f *itunesbackup.MBFile)
			ok     bool
		}{
			{"another class", func(t *testing.T, f *itunesbackup.MBFile) {
				w, err := keybag.ParseWrappedKey(f.EncryptionKey)
				if err != nil {
					t.Fatal(err)
				}
				key, err := m.bag.Unwrap(w)
				if err != nil {
					t.Fatal(err)
				}
				if w, err = m.bag.Wrap(keybag.ClassNone, key); err != nil {
					t.Fatal(err)
				}
				f.EncryptionKey, f.ProtectionClass = w.Bytes(), keybag.ClassNone
			}, true},
			{"another key", func(t *testing.T, f *itunesbackup.MBFile) {
				key, err := keybag.RandomKey(nil)
				if err != nil {
					t.Fatal(err)
				}
				w, err := m.bag.Wrap(keybag.ClassNone, key)
				if err != nil {
					t.Fatal(err)
				}
				f.EncryptionKey = w.Bytes()
				if f.Digest != nil {
					f.Digest[0] ^= 1
				}
			}, false},
		} {
			t.Run(test.name+" "+path, func(t *testing.T) {
				s := begin(t, r)
				w, err := s.Writer(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				defer w.Close()
				f := m.folder()
				f.parent, f.only = a, map[itunesbackup.FileID]bool{}
				in := f.input(t, s, w)
				editInput(t, &in, id, func(rec *itunesbackup.Record) { test.change(t, &rec.File) })
				built, err := snapshot.Build(t.Context(), w, in, nil)
				if !test.ok {
					var incomplete *snapshot.IncompleteError
					if !errors.As(err, &incomplete) || incomplete.Total != 1 || incomplete.Files[0].Path != path {
						t.Errorf("%v", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				sn, err := built.Commit(t.Context(), w)
				if err != nil {
					t.Fatal(err)
				}
				p := reopen(t, r, sn)
				folder, err := p.Folder(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if got, err := fs.ReadFile(folder, id.Path()); err != nil || !bytes.Equal(got, m.folder().read(t, id.Path())) {
					t.Errorf("other bytes, %v", err)
				}
				if rep := verify(t, p, backupPassword); !rep.OK() {
					t.Error(rep.Problems)
				}
			})
		}
	}
}

// editInput changes a row of the phone's list.
func editInput(t *testing.T, in *snapshot.Input, id itunesbackup.FileID, change func(*itunesbackup.Record)) {
	t.Helper()
	plain, err := io.ReadAll(io.NewSectionReader(in.Manifest, 0, in.ManifestSize))
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "Manifest.db")
	if err := os.WriteFile(name, plain, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := itunesbackup.EditManifest(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	rec, ok, err := db.Get(t.Context(), id)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	change(&rec)
	if err := db.Put(t.Context(), []itunesbackup.Record{rec}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if plain, err = os.ReadFile(name); err != nil {
		t.Fatal(err)
	}
	in.Manifest, in.ManifestSize, in.ManifestStored = bytes.NewReader(plain), int64(len(plain)), nil
}
