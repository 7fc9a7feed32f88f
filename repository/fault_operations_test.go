package repository

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/memory"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/repository/internal/seal"
)

// tinyFiles is as little as makes several packs of tinyPack bytes.
func tinyFiles(seed uint64) files {
	return files{
		"same/a":  randomBytes(1, 3000),
		"same/b":  textBytes(1, 5000),
		"own/a":   randomBytes(100+seed, 3500),
		"own/b":   textBytes(200+seed, 3000),
		"own/c":   randomBytes(300+seed, 2500),
		"empty":   {},
		"top.txt": textBytes(400+seed, 300),
	}
}

const tinyPack = 4 << 10

// tiny makes every run one of many small steps.
func tiny(r *Repository) *Repository {
	r.times = resticTimes
	r.times.settle, r.times.poll, r.times.pollMax = time.Microsecond, time.Millisecond, time.Millisecond
	r.times.goodbye = 100 * time.Millisecond
	r.o.PackSize = tinyPack
	return r
}

// free is a key that costs nothing: thousands of runs open a repository.
var free = seal.Params{N: 2, R: 1, P: 1}

func initTiny(t *testing.T, be backend.Backend) *Repository {
	t.Helper()
	r, err := Init(t.Context(), be, secret.NewRepositoryPassword(testPassword), InitOptions{Options: Options{KDF: free}})
	if err != nil {
		t.Fatal(err)
	}
	return tiny(r)
}

func openTiny(ctx context.Context, be backend.Backend) (*Repository, error) {
	r, err := Open(ctx, be, secret.NewRepositoryPassword(testPassword), Options{})
	if err != nil {
		return nil, err
	}
	return tiny(r), nil
}

// tinyBase is a repository with two versions, and a copy of both in another one.
type tinyBase struct {
	m, second *memory.Backend
	versions  map[format.ID]files
	ids       []format.ID
}

