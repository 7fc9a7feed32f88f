package restore_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/keybag"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/memory"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/repository/treewalk"
	"github.com/keepsake-backup/keepsake/restore"
	"github.com/keepsake-backup/keepsake/snapshot"
	"github.com/keepsake-backup/keepsake/virtualphone"
)

// snapshotOf puts the backup in dir into a new repository in memory; with no
// password that of an encrypted phone is sealed.
func snapshotOf(t *testing.T, dir, password string) (*repository.Repository, repository.Snapshot) {
	t.Helper()
	var o repository.InitOptions
	o.KDF.N, o.KDF.R, o.KDF.P = 1<<10, 8, 1
	o.Memory = 24 << 20
	r, err := repository.Init(t.Context(), memory.New(), secret.NewRepositoryPassword("r"), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	s := begin(t, r)
	w, err := s.Writer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	b, err := snapshot.Build(t.Context(), w, inputOf(t, dir, password, s, w), nil)
	if err != nil {
		t.Fatal(err)
	}
	sn, err := b.Commit(t.Context(), w)
	if err := errors.Join(err, w.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	return r, sn
}

func begin(t *testing.T, r *repository.Repository) *repository.Session {
	t.Helper()
	s, err := r.Begin(t.Context(), repository.Shared, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func read(t *testing.T, parts ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(parts...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func inputOf(t *testing.T, dir, password string, s *repository.Session, w *repository.Writer) snapshot.Input {
	t.Helper()
	in := snapshot.Input{Session: s, Time: time.Now(), InfoPlist: read(t, dir, "Info.plist"), ManifestPlist: read(t, dir, "Manifest.plist"), StatusPlist: read(t, dir, "Status.plist")}
	stored := read(t, dir, "Manifest.db")
	in.Manifest, in.ManifestSize = bytes.NewReader(stored), int64(len(stored))
	b, err := itunesbackup.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	keys := map[itunesbackup.FileID]keybag.Key{}
	in.Sealed = b.Encrypted() && password == ""
	if b.Encrypted() && !in.Sealed {
		openKeys(t, b, password, &in, stored, keys)
	}
	contents := map[itunesbackup.FileID]snapshot.Content{}
	names, err := filepath.Glob(filepath.Join(dir, "??", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		id, err := itunesbackup.ParseFileID(filepath.Base(name))
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		contents[id], err = snapshot.Save(t.Context(), w, id.String(), keys[id], func() (io.ReadCloser, error) { return os.Open(name) }, info.Size())
		if err != nil {
			t.Fatal(err)
		}
	}
	in.Contents = func(id itunesbackup.FileID) (snapshot.Content, bool) { c, ok := contents[id]; return c, ok }
	in.Stored = func(yield func(itunesbackup.FileID) bool) {
		for id := range contents {
			if !yield(id) {
				return
			}
		}
	}
	return in
}

func openKeys(t *testing.T, b *itunesbackup.Backup, password string, in *snapshot.Input, stored []byte, files map[itunesbackup.FileID]keybag.Key) {
	t.Helper()
	if err := b.Unlock(t.Context(), secret.NewBackupPassword(password)); err != nil {
		t.Fatal(err)
	}
	keys, err := snapshot.KeysOf(b.Keybag(), b.ManifestPlist().ManifestKey)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(keybag.DecryptReader(keys.Manifest(), bytes.NewReader(stored)))
	if err != nil {
		t.Fatal(err)
	}
	in.Keys, in.Manifest, in.ManifestSize = &keys, bytes.NewReader(plain), int64(len(plain))
	in.ManifestStored, in.ManifestStoredSize = bytes.NewReader(stored), int64(len(stored))
	for r, err := range b.Records(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if w, err := keybag.ParseWrappedKey(r.File.EncryptionKey); err == nil {
			if files[r.ID], err = keys.File(w); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func openSnapshot(t *testing.T, r *repository.Repository, sn repository.Snapshot) *snapshot.Snapshot {
	t.Helper()
	p, err := snapshot.Open(t.Context(), begin(t, r), sn)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestFromSnapshot(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, phone, repository string }{
		{"plain", "", ""}, {"encrypted", "pässword", "pässword"}, {"sealed", "pw", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			phone, dev, dir, before := backedUp(t, virtualphone.Config{}, c.phone)
			p := openedSnapshotOf(t, dir, c.repository)
			opt := restore.Options{Password: secret.NewBackupPassword(c.phone)}
			fromSnapshot := func(dev restore.Phone, opt restore.Options) *restore.Report {
				t.Helper()
				report, err := restore.FromSnapshot(t.Context(), dev, p, opt, &reporter{})
				if err != nil {
					t.Fatalf("%v\n%+v", err, report)
				}
				return report
			}
			erase(t, phone, dev)
			report := fromSnapshot(dev, opt)
			if err := phone.Await(t.Context(), "restored", 1); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Split(before, "\n"), strings.Split(digest(t, phone), "\n")); diff != "" {
				t.Errorf("restored phone differs (-before +after)\n%.2000s", diff)
			}
			if report.Source != phone.UDID() || len(report.Apps) == 0 {
				t.Errorf("%+v", report)
			}

			other, otherDev := start(t, virtualphone.Config{Seed: 7, RebootTime: 1e8}, "")
			erase(t, other, otherDev)
			opt.LeaveOutApps, opt.SkipDamaged, opt.VerifyData = []string{brimbel}, true, true
			report = fromSnapshot(otherDev, opt)
			if err := other.Await(t.Context(), "restored", 1); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(without(before, ofBrimbel), strings.Split(digest(t, other), "\n")); diff != "" || report.LeftOut.DamagedFiles > 0 {
				t.Errorf("without an app (-want +got)\n%.2000s", diff)
			}
		})
	}
}

func openedSnapshotOf(t *testing.T, dir, password string) *snapshot.Snapshot {
	t.Helper()
	r, sn := snapshotOf(t, dir, password)
	return openSnapshot(t, r, sn)
}

// A repository that has lost packs: what was in them is named, and nothing is
// sent; the rest can be restored.
func TestFromSnapshot_lost(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, phone, repository string }{
		{"plain", "", ""}, {"encrypted", "pw", "pw"}, {"sealed", "pw", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			phone, dev, dir, before := backedUp(t, virtualphone.Config{IOS: "18.6"}, c.phone)
			r, sn := snapshotOf(t, dir, c.repository)
			const path, key = "Library/SMS/sms.db", "HomeDomain/Library/SMS/sms.db"
			lose(t, r, sn, func(at string) bool {
				return strings.HasSuffix(at, key) || strings.HasSuffix(at, itunesbackup.MakeFileID("HomeDomain", path).String())
			})
			p := openSnapshot(t, r, sn)
			opt := restore.Options{Password: secret.NewBackupPassword(c.phone)}
			report, err := restore.FromSnapshot(t.Context(), dev, p, opt, &reporter{})
			var blocked *restore.BlockedError
			if !errors.As(err, &blocked) || blocked.Check != "backup_files" || !strings.Contains(blocked.Text, key) {
				t.Fatalf("%v %+v", err, report)
			}
			if phone.Count("restored") != 0 || digest(t, phone) != before {
				t.Error("the phone has changed")
			}
			opt.SkipDamaged, opt.DryRun = true, c.name != "encrypted" // TestFromFS_skipDamaged does the same
			erase(t, phone, dev)
			if report, err = restore.FromSnapshot(t.Context(), dev, p, opt, &reporter{}); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(report.LeftOut.Damaged, []string{key}) {
				t.Errorf("left out: %v", report.LeftOut.Damaged)
			}
			if opt.DryRun {
				return
			}
			if err := phone.Await(t.Context(), "restored", 1); err != nil {
				t.Fatal(err)
			}
			isLost := func(path string) bool { return path == key }
			if diff := cmp.Diff(without(before, isLost), without(digest(t, phone), isLost)); diff != "" {
				t.Errorf("restored phone differs (-want +got)\n%.2000s", diff)
			}
		})
	}
}

// lose drops from the index of a repository the blobs of the files that choose
// picks: it removes all packs of data that have one, after the rest of them was
// stored again elsewhere.
func lose(t *testing.T, r *repository.Repository, sn repository.Snapshot, choose func(path string) bool) {
	t.Helper()
	s, err := r.Begin(t.Context(), repository.Exclusive, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	lost := map[format.ID]bool{}
	keep := map[format.BlobHandle][]byte{}
	err = treewalk.Walk(t.Context(), s, *sn.Tree, treewalk.Visitor{Node: func(path string, n *format.Node) error {
		for _, id := range n.Content {
			h := format.BlobHandle{ID: id, Type: format.DataBlob}
			if choose(path) {
				lost[id] = true
				continue
			}
			data, err := s.Blob(t.Context(), h, nil)
			if err != nil {
				return err
			}
			keep[h] = data
		}
		return nil
	}})
	if err != nil || len(lost) == 0 {
		t.Fatalf("%d blobs to lose, %v", len(lost), err)
	}
	x, err := s.Index(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	packs := map[format.ID]bool{}
	for id := range lost {
		delete(keep, format.BlobHandle{ID: id, Type: format.DataBlob})
		if e, ok := x.Lookup(format.BlobHandle{ID: id, Type: format.DataBlob}); ok {
			packs[x.PackID(e.Pack)] = true
		}
	}
	for id := range packs {
		if err := r.Backend().Remove(t.Context(), backend.Handle{Type: backend.PackFile, Name: id.String()}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.RebuildIndex(t.Context(), false, func(repository.Problem) {}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := begin(t, r)
	w, err := again.Writer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for h, data := range keep {
		if _, err := w.SaveBlob(t.Context(), h.Type, data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}
