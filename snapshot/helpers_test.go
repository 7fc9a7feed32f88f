package snapshot_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/keybag"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/local"
	"github.com/keepsake-backup/keepsake/repository/backend/memory"
	"github.com/keepsake-backup/keepsake/snapshot"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// backupPassword is that of every encrypted phone here.
var backupPassword = secret.NewBackupPassword("phone's own")

const repositoryPassword = "a repository"

// newRepository makes a repository in be, or in memory, whose password costs nothing.
func newRepository(t testing.TB, be backend.Backend) *repository.Repository {
	t.Helper()
	if be == nil {
		be = memory.New()
	}
	var o repository.InitOptions
	o.KDF.N, o.KDF.R, o.KDF.P = 1<<10, 8, 1
	o.Memory = 24 << 20
	r, err := repository.Init(t.Context(), be, secret.NewRepositoryPassword(repositoryPassword), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// newLocal is a folder for a repository.
func newLocal(t testing.TB, dir string) *local.Backend {
	t.Helper()
	be, err := local.Open(dir, local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := be.Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	return be
}

func begin(t testing.TB, r *repository.Repository) *repository.Session {
	t.Helper()
	s, err := r.Begin(t.Context(), repository.Shared, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// folder is an iTunes folder to make a snapshot of, as package backup would.
type folder struct {
	dir      string
	password secret.BackupPassword // zero: in clear, or sealed
	sealed   bool
	only     map[itunesbackup.FileID]bool // what came in this run; nil: everything
	parent   *snapshot.Snapshot
	unread   map[itunesbackup.FileID]string
	stored   bool // say what is stored
	when     time.Time
}

func (f folder) read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(f.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// ids are the files in the 256 folders.
func (f folder) ids(t testing.TB) []itunesbackup.FileID {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(f.dir, "[0-9a-f][0-9a-f]", "*"))
	if err != nil {
		t.Fatal(err)
	}
	var ids []itunesbackup.FileID
	for _, name := range names {
		id, err := itunesbackup.ParseFileID(filepath.Base(name))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

// input makes the input of Build, and saves the contents.
func (f folder) input(t testing.TB, s *repository.Session, w *repository.Writer) snapshot.Input {
	t.Helper()
	in := snapshot.Input{Session: s, Parent: f.parent, InfoPlist: f.read(t, "Info.plist"), ManifestPlist: f.read(t, "Manifest.plist"),
		StatusPlist: f.read(t, "Status.plist"), Sealed: f.sealed, Time: f.when, Unread: f.unread}
	if in.Time.IsZero() {
		in.Time = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	}
	manifest := f.read(t, "Manifest.db")
	in.Manifest, in.ManifestSize = bytes.NewReader(manifest), int64(len(manifest))
	wrapped := map[itunesbackup.FileID][]byte{}
	if !f.password.IsZero() && !f.sealed {
		keys, plain := f.open(t, manifest, in.ManifestPlist)
		in.ManifestStored, in.ManifestStoredSize = in.Manifest, in.ManifestSize
		in.Keys, in.Manifest, in.ManifestSize = &keys, bytes.NewReader(plain), int64(len(plain))
		m, err := itunesbackup.OpenManifestAt(t.Context(), in.Manifest, in.ManifestSize)
		if err != nil {
			t.Fatal(err)
		}
		for r, err := range m.Records(t.Context()) {
			if err == nil {
				wrapped[r.ID] = r.File.EncryptionKey
			}
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
	ids := f.ids(t)
	contents := map[itunesbackup.FileID]snapshot.Content{}
	for _, id := range ids {
		if f.only != nil && !f.only[id] {
			continue
		}
		var key keybag.Key
		if w, err := keybag.ParseWrappedKey(wrapped[id]); err == nil {
			if key, err = in.Keys.File(w); err != nil {
				key = keybag.Key{}
			}
		}
		contents[id] = save(t, w, id.String(), key, f.read(t, id.Path()))
	}
	in.Contents = func(id itunesbackup.FileID) (snapshot.Content, bool) { c, ok := contents[id]; return c, ok }
	if f.sealed || f.stored {
		in.Stored = each(ids)
	}
	return in
}

func each(ids []itunesbackup.FileID) iter.Seq[itunesbackup.FileID] {
	return func(yield func(itunesbackup.FileID) bool) {
		for _, id := range ids {
			if !yield(id) {
				return
			}
		}
	}
}

func save(t testing.TB, w *repository.Writer, name string, key keybag.Key, data []byte) snapshot.Content {
	t.Helper()
	c, err := snapshot.Save(t.Context(), w, name, key, func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }, int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// open takes the keys out of a folder's lists and decrypts Manifest.db.
func (f folder) open(t testing.TB, manifest, list []byte) (snapshot.Keys, []byte) {
	t.Helper()
	p, err := itunesbackup.ParseManifestPlist(list)
	if err != nil {
		t.Fatal(err)
	}
	bag, err := keybag.Parse(p.BackupKeyBag)
	if err != nil {
		t.Fatal(err)
	}
	if err := bag.Unlock(t.Context(), f.password); err != nil {
		t.Fatal(err)
	}
	keys, err := snapshot.KeysOf(bag, p.ManifestKey)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(keybag.DecryptReader(keys.Manifest(), bytes.NewReader(manifest)))
	if err != nil {
		t.Fatal(err)
	}
	return keys, plain
}

// build makes and publishes a snapshot of the folder.
func (f folder) build(t testing.TB, s *repository.Session) *snapshot.Snapshot {
	t.Helper()
	p, err := f.try(t, s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// try is build that may fail in Build.
func (f folder) try(t testing.TB, s *repository.Session) (*snapshot.Snapshot, error) {
	t.Helper()
	w, err := s.Writer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	b, err := snapshot.Build(t.Context(), w, f.input(t, s, w), nil)
	if err != nil {
		return nil, err
	}
	sn, err := b.Commit(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return reopen(t, s.Repository(), sn), nil
}

// reopen opens the snapshot in a session of its own, as another program would.
func reopen(t testing.TB, r *repository.Repository, sn repository.Snapshot) *snapshot.Snapshot {
	t.Helper()
	s := begin(t, r)
	info, err := snapshot.Find(t.Context(), s, sn.ID.String())
	if err != nil {
		t.Fatal(err)
	}
	p, err := snapshot.Open(t.Context(), s, info.Snapshot)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// digests hashes every file of a folder, by name.
func digests(t testing.TB, fsys fs.FS) map[string]string {
	t.Helper()
	sums := map[string]string{}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f, err := fsys.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		h := sha256.New()
		n, err := io.Copy(h, f)
		if err != nil {
			return err
		}
		info, err := fs.Stat(fsys, name)
		if err != nil {
			return err
		}
		if info.Size() != n {
			t.Errorf("%s: %d bytes, and Stat says %d", name, n, info.Size())
		}
		sums[name] = fmt.Sprintf("%x", h.Sum(nil))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return sums
}

// sameFolder wants every byte of a folder to be that of the snapshot's.
func sameFolder(t testing.TB, p *snapshot.Snapshot, dir string) {
	t.Helper()
	f, err := p.Folder(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sameDigests(t, digests(t, f), digests(t, os.DirFS(dir)))
}

func sameDigests(t testing.TB, got, want map[string]string) {
	t.Helper()
	if len(want) < 4 {
		t.Errorf("only %d files to compare", len(want))
	}
	for name, sum := range want {
		switch other, ok := got[name]; {
		case !ok:
			t.Errorf("%s is missing", name)
		case other != sum:
			t.Errorf("%s is another file", name)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s is too much", name)
		}
	}
}

// noDamage checks all of the repository.
func noDamage(t testing.TB, r *repository.Repository) {
	t.Helper()
	_, err := begin(t, r).Check(context.Background(), repository.CheckOptions{ReadData: true}, func(p repository.Problem) {
		if p.Severity == repository.Damage {
			t.Error(p)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// verify holds the snapshot's folder against its index, contents included.
func verify(t testing.TB, p *snapshot.Snapshot, password secret.BackupPassword) *itunesbackup.Report {
	t.Helper()
	f, err := p.Folder(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b, err := itunesbackup.OpenFS(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Unlock(t.Context(), password); err != nil {
		t.Fatal(err)
	}
	r, err := b.Verify(t.Context(), itunesbackup.VerifyOptions{Digests: true, Decrypt: true})
	if err != nil {
		t.Fatal(err)
	}
	return r
}
