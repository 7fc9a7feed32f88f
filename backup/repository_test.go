package backup_test

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/backup"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/memory"
	"github.com/keepsake-backup/keepsake/snapshot"
	"github.com/keepsake-backup/keepsake/virtualphone"
)

const repoPassword = "correct horse"

func newRepo(t testing.TB, be backend.Backend) *repository.Repository {
	t.Helper()
	var o repository.InitOptions
	o.KDF.N, o.KDF.R, o.KDF.P = 1<<10, 8, 1
	r, err := repository.Init(t.Context(), be, secret.NewRepositoryPassword(repoPassword), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// within opens the snapshots of a repository.
func within(t testing.TB, r *repository.Repository, do func(*repository.Session)) {
	t.Helper()
	s, err := r.Begin(t.Context(), repository.Shared, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	do(s)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// sameFolder holds a version against what the phone sent, byte for byte.
func sameFolder(t testing.TB, r *repository.Repository, id interface{ String() string }, m *backup.Mirror) {
	t.Helper()
	within(t, r, func(s *repository.Session) {
		info, err := snapshot.Find(t.Context(), s, id.String())
		if err != nil {
			t.Fatal(err)
		}
		p, err := snapshot.Open(t.Context(), s, info.Snapshot)
		if err != nil {
			t.Fatal(err)
		}
		folder, err := p.Folder(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want := map[string][]byte{}
		for name, data := range m.Files {
			_, rest, _ := strings.Cut(name, "/")
			want[rest] = data
		}
		n := 0
		err = fs.WalkDir(folder, ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			n++
			got, err := fs.ReadFile(folder, name)
			if err != nil {
				return err
			}
			if data, ok := want[name]; !ok || !bytes.Equal(got, data) {
				t.Errorf("%s: %d bytes, the phone sent %d", name, len(got), len(data))
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		if n != len(want) {
			t.Errorf("%d files, the phone has %d", n, len(want))
		}
	})
}

func password(text string) func(context.Context, [16]byte) (secret.BackupPassword, error) {
	return func(context.Context, [16]byte) (secret.BackupPassword, error) {
		return secret.NewBackupPassword(text), nil
	}
}

// empty holds the state folder: after a version there is nothing left but the lock.
func empty(t testing.TB, dir string) {
	t.Helper()
	var left []string
	err := fs.WalkDir(os.DirFS(dir), ".", func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && path.Base(p) != "lock" {
			left = append(left, p)
		}
		return err
	})
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func use(t testing.TB, p *virtualphone.Phone, days int) {
	t.Helper()
	if _, err := p.Use(t.Context(), days); err != nil {
		t.Fatal(err)
	}
}

// A phone, in clear and encrypted: a first backup, a day's changes, everything
// again. Every version is what the phone sent, and stays so.
func TestToRepository(t *testing.T) {
	for _, c := range []struct {
		name, password, known string
		sealed                bool
	}{{"plain", "", "", false}, {"encrypted", "pw", "pw", false}, {"sealed", "pw", "", true}, {"wrong password", "pw", "no", true}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			phone, dev := start(t, virtualphone.Config{}, "")
			rep := &reporter{}
			if c.password != "" {
				if err := backup.SetEncryption(t.Context(), dev, secret.BackupPassword{}, secret.NewBackupPassword(c.password), rep); err != nil {
					t.Fatal(err)
				}
			}
			repo := newRepo(t, memory.New())
			var mirror backup.Mirror
			opt := backup.WithMirror(backup.RepositoryOptions{State: t.TempDir(), Passwords: password(c.known), Limits: patient}, &mirror)
			var files []int64
			runs := []bool{false, false, true, false}
			if c.sealed {
				runs = runs[:2]
			}
			for i, full := range runs {
				use(t, phone, i)
				opt.Full = full
				received := len(mirror.Received)
				res, err := backup.ToRepository(t.Context(), dev, repo, opt, rep)
				if err != nil {
					t.Fatalf("run %d: %v", i, err)
				}
				if res.Full != (full || i == 0) || res.Encrypted != (c.password != "") || res.Sealed != c.sealed || c.sealed != (res.Why != "") {
					t.Errorf("run %d: %+v", i, res)
				}
				if n := len(mirror.Received) - received; int64(n) != res.Files {
					t.Errorf("run %d: %d files were received, %d told", i, n, res.Files)
				}
				files = append(files, res.Files)
				sameFolder(t, repo, res.Snapshot.ID, &mirror)
				empty(t, opt.State)
			}
			if files[1] >= files[0] || !c.sealed && (files[2] <= files[1] || files[3] >= files[2]) {
				t.Errorf("received: %v files", files)
			}
			t.Logf("received %v files", files)
		})
	}
}

// A version made while the clock is behind is the newest all the same.
func TestToRepository_clockSetBack(t *testing.T) {
	t.Parallel()
	b := newBench(t, memory.New(), false)
	first := b.must()
	within(t, b.repo, func(s *repository.Session) {
		w, err := s.Writer(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		future := first.Snapshot.Snapshot
		future.Time = time.Now().Add(48 * time.Hour)
		if _, err := w.Commit(t.Context(), &future); err != nil {
			t.Fatal(err)
		}
	})
	use(t, b.phone, 1)
	res := b.must()
	if res.Full || !res.Snapshot.Time.After(time.Now().Add(47*time.Hour)) || !b.rep.heard("Look at the clock") {
		t.Errorf("%+v, said %q", res, b.rep.said)
	}
	within(t, b.repo, func(s *repository.Session) {
		latest, err := snapshot.Find(t.Context(), s, "latest")
		if err != nil || latest.ID != res.Snapshot.ID {
			t.Errorf("latest is %v, want %v: %v", latest.ID, res.Snapshot.ID, err)
		}
	})
}
