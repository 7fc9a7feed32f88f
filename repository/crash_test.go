package repository

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/fault"
	"github.com/keepsake-backup/keepsake/repository/backend/memory"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// crashFiles is little, and more than one small pack.
func crashFiles(seed uint64) files {
	return files{
		"same/a":  randomBytes(1, 150_000),
		"same/b":  textBytes(1, 100_000),
		"own/a":   randomBytes(100+seed, 150_000),
		"own/b":   textBytes(200+seed, 50_000),
		"own/c":   randomBytes(300+seed, 90_000),
		"empty":   {},
		"top.txt": textBytes(400+seed, 500),
	}
}

// crashBase is a repository with two versions in small packs.
type crashBase struct {
	m        *memory.Backend
	versions map[format.ID]files
	ids      []format.ID
}

// smallPacks makes a run of many steps of little data.
func smallPacks(r *Repository) *Repository {
	r.times = quick
	r.times.settle = time.Microsecond
	r.o.PackSize = 128 << 10
	return r
}

func openSmall(ctx context.Context, be backend.Backend, password string) (*Repository, error) {
	r, err := Open(ctx, be, secret.NewRepositoryPassword(password), Options{})
	if err != nil {
		return nil, err
	}
	return smallPacks(r), nil
}

func within(ctx context.Context, r *Repository, mode Mode, f func(*Session) error) error {
	s, err := r.Begin(ctx, mode, 0)
	if err != nil {
		return err
	}
	err = f(s)
	if cerr := s.Close(); err == nil {
		err = cerr
	}
	return err
}

