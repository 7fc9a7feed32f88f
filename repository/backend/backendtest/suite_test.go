package backendtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/memory"
)

// recorder takes what a check has to complain of, in the place of a test.
type recorder struct {
	testing.TB // for Context and the like
	mu         sync.Mutex
	complaints []string
}

func (r *recorder) Helper() {}

func (r *recorder) Error(args ...any)                 { r.add(fmt.Sprint(args...)) }
func (r *recorder) Errorf(format string, args ...any) { r.add(fmt.Sprintf(format, args...)) }
func (r *recorder) Fatal(args ...any)                 { r.add(fmt.Sprint(args...)); runtime.Goexit() }
func (r *recorder) Fatalf(format string, args ...any) {
	r.add(fmt.Sprintf(format, args...))
	runtime.Goexit()
}

func (r *recorder) add(s string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.complaints = append(r.complaints, s)
}

// complaints runs one check on a store.
func complaints(t *testing.T, name string, o Options, b backend.Backend) []string {
	t.Helper()
	i := slices.IndexFunc(checks, func(c check) bool { return c.name == name })
	if i < 0 {
		t.Fatalf("there is no check %q", name)
	}
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() { // Fatal ends a goroutine
		defer close(done)
		(&suite{Options: o, open: func() backend.Backend { return b }}).run(r, checks[i])
	}()
	<-done
	return r.complaints
}

// broken is a good store with some of its methods replaced.
type broken struct {
	*memory.Backend
	properties func() backend.Properties
	save       func(ctx context.Context, h backend.Handle, data backend.Content) error
	load       func(ctx context.Context, h backend.Handle, offset, length int64, fn func(io.Reader) error) error
	stat       func(ctx context.Context, h backend.Handle) (backend.FileInfo, error)
	list       func(ctx context.Context, t backend.FileType, fn func(backend.FileInfo) error) error
	remove     func(ctx context.Context, h backend.Handle) error
	close      func() error
}

func newBroken() *broken {
	m := memory.New()
	return &broken{m, m.Properties, m.Save, m.Load, m.Stat, m.List, m.Remove, m.Close}
}

func (b *broken) Properties() backend.Properties { return b.properties() }
func (b *broken) Save(ctx context.Context, h backend.Handle, data backend.Content) error {
	return b.save(ctx, h, data)
}
func (b *broken) Load(ctx context.Context, h backend.Handle, offset, length int64, fn func(io.Reader) error) error {
	return b.load(ctx, h, offset, length, fn)
}
func (b *broken) Stat(ctx context.Context, h backend.Handle) (backend.FileInfo, error) {
	return b.stat(ctx, h)
}
func (b *broken) List(ctx context.Context, t backend.FileType, fn func(backend.FileInfo) error) error {
	return b.list(ctx, t, fn)
}
func (b *broken) Remove(ctx context.Context, h backend.Handle) error { return b.remove(ctx, h) }
func (b *broken) Close() error                                       { return b.close() }

func readContent(data backend.Content) []byte {
	all := make([]byte, data.Size())
	n, _ := io.ReadFull(io.NewSectionReader(data, 0, data.Size()), all)
	return all[:n]
}

var background = context.Background()

