// Package backendtest holds every backend and every wrapper of backends to the
// contract in package backend.
//
//	func TestConformance(t *testing.T) {
//		backendtest.Run(t, func(t *testing.T) backend.Backend { return memory.New() })
//	}
//
// The store is asked for what the engine relies on: whole files or none, exact
// ranges, errors that can be told apart, listings without strangers, and an end
// when the context ends. A store that cannot do something the contract leaves
// open says so in Options; nothing is left out otherwise.
package backendtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

// Options say where a store differs within the contract. The zero value is a
// store that can do everything.
type Options struct {
	// HashedNames: the store refuses a file whose SHA-256 is not its name, as
	// rest-server does. Replacing a file of another size cannot be tried then.
	HashedNames bool
	// NoReplace: a Save over a file of another size is an error and leaves the
	// old one whole.
	NoReplace bool
	// OnlyLocks: Remove of anything but locks is ErrReadOnly.
	OnlyLocks bool
	// RacyConfig: of several Saves of the config at the same time more than one
	// may succeed, because the store has no atomic way.
	RacyConfig bool
	// Many is how many small files the long listing has; 0 is 60. Stores that
	// list in pages want more than a page.
	Many int
	// Plant writes a foreign file at a path (with slashes) below the root of the
	// store behind b, without b's help. Nil where a test has no way to do so:
	// then nothing foreign is looked for.
	Plant func(t testing.TB, b backend.Backend, path string, data []byte)
}

// Run tests the stores that open gives: a new and empty one for each call. Run
// calls Create where there is one, and closes each store.
func Run(t *testing.T, open func(t *testing.T) backend.Backend) {
	t.Helper()
	RunWith(t, Options{}, open)
}

// RunWith is Run for a store that differs within the contract.
func RunWith(t *testing.T, o Options, open func(t *testing.T) backend.Backend) {
	t.Helper()
	for _, c := range checks {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			s := &suite{Options: o, open: func() backend.Backend { return open(t) }}
			s.run(t, c)
		})
	}
}

type check struct {
	name string
	run  func(t testing.TB, s *suite, b backend.Backend)
}

var checks = slices.Concat(saveChecks, loadChecks, listChecks, removeChecks, contextChecks, concurrentChecks)

type suite struct {
	Options
	open func() backend.Backend
}

func (s *suite) run(t testing.TB, c check) {
	b := s.open()
	closed := false
	defer func() {
		if !closed {
			b.Close()
		}
	}()
	if creator, ok := backend.As[backend.Creator](b); ok {
		for range 2 {
			if err := creator.Create(t.Context()); err != nil {
				t.Fatalf("create: %v", err)
			}
		}
	}
	c.run(t, s, b)
	closed = true
	if err := b.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// file is a file for the store: its name is the hash of its bytes, except for
// the config.
type file struct {
	backend.Handle
	data []byte
}

// newFile makes size bytes that are the same for the same seed.
func newFile(t backend.FileType, size int, seed uint64) file {
	data := make([]byte, size)
	key := sha256.Sum256([]byte{byte(t), byte(seed), byte(seed >> 8), byte(size), byte(size >> 8), byte(size >> 16)})
	rand.NewChaCha8(key).Read(data)
	f := file{backend.Handle{Type: t}, data}
	if t != backend.ConfigFile {
		sum := sha256.Sum256(data)
		f.Name = hex.EncodeToString(sum[:])
	}
	return f
}

func (f file) content() backend.Content { return bytes.NewReader(f.data) }

func (f file) id() string {
	if f.Name == "" {
		return "config"
	}
	return f.Name
}

func save(t testing.TB, b backend.Backend, files ...file) {
	t.Helper()
	for _, f := range files {
		if err := b.Save(t.Context(), f.Handle, f.content()); err != nil {
			t.Fatalf("save %v of %d bytes: %v", f.Handle, len(f.data), err)
		}
	}
}

// load gives what one call of fn read; every call has to begin at the start.
func load(t testing.TB, b backend.Backend, h backend.Handle, offset, length int64) ([]byte, error) {
	t.Helper()
	var data []byte
	err := b.Load(t.Context(), h, offset, length, func(r io.Reader) error {
		var err error
		data, err = io.ReadAll(r)
		return err
	})
	return data, err
}

func wantFile(t testing.TB, b backend.Backend, f file) {
	t.Helper()
	got, err := load(t, b, f.Handle, 0, 0)
	if err != nil {
		t.Errorf("load %v: %v", f.Handle, err)
		return
	}
	if !bytes.Equal(got, f.data) {
		t.Errorf("load %v: got %d bytes that are not the %d that were saved", f.Handle, len(got), len(f.data))
	}
	info, err := b.Stat(t.Context(), f.Handle)
	if err != nil || info != (backend.FileInfo{Name: f.Name, Size: int64(len(f.data))}) {
		t.Errorf("stat %v: got %+v, %v; want size %d", f.Handle, info, err, len(f.data))
	}
}

// wantNone requires that a file is neither loaded nor listed nor has a size.
func wantNone(t testing.TB, b backend.Backend, h backend.Handle) {
	t.Helper()
	if info, err := b.Stat(t.Context(), h); !errors.Is(err, backend.ErrNotExist) {
		t.Errorf("stat %v: got %+v, %v; want ErrNotExist", h, info, err)
	}
	called := false
	err := b.Load(t.Context(), h, 0, 0, func(io.Reader) error { called = true; return nil })
	if !errors.Is(err, backend.ErrNotExist) || called {
		t.Errorf("load %v: got %v, fn called: %v; want ErrNotExist and no call", h, err, called)
	}
	if h.Type == backend.ConfigFile {
		return
	}
	if _, there := list(t, b, h.Type)[h.Name]; there {
		t.Errorf("list: %v is there", h)
	}
}

// list gives the sizes of all files of a type by name.
func list(t testing.TB, b backend.Backend, typ backend.FileType) map[string]int64 {
	t.Helper()
	sizes := map[string]int64{}
	err := b.List(t.Context(), typ, func(f backend.FileInfo) error {
		if _, twice := sizes[f.Name]; twice {
			t.Errorf("list %v files: %s comes twice", typ, f.Name)
		}
		sizes[f.Name] = f.Size
		return nil
	})
	if err != nil {
		t.Errorf("list %v files: %v", typ, err)
	}
	return sizes
}

func wantNamed(t testing.TB, err error, f file) {
	t.Helper()
	if err != nil && !strings.Contains(err.Error(), f.id()) {
		t.Errorf("error %q does not name %s", err, f.id())
	}
}

// contentFunc is a content of size bytes whose reading is up to a function.
type contentFunc struct {
	size int64
	read func(p []byte, off int64) (int, error)
}

func (c contentFunc) Size() int64                             { return c.size }
func (c contentFunc) ReadAt(p []byte, off int64) (int, error) { return c.read(p, off) }

// watched is f's content; at is called once, before the first reading that
// reaches behind the byte at offset from.
func (f file) watched(from int64, at func()) backend.Content {
	done := false
	return contentFunc{int64(len(f.data)), func(p []byte, off int64) (int, error) {
		if !done && off+int64(len(p)) > from {
			done = true
			at()
		}
		return bytes.NewReader(f.data).ReadAt(p, off)
	}}
}

func cancelled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
