package media

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/memory"
	"github.com/keepsake-backup/keepsake/usbmux"
	"github.com/keepsake-backup/keepsake/virtualphone"
)

func TestMain(m *testing.M) {
	redialPauses = []time.Duration{0, 10 * time.Millisecond}
	goleak.VerifyTestMain(m)
}

// reporter remembers what it is told.
type reporter struct {
	mu     sync.Mutex
	said   []string
	update func(progress.Counters)
}

func (r *reporter) Phase(_, text string) {}
func (r *reporter) Close()               {}

func (r *reporter) Update(c progress.Counters) {
	if r.update != nil {
		r.update(c)
	}
}

func (r *reporter) Say(kind progress.Kind, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said = append(r.said, string(kind)+": "+text)
}

// setUp is a phone, a paired handle on it, and a repository.
type setUp struct {
	testing.TB
	phone *virtualphone.Phone
	dev   *device.Device
	repo  *repository.Repository
	opt   Options
	rep   *reporter
}

var password = secret.NewRepositoryPassword("correct-horse")

func newSetUp(t testing.TB, cfg virtualphone.Config) *setUp {
	t.Helper()
	return newSetUpIn(t, cfg, memory.New())
}

func newSetUpIn(t testing.TB, cfg virtualphone.Config, be backend.Backend) *setUp {
	t.Helper()
	s := &setUp{TB: t, rep: &reporter{}, opt: Options{State: filepath.Join(t.TempDir(), "state")}}
	cfg.Dir = t.TempDir()
	if cfg.Profile == "" {
		cfg.Profile = "tiny"
	}
	server, err := virtualphone.Start(t.Context(), cfg)
	s.must(err)
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Errorf("close phone: %v", err)
		}
	})
	s.phone = server.Phones()[0]
	addr, err := usbmux.ParseAddress(server.Addr())
	s.must(err)
	s.dev, err = device.Open(t.Context(), device.Options{Mux: &usbmux.Client{Address: addr}})
	s.must(err)
	t.Cleanup(func() { s.dev.Close() })
	s.must(s.dev.Pair(t.Context(), device.PairOptions{}))
	s.init(be)
	return s
}

// init makes an empty repository.
func (s *setUp) init(be backend.Backend) {
	s.Helper()
	var o repository.InitOptions
	o.KDF.N, o.KDF.R, o.KDF.P = 2, 1, 1
	o.Workers = 2
	var err error
	s.repo, err = repository.Init(s.Context(), be, password, o)
	s.must(err)
	s.Cleanup(func() { s.repo.Close() })
}

// anew is the same phone and a new, empty repository, for a test of its own.
func (s *setUp) anew(t testing.TB) *setUp {
	other := &setUp{TB: t, phone: s.phone, dev: s.dev, opt: s.opt, rep: &reporter{}}
	other.opt.State = filepath.Join(t.TempDir(), "state")
	other.init(memory.New())
	return other
}

func (s *setUp) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *setUp) faults(specs string) {
	s.Helper()
	s.phone.ClearFaults()
	f, err := virtualphone.ParseFaults(specs)
	s.must(err)
	s.phone.AddFaults(f...)
}

// copy copies, and wants it to work.
func (s *setUp) copy() *Result {
	s.Helper()
	res, err := Copy(s.Context(), s.dev, s.repo, s.opt, s.rep)
	if err != nil {
		s.Fatal(err)
	}
	return res
}

// file is where a file lies that AFC shows and no backup holds.
func (s *setUp) file(name string) string {
	return filepath.Join(s.phone.Dir(), "media", filepath.FromSlash(name))
}

func (s *setUp) write(name, text string) {
	s.Helper()
	s.must(os.MkdirAll(filepath.Dir(s.file(name)), 0o755))
	s.must(os.WriteFile(s.file(name), []byte(text), 0o644))
}