// flaws are ways to break the contract, each with the check that must see it.
var flaws = []struct {
	flaw, check string
	breakIt     func(b *broken)
}{
	{"no location", "properties", func(b *broken) {
		b.properties = func() backend.Properties { return backend.Properties{Connections: 1} }
	}},
	{"no connections", "properties", func(b *broken) {
		b.properties = func() backend.Properties { return backend.Properties{Location: "x"} }
	}},
	{"close fails", "properties", func(b *broken) { b.close = func() error { return errors.New("still busy") } }},
	{"save takes any handle", "bad handles", func(b *broken) {
		b.save = func(_ context.Context, h backend.Handle, data backend.Content) error {
			b.Put(h, readContent(data))
			return nil
		}
	}},
	{"load takes any handle", "bad handles", func(b *broken) {
		b.load = func(_ context.Context, _ backend.Handle, _, _ int64, fn func(io.Reader) error) error { return nil }
	}},
	{"stat takes any handle", "bad handles", func(b *broken) {
		b.stat = func(_ context.Context, h backend.Handle) (backend.FileInfo, error) { return backend.FileInfo{}, nil }
	}},
	{"remove takes any handle", "bad handles", func(b *broken) {
		b.remove = func(context.Context, backend.Handle) error { return nil }
	}},
	{"list takes any type", "bad handles", func(b *broken) {
		b.list = func(context.Context, backend.FileType, func(backend.FileInfo) error) error { return nil }
	}},
	{"loses writes", "save and load", func(b *broken) {
		b.save = func(context.Context, backend.Handle, backend.Content) error { return nil }
	}},
	{"loses the last byte", "save and load", func(b *broken) {
		b.save = func(ctx context.Context, h backend.Handle, data backend.Content) error {
			all := readContent(data)
			return b.Backend.Save(ctx, h, bytes.NewReader(all[:len(all)-1]))
		}
	}},
	{"flips a bit", "save and load", func(b *broken) {
		b.save = func(ctx context.Context, h backend.Handle, data backend.Content) error {
			all := readContent(data)
			all[len(all)/2] ^= 4
			return b.Backend.Save(ctx, h, bytes.NewReader(all))
		}
	}},
	{"mixes up the types", "list by type", func(b *broken) {
		b.save = func(ctx context.Context, h backend.Handle, data backend.Content) error {
			if h.Type == backend.SnapshotFile {
				h.Type = backend.IndexFile
			}
			return b.Backend.Save(ctx, h, data)
		}
	}},
	{"refuses empty files", "empty file", func(b *broken) {
		b.save = func(ctx context.Context, h backend.Handle, data backend.Content) error {
			if data.Size() == 0 {
				return errors.New("there is nothing to save")
			}
			return b.Backend.Save(ctx, h, data)
		}
	}},
	{"cuts off at 16 MiB", "large file", func(b *broken) {
		b.save = func(ctx context.Context, h backend.Handle, data backend.Content) error {
			return b.Backend.Save(ctx, h, io.NewSectionReader(data, 0, min(data.Size(), 16<<20)))
		}
	}},
	{"refuses a repeated save", "save again", func(b *broken) {
		b.save = func(ctx context.Context, h backend.Handle, data backend.Content) error {
			if _, err := b.Backend.Stat(ctx, h); err == nil {
				return fmt.Errorf("save %v: %w", h, backend.ErrExist)
			}
			return b.Backend.Save(ctx, h, data)
		}
	}},
	{"never replaces", "save over another size", func(b *broken) {
		b.save = func(ctx context.Context, h backend.Handle, data backend.Content) error {
			if _, err := b.Backend.Stat(ctx, h); err == nil {
				return nil
			}
			return b.Backend.Save(ctx, h, data)
		}
	}},
	{"writes over without truncating", "save over another size", func(b *broken) {
		b.save = func(ctx context.Context, h backend.Handle, data backend.Content) error {
			all := readContent(data)
			if old := b.Bytes(h); len(old) > len(all) {
				all = append(all, old[len(all):]...)
			}
			b.Put(h, all)
			return nil
		}
	}},
	{"writes over the config", "config", func(b *broken) {
		b.save = func(_ context.Context, h backend.Handle, data backend.Content) error {
			b.Put(h, readContent(data))
			return nil
		}
	}},
	{"takes a config of the same size for the same", "config", func(b *broken) {
		b.save = func(ctx context.Context, h backend.Handle, data backend.Content) error {
			if info, err := b.Backend.Stat(ctx, h); err == nil && info.Size == data.Size() {
				return nil
			}
			return b.Backend.Save(ctx, h, data)
		}
	}},
	{"reads from the position", "content", func(b *broken) {
		b.save = func(ctx context.Context, h backend.Handle, data backend.Content) error {
			if r, ok := data.(io.Reader); ok {
				all, _ := io.ReadAll(r)
				data = bytes.NewReader(all)
			}
			return b.Backend.Save(ctx, h, data)
		}
	}},
	{"keeps the caller's bytes", "content", func(b *broken) {
		kept := map[backend.Handle]backend.Content{}
		b.save = func(_ context.Context, h backend.Handle, data backend.Content) error { kept[h] = data; return nil }
		b.load = func(ctx context.Context, h backend.Handle, offset, length int64, fn func(io.Reader) error) error {
			b.Put(h, readContent(kept[h]))
			return b.Backend.Load(ctx, h, offset, length, fn)
		}
	}},
	{"takes io.EOF with bytes for an error", "content", func(b *broken) {
		b.save = func(ctx context.Context, h backend.Handle, data backend.Content) error {
			if _, err := data.ReadAt(make([]byte, data.Size()), 0); err != nil {
				return err
			}
			return b.Backend.Save(ctx, h, data)
		}
	}},
	{"keeps what it got of a broken content", "broken content", func(b *broken) {
		b.save = func(ctx context.Context, h backend.Handle, data backend.Content) error {
			err := b.Backend.Save(ctx, h, data)
			if err != nil {
				b.Put(h, readContent(data))
			}
			return err
		}
	}},
	{"takes a short content for a whole one", "broken content", func(b *broken) {
		b.save = func(ctx context.Context, h backend.Handle, data backend.Content) error {
			if err := b.Backend.Save(ctx, h, data); !errors.Is(err, io.ErrUnexpectedEOF) {
				return err
			}
			b.Put(h, readContent(data))
			return nil
		}
	}},
	{"hides why a content broke", "broken content", func(b *broken) {
		b.save = func(ctx context.Context, h backend.Handle, data backend.Content) error {
			if err := b.Backend.Save(ctx, h, data); err != nil {
				return fmt.Errorf("%v", err)
			}
			return nil
		}
	}},
	{"shows half a file", "never half written", func(b *broken) {
		b.save = func(ctx context.Context, h backend.Handle, data backend.Content) error {
			size := data.Size()
			b.Put(h, readContent(io.NewSectionReader(data, 0, size/2)))
			rest := readContent(io.NewSectionReader(data, size/2, size-size/2))
			b.Put(h, append(b.Bytes(h), rest...))
			return nil
		}
	}},
	{"ignores the offset", "ranges", func(b *broken) {
		b.load = func(ctx context.Context, h backend.Handle, _, length int64, fn func(io.Reader) error) error {
			return b.Backend.Load(ctx, h, 0, length, fn)
		}
	}},
	{"ignores the length", "ranges", func(b *broken) {
		b.load = func(ctx context.Context, h backend.Handle, offset, _ int64, fn func(io.Reader) error) error {
			return b.Backend.Load(ctx, h, offset, 0, fn)
		}
	}},
	{"takes the length for the last byte", "ranges", func(b *broken) {
		b.load = func(ctx context.Context, h backend.Handle, offset, length int64, fn func(io.Reader) error) error {
			if size := int64(len(b.Bytes(h))); length > 0 && offset+length < size {
				length++
			}
			return b.Backend.Load(ctx, h, offset, length, fn)
		}
	}},
	{"takes negative ranges", "ranges", func(b *broken) {
		b.load = func(ctx context.Context, h backend.Handle, offset, length int64, fn func(io.Reader) error) error {
			return b.Backend.Load(ctx, h, max(offset, 0), max(length, 0), fn)
		}
	}},
	{"gives what there is of a range", "short", func(b *broken) {
		b.load = func(ctx context.Context, h backend.Handle, offset, length int64, fn func(io.Reader) error) error {
			all := b.Bytes(h)
			offset = min(offset, int64(len(all)))
			return fn(bytes.NewReader(all[offset:min(offset+length, int64(len(all)))]))
		}
	}},
	{"leaves it to fn to see that a range is short", "short", func(b *broken) {
		b.load = func(ctx context.Context, h backend.Handle, offset, length int64, fn func(io.Reader) error) error {
			all := b.Bytes(h)
			return fn(backend.NewReader(ctx, bytes.NewReader(all[min(offset, int64(len(all))):]), length))
		}
	}},
	{"has its own error for short files", "short", func(b *broken) {
		b.load = func(ctx context.Context, h backend.Handle, offset, length int64, fn func(io.Reader) error) error {
			if err := b.Backend.Load(ctx, h, offset, length, fn); err != nil {
				return errors.New("416 Range Not Satisfiable")
			}
			return nil
		}
	}},
	{"swallows fn's error", "load function", func(b *broken) {
		b.load = func(ctx context.Context, h backend.Handle, offset, length int64, fn func(io.Reader) error) error {
			return b.Backend.Load(ctx, h, offset, length, func(r io.Reader) error { fn(r); return nil })
		}
	}},
	{"hides fn's error", "load function", func(b *broken) {
		b.load = func(ctx context.Context, h backend.Handle, offset, length int64, fn func(io.Reader) error) error {
			if err := b.Backend.Load(ctx, h, offset, length, fn); err != nil {
				return fmt.Errorf("load %v: %v", h, err)
			}
			return nil
		}
	}},
	{"tries again after fn's error", "load function", func(b *broken) {
		b.load = func(ctx context.Context, h backend.Handle, offset, length int64, fn func(io.Reader) error) error {
			if b.Backend.Load(ctx, h, offset, length, fn) == nil {
				return nil
			}
			return b.Backend.Load(ctx, h, offset, length, fn)
		}
	}},
	{"goes on where fn stopped", "load function", func(b *broken) {
		b.load = func(ctx context.Context, h backend.Handle, offset, length int64, fn func(io.Reader) error) error {
			return b.Backend.Load(ctx, h, offset, length, func(r io.Reader) error {
				if err := fn(r); err == nil {
					return nil
				}
				return fn(r)
			})
		}
	}},
	{"insists on being read to the end", "load function", func(b *broken) {
		b.load = func(ctx context.Context, h backend.Handle, offset, length int64, fn func(io.Reader) error) error {
			return b.Backend.Load(ctx, h, offset, length, func(r io.Reader) error {
				if err := fn(r); err != nil {
					return err
				}
				if n, _ := r.Read(make([]byte, 1)); n > 0 {
					return errors.New("there is more")
				}
				return nil
			})
		}
	}},
	{"has its own error for missing files", "missing", func(b *broken) {
		b.load = func(ctx context.Context, h backend.Handle, offset, length int64, fn func(io.Reader) error) error {
			if err := b.Backend.Load(ctx, h, offset, length, fn); err != nil {
				return fmt.Errorf("load %v: 404 Not Found", h)
			}
			return nil
		}
	}},
	{"loads a missing file as an empty one", "missing", func(b *broken) {
		b.load = func(_ context.Context, _ backend.Handle, _, _ int64, fn func(io.Reader) error) error {
			return fn(bytes.NewReader(nil))
		}
	}},
	{"does not name files in its errors", "missing", func(b *broken) {
		b.stat = func(context.Context, backend.Handle) (backend.FileInfo, error) {
			return backend.FileInfo{}, backend.ErrNotExist
		}
	}},
	{"removes missing files", "missing", func(b *broken) {
		b.remove = func(context.Context, backend.Handle) error { return nil }
	}},
	{"stat gives no name", "save and load", func(b *broken) {
		b.stat = func(ctx context.Context, h backend.Handle) (backend.FileInfo, error) {
			info, err := b.Backend.Stat(ctx, h)
			info.Name = ""
			return info, err
		}
	}},
	{"stat lies", "save and load", func(b *broken) {
		b.stat = func(ctx context.Context, h backend.Handle) (backend.FileInfo, error) {
			info, err := b.Backend.Stat(ctx, h)
			info.Size++
			return info, err
		}
	}},
	{"cannot list nothing", "list of nothing", func(b *broken) {
		b.list = func(ctx context.Context, t backend.FileType, fn func(backend.FileInfo) error) error {
			n := 0
			if err := b.Backend.List(ctx, t, func(f backend.FileInfo) error { n++; return fn(f) }); err != nil || n > 0 {
				return err
			}
			return fmt.Errorf("list %v files: %w", t, backend.ErrNotExist)
		}
	}},
	{"lists wrong sizes", "list by type", func(b *broken) {
		b.list = func(ctx context.Context, t backend.FileType, fn func(backend.FileInfo) error) error {
			return b.Backend.List(ctx, t, func(f backend.FileInfo) error { f.Size = 0; return fn(f) })
		}
	}},
	{"lists twice", "list by type", func(b *broken) {
		b.list = func(ctx context.Context, t backend.FileType, fn func(backend.FileInfo) error) error {
			if err := b.Backend.List(ctx, t, fn); err != nil {
				return err
			}
			return b.Backend.List(ctx, t, fn)
		}
	}},
	{"lists the first page only", "list many", func(b *broken) {
		b.list = func(ctx context.Context, t backend.FileType, fn func(backend.FileInfo) error) error {
			n := 0
			return b.Backend.List(ctx, t, func(f backend.FileInfo) error {
				if n++; n > 50 {
					return nil
				}
				return fn(f)
			})
		}
	}},
	{"lists one shard only", "list many", func(b *broken) {
		b.list = func(ctx context.Context, t backend.FileType, fn func(backend.FileInfo) error) error {
			return b.Backend.List(ctx, t, func(f backend.FileInfo) error {
				if t == backend.PackFile && f.Name[0] == 'f' {
					return nil
				}
				return fn(f)
			})
		}
	}},
	{"list goes on after fn's error", "list function", func(b *broken) {
		b.list = func(ctx context.Context, t backend.FileType, fn func(backend.FileInfo) error) error {
			var first error
			err := b.Backend.List(ctx, t, func(f backend.FileInfo) error {
				if err := fn(f); first == nil {
					first = err
				}
				return nil
			})
			return errors.Join(first, err)
		}
	}},
	{"list swallows fn's error", "list function", func(b *broken) {
		b.list = func(ctx context.Context, t backend.FileType, fn func(backend.FileInfo) error) error {
			_ = b.Backend.List(ctx, t, fn)
			return nil
		}
	}},
	{"removes nothing", "remove", func(b *broken) {
		b.remove = func(ctx context.Context, h backend.Handle) error {
			_, err := b.Backend.Stat(ctx, h)
			return err
		}
	}},
	{"removes all of a type", "remove", func(b *broken) {
		b.remove = func(ctx context.Context, h backend.Handle) error {
			for _, other := range b.Handles() {
				if other.Type == h.Type && other != h {
					b.Put(other, nil)
				}
			}
			return b.Backend.Remove(ctx, h)
		}
	}},
	{"lists what was removed", "remove", func(b *broken) {
		seen := map[backend.FileInfo]backend.FileType{}
		b.list = func(ctx context.Context, t backend.FileType, fn func(backend.FileInfo) error) error {
			if err := b.Backend.List(ctx, t, func(f backend.FileInfo) error { seen[f] = t; return nil }); err != nil {
				return err
			}
			for _, h := range b.Handles() {
				seen[backend.FileInfo{Name: h.Name, Size: int64(len(b.Bytes(h)))}] = h.Type
			}
			for f, typ := range maps.Clone(seen) {
				if typ == t {
					if err := fn(f); err != nil {
						return err
					}
				}
			}
			return nil
		}
		remove := b.remove
		b.remove = func(ctx context.Context, h backend.Handle) error {
			if info, err := b.Backend.Stat(ctx, h); err == nil {
				seen[info] = h.Type
			}
			return remove(ctx, h)
		}
	}},
	{"save ignores the context", "context ended before", func(b *broken) {
		b.save = func(_ context.Context, h backend.Handle, data backend.Content) error {
			return b.Backend.Save(background, h, data)
		}
	}},
	{"load ignores the context", "context ended before", func(b *broken) {
		b.load = func(_ context.Context, h backend.Handle, offset, length int64, fn func(io.Reader) error) error {
			return b.Backend.Load(background, h, offset, length, fn)
		}
	}},
	{"stat ignores the context", "context ended before", func(b *broken) {
		b.stat = func(_ context.Context, h backend.Handle) (backend.FileInfo, error) {
			return b.Backend.Stat(background, h)
		}
	}},
	{"list ignores the context", "context ended before", func(b *broken) {
		b.list = func(_ context.Context, t backend.FileType, fn func(backend.FileInfo) error) error {
			return b.Backend.List(background, t, fn)
		}
	}},
	{"remove ignores the context", "context ended before", func(b *broken) {
		b.remove = func(_ context.Context, h backend.Handle) error { return b.Backend.Remove(background, h) }
	}},
	{"save looks at the context once", "context ends during save", func(b *broken) {
		b.save = func(ctx context.Context, h backend.Handle, data backend.Content) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return b.Backend.Save(background, h, data)
		}
	}},
	{"save stores though the context ended", "context ends during save", func(b *broken) {
		b.save = func(ctx context.Context, h backend.Handle, data backend.Content) error {
			if err := b.Backend.Save(background, h, data); err != nil {
				return err
			}
			return ctx.Err()
		}
	}},
	{"load looks at the context once", "context ends during load", func(b *broken) {
		b.load = func(ctx context.Context, h backend.Handle, offset, length int64, fn func(io.Reader) error) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return b.Backend.Load(background, h, offset, length, fn)
		}
	}},
	{"list looks at the context once", "context ends during list", func(b *broken) {
		b.list = func(ctx context.Context, t backend.FileType, fn func(backend.FileInfo) error) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return b.Backend.List(background, t, fn)
		}
	}},
	{"all saves share a buffer", "concurrent files", func(b *broken) {
		var mu sync.Mutex
		var shared []byte
		b.save = func(ctx context.Context, h backend.Handle, data backend.Content) error {
			mu.Lock()
			shared = readContent(data)
			mu.Unlock()
			time.Sleep(time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			return b.Backend.Save(ctx, h, bytes.NewReader(shared))
		}
	}},
	{"shows half a file to others", "concurrent saves of one file", func(b *broken) {
		b.save = func(_ context.Context, h backend.Handle, data backend.Content) error {
			all := readContent(data)
			b.Put(h, all[:len(all)/2])
			time.Sleep(20 * time.Millisecond)
			b.Put(h, all)
			return nil
		}
	}},
	{"looks, then writes the config", "concurrent configs", func(b *broken) {
		b.save = func(ctx context.Context, h backend.Handle, data backend.Content) error {
			if _, err := b.Backend.Stat(ctx, h); err == nil {
				return fmt.Errorf("save %v: %w", h, backend.ErrExist)
			}
			time.Sleep(10 * time.Millisecond)
			b.Put(h, readContent(data))
			return nil
		}
	}},
}

