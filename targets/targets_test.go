package targets

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/internal/secret"
	state "github.com/keepsake-backup/keepsake/internal/station"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/fault"
	"github.com/keepsake-backup/keepsake/repository/backend/location"
	"github.com/keepsake-backup/keepsake/repository/backend/memory"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// station is a main repository, a keeper and where its disks are.
type station struct {
	*Keeper
	t      *testing.T
	dir    string
	main   *repository.Repository
	clock  time.Time
	mounts []string
	faults []fault.Fault                        //  of backends that are opened from now on
	opened func(where string, b *fault.Backend) // is told of each; may be nil
	stores map[string]*memory.Backend           // by path; nil: on disk
}

const mainPassword, targetPassword = "main-horse", "target-horse"

func cheap() repository.InitOptions {
	var o repository.InitOptions
	o.KDF.N, o.KDF.R, o.KDF.P = 1<<10, 8, 1
	o.PackSize = 4 << 20
	return o
}

// newStation keeps everything in memory, but for its state.
func newStation(t *testing.T) *station { return makeStation(t, map[string]*memory.Backend{}) }

// newDiskStation keeps it in folders.
func newDiskStation(t *testing.T) *station { return makeStation(t, nil) }

func makeStation(t *testing.T, stores map[string]*memory.Backend) *station {
	t.Helper()
	s := &station{stores: stores, t: t, dir: t.TempDir(), clock: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	documents, err := state.Open(s.path("state"))
	if err != nil {
		t.Fatal(err)
	}
	s.Keeper = &Keeper{
		Book: OpenBook(documents),
		Open: s.open,
		Password: func(context.Context, Target) (secret.RepositoryPassword, bool, error) {
			return secret.NewRepositoryPassword(targetPassword), false, nil
		},
		Init:   cheap(),
		Mounts: func() ([]string, error) { return s.mounts, nil },
		Now:    func() time.Time { return s.clock },
	}
	s.main = s.make("main", mainPassword)
	return s
}

func (s *station) open(ctx context.Context, _ Target, where string, _ bool) (backend.Backend, error) {
	be, err := s.backend(ctx, where)
	if err != nil {
		return nil, err
	}
	b := fault.New(be, s.faults...)
	if s.opened != nil {
		s.opened(where, b)
	}
	return b, nil
}

func (s *station) backend(ctx context.Context, where string) (backend.Backend, error) {
	if s.stores != nil {
		return s.inMemory(where), nil
	}
	l, err := location.Parse(where)
	if err != nil {
		return nil, err
	}
	return location.Open(ctx, l, location.Options{})
}

// inMemory is the store in memory at a path.
func (s *station) inMemory(where string) *memory.Backend {
	if s.stores[where] == nil {
		s.stores[where] = memory.New()
	}
	return s.stores[where]
}

func (s *station) path(name string) string { return filepath.Join(s.dir, name) }

// make makes a repository beside the targets.
func (s *station) make(name, password string) *repository.Repository {
	s.t.Helper()
	be, err := s.open(s.t.Context(), Target{}, s.path(name), true)
	if err != nil {
		s.t.Fatal(err)
	}
	r, err := repository.Init(s.t.Context(), be, secret.NewRepositoryPassword(password), cheap())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = r.Close() })
	return r
}