func newCrashBase(t *testing.T) crashBase {
	t.Helper()
	b := crashBase{memory.New(), map[format.ID]files{}, nil}
	r := smallPacks(initIn(t, b.m, Options{}))
	for i := range uint64(2) {
		f := crashFiles(i)
		err := within(t.Context(), r, Shared, func(s *Session) error {
			id, err := backupFiles(t.Context(), s, f, time.Date(2026, 1, 1+int(i), 0, 0, 0, 0, time.UTC))
			b.versions[id] = f
			b.ids = append(b.ids, id)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// TestKilled kills each operation after every change that it makes to the store.
// Whatever n is: the data are whole, old versions restore, and the same
// operation, started again, comes to its end. A part of the states is shown to
// restic.
func TestKilled(t *testing.T) {
	base := newCrashBase(t)
	second := memory.New() // a copy in another repository, and one version more
	other := smallPacks(initIn(t, second, Options{}))
	mine, err := openSmall(t.Context(), base.m.Clone(), testPassword)
	if err != nil {
		t.Fatal(err)
	}
	err = within(t.Context(), mine, Shared, func(from *Session) error {
		return within(t.Context(), other, Shared, func(to *Session) error {
			all, err := from.Snapshots(t.Context())
			if err == nil {
				_, err = to.CopyFrom(t.Context(), from, all, nil)
			}
			if err == nil {
				_, err = backupFiles(t.Context(), to, crashFiles(9), time.Now())
			}
			return err
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	withOther := func(ctx context.Context, f func(*Session) error) error {
		r, err := openSmall(ctx, second.Clone(), testPassword)
		if err != nil {
			return err
		}
		return within(ctx, r, Shared, f)
	}
	ignore := func(Problem) {}
	tests := []struct {
		name    string
		prepare func(*testing.T, *memory.Backend) // before the operation
		run     func(context.Context, *Repository) error
		gone    int  // versions that the operation removes
		damaged bool // until the operation has come to its end
	}{
		{name: "write", run: func(ctx context.Context, r *Repository) error {
			return within(ctx, r, Shared, func(s *Session) error {
				_, err := backupFiles(ctx, s, crashFiles(5), time.Now())
				return err
			})
		}},
		{name: "forget", gone: 1, run: func(ctx context.Context, r *Repository) error {
			return within(ctx, r, Exclusive, func(s *Session) error { return s.Forget(ctx, base.ids[:1]) })
		}},
		{name: "prune", gone: 1,
			prepare: func(t *testing.T, m *memory.Backend) {
				m.Put(backend.Handle{Type: backend.SnapshotFile, Name: base.ids[0].String()}, nil)
			},
			run: func(ctx context.Context, r *Repository) error {
				_, err := r.Prune(ctx, PruneOptions{})
				return err
			}},
		{name: "copy", run: func(ctx context.Context, r *Repository) error {
			return withOther(ctx, func(from *Session) error {
				return within(ctx, r, Shared, func(to *Session) error {
					all, err := from.Snapshots(ctx)
					if err == nil {
						_, err = to.CopyFrom(ctx, from, all, nil)
					}
					return err
				})
			})
		}},
		{name: "rebuild index", damaged: true,
			prepare: func(t *testing.T, m *memory.Backend) {
				for _, h := range m.Handles() {
					if h.Type == backend.IndexFile {
						m.Put(h, nil)
						return
					}
				}
			},
			run: func(ctx context.Context, r *Repository) error {
				return within(ctx, r, Exclusive, func(s *Session) error {
					_, err := s.RebuildIndex(ctx, false, ignore)
					return err
				})
			}},
		{name: "repair packs", damaged: true,
			prepare: func(t *testing.T, m *memory.Backend) {
				for i, h := range m.Handles() {
					if data := m.Bytes(h); h.Type == backend.PackFile && i%2 == 0 {
						data[len(data)/2] ^= 1
						m.Put(h, data)
					}
				}
			},
			run: func(ctx context.Context, r *Repository) error {
				return withOther(ctx, func(from *Session) error {
					return within(ctx, r, Exclusive, func(s *Session) error {
						found, err := s.Check(ctx, CheckOptions{ReadData: true}, ignore)
						if err == nil {
							_, err = s.RepairPacks(ctx, found.DamagedPacks, from, ignore)
						}
						return err
					})
				})
			}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			start := base.m.Clone()
			if tt.prepare != nil {
				tt.prepare(t, start)
			}
			// The number of packs is left to chance: the end is when nothing was killed.
			for n := 0; ; n++ {
				m := start.Clone()
				killed := fault.New(m)
				r, err := openSmall(t.Context(), killed, testPassword)
				if err != nil {
					t.Fatal(err)
				}
				killed.KillAfterChanges(n)
				err = tt.run(t.Context(), r)
				if !killed.Killed() {
					if err != nil || n < 3 {
						t.Fatalf("after %d changes: %v", n, err)
					}
					t.Logf("killed after each of %d changes", n)
					survives(t, m, base.versions, false, tt.gone, true)
					break
				}
				if !errors.Is(err, fault.ErrKilled) {
					t.Fatalf("killed after change %d, it ends with %v", n, err)
				}
				survives(t, m, base.versions, tt.damaged, tt.gone, n%4 == 0)
				again, err := openSmall(t.Context(), m, testPassword)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := again.Unlock(t.Context(), true); err != nil { // the dead one's
					t.Fatal(err)
				}
				if err := tt.run(t.Context(), again); err != nil {
					t.Fatalf("killed after change %d, started again: %v", n, err)
				}
				survives(t, m, base.versions, false, tt.gone, false)
				if t.Failed() {
					t.Fatalf("killed after change %d", n)
				}
			}
		})
	}
}

// survives tells whether all data are whole and all versions but gone ones
// restore.
func survives(t *testing.T, m *memory.Backend, versions map[format.ID]files, damaged bool, gone int, withRestic bool) {
	t.Helper()
	r, err := openSmall(t.Context(), m, testPassword)
	if err != nil {
		t.Fatal(err)
	}
	s := begin(t, r, Unlocked)
	all, err := s.Snapshots(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	left := 0
	for _, sn := range all {
		if f, ok := versions[sn.ID]; ok {
			left++
			if !damaged {
				wantFiles(t, s, sn.ID, f)
			}
		}
	}
	if left < len(versions)-gone {
		t.Errorf("%d of %d versions are left", left, len(versions))
	}
	if damaged {
		return
	}
	_, err = s.Check(t.Context(), CheckOptions{ReadData: true}, func(p Problem) {
		if p.Severity == Damage {
			t.Errorf("check: %v", p)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if withRestic {
		if out := restic(t, dump(t, m), "check", "--read-data", "--no-lock"); !strings.Contains(out, "no errors were found") {
			t.Error(out)
		}
	}
}

// A change of the password that is killed leaves a password that opens: the old
// one, the new one, or both.
func TestKeyChangeKilled(t *testing.T) {
	base := newCrashBase(t)
	const changed = "battery staple"
	for n := 0; ; n++ {
		m := base.m.Clone()
		killed := fault.New(m)
		r, err := openSmall(t.Context(), killed, testPassword)
		if err != nil {
			t.Fatal(err)
		}
		killed.KillAfterChanges(n)
		_, err = r.changePassword(t.Context(), secret.NewRepositoryPassword(changed), "test", "test", cheap)
		opens := 0
		for _, password := range []string{testPassword, changed} {
			if r, err := openSmall(t.Context(), m, password); err == nil {
				opens++
				if n < 4 {
					wantClean(t, r)
				}
			} else if !errors.Is(err, ErrWrongPassword) {
				t.Errorf("killed after change %d: %v", n, err)
			}
		}
		if opens == 0 {
			t.Fatalf("killed after change %d, no password opens", n)
		}
		if !killed.Killed() {
			if err != nil || opens != 1 {
				t.Errorf("not killed: %v, %d passwords open", err, opens)
			}
			return
		}
		if err == nil {
			t.Errorf("killed after change %d, it says that it succeeded", n)
		}
	}
}

// An Init that is killed can be started again, and one over the remains of a
// repository is refused.
func TestInitKilled(t *testing.T) {
	for n := 0; ; n++ {
		m := memory.New()
		killed := fault.New(m)
		killed.KillAfterChanges(n)
		password := secret.NewRepositoryPassword(testPassword)
		_, err := Init(t.Context(), killed, password, InitOptions{Options: Options{KDF: cheap}})
		if !killed.Killed() {
			if err != nil {
				t.Fatal(err)
			}
			if _, err := Init(t.Context(), m, password, InitOptions{Options: Options{KDF: cheap}}); !errors.Is(err, backend.ErrExist) {
				t.Errorf("init over a repository: %v", err)
			}
			break
		}
		if _, err := Init(t.Context(), m, password, InitOptions{Options: Options{KDF: cheap}}); err != nil {
			t.Errorf("killed after change %d, init again: %v", n, err)
		}
		if _, err := openSmall(t.Context(), m, testPassword); err != nil {
			t.Errorf("killed after change %d, open: %v", n, err)
		}
	}
	m := newCrashBase(t).m
	m.Put(backend.Handle{Type: backend.ConfigFile}, nil)
	before := len(m.Handles())
	if _, err := Init(t.Context(), m, secret.NewRepositoryPassword("x"), InitOptions{Options: Options{KDF: cheap}}); !errors.Is(err, backend.ErrExist) {
		t.Errorf("init over what has lost its config: %v", err)
	}
	if after := len(m.Handles()); after != before {
		t.Errorf("a refused init left %d files of %d", after, before)
	}
}