func TestSuite_findsFlaws(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range flaws {
		seen[f.check] = true
		t.Run(f.flaw, func(t *testing.T) {
			b := newBroken()
			f.breakIt(b)
			got := complaints(t, f.check, Options{}, b)
			if len(got) == 0 {
				t.Errorf("the check %q finds nothing wrong with a store that %s", f.check, f.flaw)
				return
			}
			t.Log(got[0])
		})
	}
	for _, c := range checks {
		if !seen[c.name] && c.name != "foreign files" {
			t.Errorf("no flaw proves that the check %q can fail", c.name)
		}
	}
}

// untidy shows foreign files in its listings.
func untidy(hide func(path string) bool) (*broken, func(testing.TB, backend.Backend, string, []byte)) {
	b := newBroken()
	foreign := map[string]int{}
	b.list = func(ctx context.Context, t backend.FileType, fn func(backend.FileInfo) error) error {
		for path, size := range foreign {
			dir, name, _ := bytes.Cut([]byte(path), []byte("/"))
			if string(dir) != t.Folder() || hide(path) {
				continue
			}
			if i := bytes.LastIndexByte(name, '/'); i >= 0 {
				name = name[i+1:]
			}
			if err := fn(backend.FileInfo{Name: string(name), Size: int64(size)}); err != nil {
				return err
			}
		}
		return b.Backend.List(ctx, t, fn)
	}
	return b, func(_ testing.TB, _ backend.Backend, path string, data []byte) { foreign[path] = len(data) }
}