// store makes a version with one file in a repository.
func (s *station) store(r *repository.Repository, text string, tags ...string) repository.Snapshot {
	s.t.Helper()
	s.clock = s.clock.Add(time.Hour)
	sn := repository.Snapshot{Snapshot: format.Snapshot{Time: s.clock, Hostname: "keepsake", Paths: []string{"/phone"}, Tags: tags}}
	err := s.with(s.t.Context(), r, repository.Shared, func(ctx context.Context, se *repository.Session) error {
		w, err := se.Writer(ctx)
		if err != nil {
			return err
		}
		defer w.Close()
		c, err := w.SaveFile(ctx, strings.NewReader(text), "a.txt", int64(len(text)))
		if err != nil {
			return err
		}
		n := format.Node{Name: "a.txt", Type: format.NodeFile, Mode: 0o600, Size: uint64(len(text)), ModTime: s.clock, AccessTime: s.clock, ChangeTime: s.clock}
		if n.Content, err = c.IDs(ctx); err != nil {
			return err
		}
		sub, err := w.SaveTree(ctx, &format.Tree{Nodes: []format.Node{n}})
		if err != nil {
			return err
		}
		root, err := w.SaveTree(ctx, &format.Tree{Nodes: []format.Node{{Name: "phone", Type: format.NodeDir, Mode: fs.ModeDir | 0o700, Subtree: &sub,
			ModTime: s.clock, AccessTime: s.clock, ChangeTime: s.clock}}})
		if err != nil {
			return err
		}
		sn.Tree = &root
		sn.ID, err = w.Commit(ctx, &sn.Snapshot)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return sn
}

func (s *station) add(name string) {
	s.t.Helper()
	if err := os.MkdirAll(filepath.Dir(s.path(name)), 0o700); err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.Add(s.t.Context(), NewTarget{Name: filepath.Base(name), Location: s.path(name)}, []Main{{Repo: s.main}}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *station) copy(name string) *CopyResult {
	s.t.Helper()
	r, err := s.Copy(s.t.Context(), name, Main{Repo: s.main}, CopyOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

func (s *station) known(name string) Copy {
	s.t.Helper()
	t, err := s.Book.Find(name)
	if err != nil {
		s.t.Fatal(err)
	}
	return *t.Copy("")
}

// whole checks the repository at a path and wants no damage and so many versions.
func (s *station) whole(path, password string, versions int) {
	s.t.Helper()
	be, err := s.backend(s.t.Context(), path)
	if err != nil {
		s.t.Fatal(err)
	}
	r, err := repository.Open(s.t.Context(), be, secret.NewRepositoryPassword(password), repository.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Close()
	err = s.with(s.t.Context(), r, repository.Shared, func(ctx context.Context, se *repository.Session) error {
		stats, err := se.Check(ctx, repository.CheckOptions{ReadData: true}, func(p repository.Problem) {
			if p.Severity == repository.Damage {
				s.t.Errorf("%s: %v", path, p)
			}
		})
		if stats.Snapshots != versions {
			s.t.Errorf("%s: %d versions, want %d", path, stats.Snapshots, versions)
		}
		return err
	})
	if err != nil {
		s.t.Error(err)
	}
}

func TestCopy(t *testing.T) {
	t.Parallel()
	s := newDiskStation(t)
	a := s.store(s.main, "one", "keepsake")
	b := s.store(s.main, "two", "keepsake-receipt", "of:"+a.ID.String())
	s.add("usb")
	s.add("shelf")
	if got := s.known("usb"); !got.LastCopied.IsZero() || got.Source != s.main.ID() {
		t.Errorf("after add: %+v", got)
	}

	r := s.copy("usb")
	if r.Held != 2 || r.Behind != 0 || r.Size == 0 || r.Free <= 0 || len(r.Stats.Copied) != 2 || r.Stats.Copied[0].From != b.ID {
		t.Errorf("%+v: want both versions, the newest first", r)
	}
	s.whole(s.path("usb"), targetPassword, 2)
	if got := s.known("usb"); !got.LastCopied.Equal(s.clock) || len(got.Held) != 2 || got.Size != r.Size {
		t.Errorf("after copy: %+v", got)
	}
	copied := s.clock

	// What is missing, and nothing else; one target knows nothing of the other.
	s.store(s.main, "three")
	list, err := s.Status(t.Context(), "usb", map[string][]repository.Snapshot{"": s.versions()}, nil)
	if err != nil || len(list) != 1 || list[0].Behind != 1 || list[0].Versions != 2 || list[0].Presence != Here || !list[0].Copy.LastCopied.Equal(copied) {
		t.Errorf("status: %+v, %v", list, err)
	}
	if r := s.copy("usb"); len(r.Stats.Copied) != 1 || len(r.Stats.Skipped) != 2 || r.Held != 3 {
		t.Errorf("second copy: %+v", r)
	}
	if list, err = s.Status(t.Context(), "shelf", map[string][]repository.Snapshot{"": s.versions()}, nil); err != nil || list[0].Behind != 3 {
		t.Errorf("status of the other: %+v, %v", list, err)
	}

	// One version alone.
	r, err = s.Copy(t.Context(), "shelf", Main{Repo: s.main}, CopyOptions{Select: func(sn repository.Snapshot) bool { return sn.ID == a.ID }})
	if err != nil || r.Held != 1 || r.Behind != 2 {
		t.Errorf("one version: %+v, %v", r, err)
	}
}

func (s *station) versions() []repository.Snapshot {
	s.t.Helper()
	var list []repository.Snapshot
	err := s.with(s.t.Context(), s.main, repository.Shared, func(ctx context.Context, se *repository.Session) (err error) {
		list, err = se.Snapshots(ctx)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return list
}

func TestSameCuts(t *testing.T) {
	t.Parallel()
	s := newStation(t)
	s.add("usb")
	at, err := s.Keeper.open(t.Context(), Target{Name: "usb", Location: s.path("usb")}, s.known("usb"), nil, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	defer at.repo.Close()
	if at.repo.Config().ChunkerPolynomial != s.main.Config().ChunkerPolynomial {
		t.Error("the target cuts files elsewhere")
	}
	if at.repo.ID() == s.main.ID() {
		t.Error("one ID for both")
	}
	s.make("alien", targetPassword)
	added, err := s.Add(t.Context(), NewTarget{Name: "alien", Location: s.path("alien")}, []Main{{Repo: s.main}})
	if err != nil || added.Made != 0 || !added.CutsElsewhere {
		t.Errorf("a repository that was there: %+v, %v", added, err)
	}
}

func TestAddRefuses(t *testing.T) {
	t.Parallel()
	s := newStation(t)
	s.add("usb")
	for name, n := range map[string]NewTarget{
		"taken":    {Name: "usb", Location: s.path("x")},
		"bad name": {Name: "../x", Location: s.path("x")},
		"itself":   {Name: "same", Location: s.path("main")},
	} {
		t.Run(name, func(t *testing.T) {
			s.Password = func(context.Context, Target) (secret.RepositoryPassword, bool, error) {
				return secret.NewRepositoryPassword(mainPassword), false, nil
			}
			if _, err := s.Add(t.Context(), n, []Main{{Repo: s.main}}); err == nil {
				t.Error("no error")
			}
			if all, _ := s.Book.All(); len(all) != 1 {
				t.Errorf("%d targets", len(all))
			}
		})
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	s := newDiskStation(t)
	s.store(s.main, "one")
	disk := s.path("media/disk1")
	s.mounts = []string{"/", disk}
	s.add("media/disk1/backups/usb")
	s.copy("usb")

	t.Run("absent", func(t *testing.T) {
		if err := os.Rename(disk, s.path("drawer")); err != nil {
			t.Fatal(err)
		}
		_, err := s.Copy(t.Context(), "usb", Main{Repo: s.main}, CopyOptions{})
		var absent *AbsentError
		if !errors.As(err, &absent) || !absent.Disk || absent.LastCopied.IsZero() {
			t.Fatalf("%v", err)
		}
		if _, err := os.Stat(disk); err == nil {
			t.Error("something was made where the disk is mounted")
		}
		list, err := s.Status(t.Context(), "usb", nil, nil)
		if err != nil || list[0].Presence != Absent || list[0].Behind != -1 || list[0].Versions != 1 {
			t.Errorf("%+v, %v", list, err)
		}
	})
	t.Run("mounted elsewhere", func(t *testing.T) {
		elsewhere := s.path("media/disk2")
		if err := os.Rename(s.path("drawer"), elsewhere); err != nil {
			t.Fatal(err)
		}
		s.mounts = []string{"/", s.path("media/none"), elsewhere}
		if r := s.copy("usb"); len(r.Stats.Skipped) != 1 {
			t.Errorf("%+v", r)
		}
		got, _ := s.Book.Find("usb")
		if got.Location != filepath.Join(elsewhere, "backups", "usb") || got.Inside != filepath.Join("backups", "usb") {
			t.Errorf("remembered: %+v", got)
		}
	})
	t.Run("at a path that is named", func(t *testing.T) {
		s.mounts = []string{"/"}
		named := s.path("somewhere")
		if err := os.Rename(s.path("media/disk2/backups/usb"), named); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Copy(t.Context(), "usb", Main{Repo: s.main}, CopyOptions{Paths: []string{named}}); err != nil {
			t.Fatal(err)
		}
		if got, _ := s.Book.Find("usb"); got.Location != named || got.Inside != "" {
			t.Errorf("remembered: %+v", got)
		}
	})
	t.Run("another repository in its place", func(t *testing.T) {
		here := s.path("somewhere")
		if err := os.Rename(here, s.path("away")); err != nil {
			t.Fatal(err)
		}
		other := s.make("somewhere", targetPassword) // the same password, too
		before := files(t, here)
		_, err := s.Copy(t.Context(), "usb", Main{Repo: s.main}, CopyOptions{})
		var wrong *WrongRepositoryError
		if !errors.As(err, &wrong) || wrong.Hint() == "" {
			t.Fatalf("%v", err)
		}
		if after := files(t, here); !slices.Equal(before, after) {
			t.Errorf("written: %v, was %v", after, before)
		}
		if list, err := s.Status(t.Context(), "usb", nil, nil); err != nil || list[0].Presence != Other {
			t.Errorf("%+v, %v", list, err)
		}
		if err := other.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(here); err != nil {
			t.Fatal(err)
		}
		s.make("somewhere", "what nobody knows")
		if _, err = s.Copy(t.Context(), "usb", Main{Repo: s.main}, CopyOptions{}); !errors.As(err, &wrong) {
			t.Errorf("with another password: %v", err)
		}
		// Its own is found behind it all the same.
		if _, err := s.Copy(t.Context(), "usb", Main{Repo: s.main}, CopyOptions{Paths: []string{s.path("away")}}); err != nil {
			t.Error(err)
		}
	})
}

// files lists what lies below a folder, with sizes.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		list = append(list, fmt.Sprintf("%s %d", path, info.Size()))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestWrongPassword(t *testing.T) {
	t.Parallel()
	s := newStation(t)
	s.store(s.main, "one")
	s.add("usb")
	asked, mistyped := 0, 0
	s.Password = func(context.Context, Target) (secret.RepositoryPassword, bool, error) {
		asked++
		if asked == 4 {
			return secret.NewRepositoryPassword(targetPassword), true, nil
		}
		return secret.NewRepositoryPassword("wrong"), asked > 1, nil
	}
	s.Mistyped = func(Target) { mistyped++ }
	if _, err := s.Copy(t.Context(), "usb", Main{Repo: s.main}, CopyOptions{}); !errors.Is(err, repository.ErrWrongPassword) || asked != 1 {
		t.Errorf("%v after %d", err, asked)
	}
	if _, err := s.Copy(t.Context(), "usb", Main{Repo: s.main}, CopyOptions{}); err != nil || mistyped != 2 {
		t.Errorf("typed: %v, mistyped %d", err, mistyped)
	}
}

func TestOtherMain(t *testing.T) {
	t.Parallel()
	s := newStation(t)
	s.add("usb")
	other := s.make("other", mainPassword)
	if _, err := s.Copy(t.Context(), "usb", Main{Repo: other}, CopyOptions{}); err == nil || !strings.Contains(err.Error(), "keeps copies of repository") {
		t.Errorf("%v", err)
	}
	if _, err := s.Copy(t.Context(), "none", Main{Repo: other}, CopyOptions{}); !errors.Is(err, ErrUnknown) {
		t.Errorf("%v", err)
	}
}

// A location with one repository for each phone is mirrored, new phones too.
func TestManyPhones(t *testing.T) {
	t.Parallel()
	const anna, ben = "00008101-000A1B2C3D4E001E", "00008110-000A1B2C3D4E801F"
	s := newDiskStation(t)
	one, two := s.make("loc/"+anna, mainPassword), s.make("loc/"+ben, mainPassword)
	s.store(one, "of anna")
	s.store(two, "of ben")
	var made []string
	s.Made = func(_ context.Context, _ Target, phone string) error {
		made = append(made, phone)
		return nil
	}
	if _, err := s.Add(t.Context(), NewTarget{Name: "usb", Location: s.path("usb"), Many: true}, []Main{{anna, one}}); err != nil {
		t.Fatal(err)
	}
	for _, m := range []Main{{anna, one}, {ben, two}} {
		if r, err := s.Copy(t.Context(), "usb", m, CopyOptions{}); err != nil || len(r.Stats.Copied) != 1 {
			t.Errorf("%s: %+v, %v", m.Phone, r, err)
		}
		s.whole(s.path(filepath.Join("usb", m.Phone)), targetPassword, 1)
	}
	if !slices.Equal(made, []string{anna, ben}) {
		t.Errorf("made %v", made)
	}
	// Not while the disk is away.
	if err := os.Rename(s.path("usb"), s.path("away")); err != nil {
		t.Fatal(err)
	}
	three := s.make("loc/00008120-000000000000000E", mainPassword)
	var absent *AbsentError
	if _, err := s.Copy(t.Context(), "usb", Main{"00008120-000000000000000E", three}, CopyOptions{}); !errors.As(err, &absent) {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(s.path("usb")); err == nil {
		t.Error("made where the disk was")
	}
}

// A store elsewhere that cannot be reached is absent; one that says no is not.
func TestStoreElsewhere(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err    error
		absent bool
	}{
		"out of reach":   {errors.New("connection refused"), true},
		"silent":         {context.DeadlineExceeded, true},
		"denied":         {backend.ErrDenied, false},
		"was there":      {nil, true},
		"cannot be read": {fmt.Errorf("load: %w", backend.ErrReadOnly), false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStation(t)
			if _, err := s.Add(t.Context(), NewTarget{Name: "nas", Location: "rest:https://nas.local/anna"}, []Main{{Repo: s.main}}); err != nil {
				t.Fatal(err)
			}
			if c.err != nil {
				s.faults = []fault.Fault{{Op: fault.Load, Times: fault.Always, Err: c.err}}
			} else {
				s.stores = map[string]*memory.Backend{}
			}
			_, err := s.Copy(t.Context(), "nas", Main{Repo: s.main}, CopyOptions{})
			var absent *AbsentError
			if errors.As(err, &absent) != c.absent || absent != nil && absent.Disk || err == nil {
				t.Errorf("%v", err)
			}
			want := map[bool]Presence{true: Absent, false: Trouble}[c.absent]
			if list, err := s.Status(t.Context(), "nas", nil, nil); err != nil || list[0].Presence != want {
				t.Errorf("%+v, %v; want %s", list, err, want)
			}
		})
	}
}