func newTinyBase(t *testing.T) *tinyBase {
	t.Helper()
	b := &tinyBase{memory.New(), memory.New(), map[format.ID]files{}, nil}
	r, other := initTiny(t, b.m), initTiny(t, b.second)
	for i := range uint64(2) {
		f := tinyFiles(i)
		f["same/c"] = randomBytes(2, tinyPack+1000) // a pack of its own, which prune leaves alone
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
	if err := copyAll(t.Context(), other, r); err != nil {
		t.Fatal(err)
	}
	return b
}

// copyAll copies all versions of from that to does not have.
func copyAll(ctx context.Context, to, from *Repository) error {
	return within(ctx, from, Shared, func(src *Session) error {
		return within(ctx, to, Shared, func(dst *Session) error {
			all, err := src.Snapshots(ctx)
			if err == nil {
				_, err = dst.CopyFrom(ctx, src, all, nil)
			}
			return err
		})
	})
}

// operation is something that the engine does in a repository.
type operation struct {
	name string
	// start changes the repository before; may be nil.
	start func(*testing.T, *tinyBase, *memory.Backend)
	// run is the operation on an open repository; or on a store, if bare is set.
	run  func(context.Context, *tinyBase, *Repository) error
	bare func(context.Context, backend.Backend) error
	gone int // versions that it removes
	// mends: the repository is damaged until the operation has come to its end.
	mends bool
}

// collect turns damage that is reported into an error.
func collect(errs *[]error) func(Problem) {
	return func(p Problem) {
		if p.Severity == Damage {
			*errs = append(*errs, p)
		}
	}
}

func openSecond(ctx context.Context, b *tinyBase, f func(*Session) error) error {
	r, err := openTiny(ctx, b.second.Clone())
	if err != nil {
		return err
	}
	return within(ctx, r, Shared, f)
}

// readVersions reads all versions by read.
func readVersions(ctx context.Context, b *tinyBase, r *Repository, read func(*Session, *FS, string) ([]byte, error)) error {
	return within(ctx, r, Shared, func(s *Session) error {
		for id, want := range b.versions {
			sn, err := s.FindSnapshot(ctx, id.String())
			if err != nil {
				return err
			}
			f := s.FS(ctx, *sn.Tree)
			for name := range want {
				got, err := read(s, f, name)
				if err != nil {
					return err
				}
				if !bytes.Equal(got, want[name]) {
					return fmt.Errorf("read %s: wrong bytes were handed out", name)
				}
			}
		}
		return nil
	})
}

var operations = []operation{
	{name: "init", bare: func(ctx context.Context, be backend.Backend) error {
		_, err := Init(ctx, be, secret.NewRepositoryPassword(testPassword), InitOptions{Options: Options{KDF: free}})
		return err
	}},
	{name: "open", bare: func(ctx context.Context, be backend.Backend) error {
		_, err := openTiny(ctx, be)
		return err
	}},
	{name: "lock", run: func(ctx context.Context, _ *tinyBase, r *Repository) error {
		nothing := func(*Session) error { return nil }
		return errors.Join(within(ctx, r, Shared, nothing), within(ctx, r, Exclusive, nothing))
	}},
	{name: "unlock",
		start: func(t *testing.T, _ *tinyBase, m *memory.Backend) {
			r, err := openTiny(t.Context(), m)
			if err != nil {
				t.Fatal(err)
			}
			l := format.Lock{Time: time.Now().Add(-time.Hour), Hostname: "elsewhere", Username: "test", PID: 1}
			json, err := l.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := r.saveUnpacked(t.Context(), backend.LockFile, json); err != nil {
				t.Fatal(err)
			}
		},
		run: func(ctx context.Context, _ *tinyBase, r *Repository) error {
			_, err := r.Unlock(ctx, false)
			return err
		}},
	{name: "keys", run: func(ctx context.Context, _ *tinyBase, r *Repository) error {
		more := secret.NewRepositoryPassword("more")
		k, err := r.addKey(ctx, more, "test", "test", free)
		if err == nil {
			_, err = r.Keys(ctx)
		}
		if err == nil {
			err = r.RemoveKey(ctx, k.ID)
		}
		if err == nil {
			_, err = r.changePassword(ctx, secret.NewRepositoryPassword(testPassword), "test", "test", free)
		}
		return err
	}},
	{name: "write", run: func(ctx context.Context, _ *tinyBase, r *Repository) error {
		return within(ctx, r, Shared, func(s *Session) error {
			_, err := backupFiles(ctx, s, tinyFiles(5), time.Now())
			return err
		})
	}},
	{name: "read", run: func(ctx context.Context, b *tinyBase, r *Repository) error {
		return readVersions(ctx, b, r, func(_ *Session, f *FS, name string) ([]byte, error) {
			file, err := f.Open(name)
			if err != nil {
				return nil, err
			}
			return io.ReadAll(struct{ io.Reader }{file}) // by Read
		})
	}},
	{name: "fetch", run: func(ctx context.Context, b *tinyBase, r *Repository) error {
		return readVersions(ctx, b, r, func(_ *Session, f *FS, name string) ([]byte, error) {
			file, err := f.Open(name)
			if err != nil {
				return nil, err
			}
			var all bytes.Buffer
			_, err = file.(*File).WriteTo(&all) // by Fetch
			return all.Bytes(), err
		})
	}},
	{name: "check", run: func(ctx context.Context, _ *tinyBase, r *Repository) error {
		var errs []error
		err := within(ctx, r, Shared, func(s *Session) error {
			_, err := s.Check(ctx, CheckOptions{ReadData: true}, collect(&errs))
			return err
		})
		return errors.Join(append(errs, err)...)
	}},
	{name: "forget", gone: 1, run: func(ctx context.Context, b *tinyBase, r *Repository) error {
		return within(ctx, r, Exclusive, func(s *Session) error { return s.Forget(ctx, b.ids[:1]) })
	}},
	{name: "prune", gone: 1,
		start: func(_ *testing.T, b *tinyBase, m *memory.Backend) {
			m.Put(backend.Handle{Type: backend.SnapshotFile, Name: b.ids[0].String()}, nil)
		},
		run: func(ctx context.Context, _ *tinyBase, r *Repository) error {
			_, err := r.Prune(ctx, PruneOptions{})
			return err
		}},
	{name: "copy to", run: func(ctx context.Context, b *tinyBase, r *Repository) error {
		return openSecond(ctx, b, func(from *Session) error {
			return within(ctx, r, Shared, func(to *Session) error {
				all, err := from.Snapshots(ctx)
				if err == nil {
					to.names, to.snapshots = []format.ID{}, []Snapshot{} // copied whatever is there
					_, err = to.CopyFrom(ctx, from, all, nil)
				}
				if err == nil {
					_, err = backupFiles(ctx, to, tinyFiles(7), time.Now())
				}
				return err
			})
		})
	}},
	{name: "copy from", run: func(ctx context.Context, _ *tinyBase, r *Repository) error {
		m := memory.New()
		to, err := Init(context.WithoutCancel(ctx), m, secret.NewRepositoryPassword(testPassword), InitOptions{Options: Options{KDF: free}})
		if err != nil {
			return err
		}
		return copyAll(ctx, tiny(to), r)
	}},
	{name: "rebuild index", mends: true,
		start: func(_ *testing.T, _ *tinyBase, m *memory.Backend) { remove(m, backend.IndexFile, 0) },
		run: func(ctx context.Context, _ *tinyBase, r *Repository) error {
			var errs []error
			err := within(ctx, r, Exclusive, func(s *Session) error {
				_, err := s.RebuildIndex(ctx, false, collect(&errs))
				return err
			})
			return errors.Join(append(errs, err)...)
		}},
	{name: "repair packs", mends: true,
		start: func(_ *testing.T, _ *tinyBase, m *memory.Backend) {
			for i, h := range m.Handles() {
				if data := m.Bytes(h); h.Type == backend.PackFile && i%2 == 0 {
					data[len(data)/3] ^= 1
					m.Put(h, data)
				}
			}
		},
		run: func(ctx context.Context, b *tinyBase, r *Repository) error {
			var found CheckStats
			var errs []error
			err := openSecond(ctx, b, func(from *Session) error {
				return within(ctx, r, Exclusive, func(s *Session) (err error) {
					found, err = s.Check(ctx, CheckOptions{ReadData: true}, func(Problem) {})
					if err == nil {
						_, err = s.RepairPacks(ctx, found.DamagedPacks, from, collect(&errs))
					}
					return err
				})
			})
			return errors.Join(append(errs, err)...)
		}},
	{name: "repair snapshots", mends: true,
		start: func(_ *testing.T, b *tinyBase, m *memory.Backend) {
			h := backend.Handle{Type: backend.SnapshotFile, Name: b.ids[0].String()}
			data := m.Bytes(h)
			data[50] ^= 1
			m.Put(h, data)
		},
		run: func(ctx context.Context, b *tinyBase, r *Repository) error {
			var errs []error
			err := openSecond(ctx, b, func(from *Session) error {
				return within(ctx, r, Exclusive, func(s *Session) error {
					_, err := s.RepairSnapshots(ctx, from, collect(&errs))
					return err
				})
			})
			return errors.Join(append(errs, err)...)
		}},
}

// remove deletes the i-th file of a type.
func remove(m *memory.Backend, t backend.FileType, i int) backend.Handle {
	for _, h := range m.Handles() {
		if h.Type == t {
			if i == 0 {
				m.Put(h, nil)
				return h
			}
			i--
		}
	}
	panic("there is no such file")
}