func TestSuite_findsForeignFiles(t *testing.T) {
	tidy, plant := untidy(func(string) bool { return true })
	if got := complaints(t, "foreign files", Options{Plant: plant}, tidy); len(got) > 0 {
		t.Errorf("complains of a store that hides all: %q", got)
	}
	for name, hide := range map[string]func(path string) bool{
		"shows all":             func(string) bool { return false },
		"shows 64 characters":   func(path string) bool { return len(path) != len("data/ab/")+64 },
		"shows names with more": func(path string) bool { return !bytes.Contains([]byte(path), []byte("-tmp-")) },
	} {
		b, plant := untidy(hide)
		if got := complaints(t, "foreign files", Options{Plant: plant}, b); len(got) == 0 {
			t.Errorf("finds nothing wrong with a store that %s", name)
		}
	}
}

// The options have to bite too: what they excuse they demand.
func TestSuite_options(t *testing.T) {
	for _, c := range []struct {
		check string
		o     Options
	}{
		{"save over another size", Options{NoReplace: true}},
		{"remove", Options{OnlyLocks: true}},
		{"missing", Options{OnlyLocks: true}},
	} {
		if got := complaints(t, c.check, c.o, memory.New()); len(got) == 0 {
			t.Errorf("%q with %+v: no complaint of a store that does what it should not", c.check, c.o)
		}
	}
	racy := newBroken()
	for _, f := range flaws {
		if f.flaw == "looks, then writes the config" {
			f.breakIt(racy)
		}
	}
	if got := complaints(t, "concurrent configs", Options{RacyConfig: true}, racy); len(got) > 0 {
		t.Errorf("complains of a race that the store admits: %q", got)
	}
}

func TestSuite_findsNothingWrongWithAGoodStore(t *testing.T) {
	for _, c := range checks {
		if got := complaints(t, c.name, Options{}, newBroken()); len(got) > 0 {
			t.Errorf("%s: %q", c.name, got)
		}
	}
}