// onPhone is what AFC shows of what is copied, by path: contents of files, "dir",
// or the target of a link, each with its time.
func (s *setUp) onPhone() map[string]string {
	s.Helper()
	out := map[string]string{}
	for _, layer := range []string{"fs/CameraRollDomain/Media", "fs/MediaDomain/Media", "media"} {
		root := filepath.Join(s.phone.Dir(), filepath.FromSlash(layer))
		err := filepath.WalkDir(root, func(at string, d fs.DirEntry, err error) error {
			rel, relErr := filepath.Rel(root, at)
			if err = errors.Join(err, relErr); err != nil || rel == "." {
				return err
			}
			rel = filepath.ToSlash(rel)
			inside, above := inScope(rel)
			if !inside && (!above || !d.IsDir()) || !d.IsDir() && protected(rel) {
				return nil
			}
			if _, known := out[rel]; known {
				return nil // another layer is above
			}
			out[rel], err = describeHost(at, d)
			return err
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.Fatal(err)
		}
	}
	return out
}

func describeHost(at string, d fs.DirEntry) (string, error) {
	info, err := d.Info()
	switch {
	case err != nil:
		return "", err
	case d.IsDir():
		return "dir", nil
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(at)
		return "link " + target, err
	}
	content, err := os.ReadFile(at)
	return fmt.Sprintf("%d %s", info.ModTime().UnixNano(), content), err
}

// inSnapshot is the same of a snapshot.
func (s *setUp) inSnapshot(sn repository.Snapshot) map[string]string {
	s.Helper()
	out := map[string]string{}
	s.session(func(ctx context.Context, session *repository.Session) {
		fsys := session.FS(ctx, *sn.Tree)
		root := path.Join(s.phone.UDID(), "Media")
		err := fs.WalkDir(fsys, root, func(at string, d fs.DirEntry, err error) error {
			if err != nil || at == root {
				return err
			}
			rel := strings.TrimPrefix(at, root+"/")
			info, err := d.Info()
			if err != nil {
				return err
			}
			switch {
			case d.IsDir():
				out[rel] = "dir"
				return nil
			case info.Mode()&fs.ModeSymlink != 0:
				target, err := fsys.ReadLink(at)
				out[rel] = "link " + target
				return err
			}
			content, err := fs.ReadFile(fsys, at)
			if int64(len(content)) != info.Size() {
				s.Errorf("%s: %d bytes, the snapshot says %d", at, len(content), info.Size())
			}
			out[rel] = fmt.Sprintf("%d %s", info.ModTime().UnixNano(), content)
			return err
		})
		s.must(err)
	})
	return out
}

func (s *setUp) session(fn func(context.Context, *repository.Session)) {
	s.Helper()
	session, err := s.repo.Begin(s.Context(), repository.Unlocked, 0) // a lock takes its time
	s.must(err)
	defer session.Close()
	fn(session.Context(), session)
}

func (s *setUp) snapshots() (list []repository.Snapshot) {
	s.session(func(ctx context.Context, session *repository.Session) {
		var err error
		list, err = session.Snapshots(ctx)
		s.must(err)
	})
	return list
}

// sound looks whether the repository is whole.
func (s *setUp) sound() {
	s.Helper()
	s.session(func(ctx context.Context, session *repository.Session) {
		_, err := session.Check(ctx, repository.CheckOptions{ReadData: true}, func(p repository.Problem) {
			if p.Severity == repository.Damage {
				s.Errorf("check: %v", p)
			}
		})
		s.must(err)
	})
}

// equal compares a snapshot with what the phone holds.
func (s *setUp) equal(res *Result) {
	s.Helper()
	s.same(s.inSnapshot(res.Snapshot), s.onPhone())
}

func (s *setUp) same(got, want map[string]string) {
	s.Helper()
	var names []string
	for name := range want {
		names = append(names, name)
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		g, inGot := got[name]
		w, inWant := want[name]
		if inGot != inWant || g != w {
			s.Errorf("%s: in the snapshot %v %.60q, wanted %v %.60q", name, inGot, g, inWant, w)
		}
	}
}
