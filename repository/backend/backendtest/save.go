package backendtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

var saveChecks = []check{
	{"properties", checkProperties},
	{"bad handles", checkBadHandles},
	{"save and load", checkSaveLoad},
	{"empty file", checkEmptyFile},
	{"large file", checkLarge},
	{"save again", checkSaveAgain},
	{"save over another size", checkSaveOver},
	{"config", checkConfig},
	{"content", checkContent},
	{"broken content", checkBrokenContent},
	{"never half written", checkNeverHalf},
}

func checkProperties(t testing.TB, _ *suite, b backend.Backend) {
	p := b.Properties()
	if p.Location == "" {
		t.Error("the location is empty")
	}
	if p.Connections < 1 || p.Connections > 1000 {
		t.Errorf("connections: got %d, want one or some", p.Connections)
	}
	if again := b.Properties(); again != p {
		t.Errorf("properties: got %+v, then %+v", p, again)
	}
}

func checkBadHandles(t testing.TB, _ *suite, b backend.Backend) {
	name := newFile(backend.KeyFile, 1, 0).Name
	bad := []backend.Handle{
		{},
		{Type: 0, Name: name},
		{Type: backend.LockFile + 1, Name: name},
		{Type: backend.ConfigFile, Name: name},
		{Type: backend.ConfigFile, Name: "config"},
		{Type: backend.PackFile},
		{Type: backend.PackFile, Name: name[:63]},
		{Type: backend.PackFile, Name: name + "0"},
		{Type: backend.PackFile, Name: strings.ToUpper(name)},
		{Type: backend.KeyFile, Name: name[:63] + "g"},
		{Type: backend.KeyFile, Name: "../" + name[:61]},
		{Type: backend.KeyFile, Name: name[:32] + "/" + name[:31]},
		{Type: backend.KeyFile, Name: name[:63] + "\x00"},
	}
	fn := func(io.Reader) error { t.Error("load with a bad handle calls fn"); return nil }
	for _, h := range bad {
		if err := b.Save(t.Context(), h, bytes.NewReader([]byte("x"))); err == nil {
			t.Errorf("save %q: no error", h)
		}
		if err := b.Load(t.Context(), h, 0, 0, fn); err == nil {
			t.Errorf("load %q: no error", h)
		}
		if _, err := b.Stat(t.Context(), h); err == nil {
			t.Errorf("stat %q: no error", h)
		}
		if err := b.Remove(t.Context(), h); err == nil {
			t.Errorf("remove %q: no error", h)
		}
	}
	for _, typ := range []backend.FileType{0, backend.LockFile + 1} {
		if err := b.List(t.Context(), typ, func(backend.FileInfo) error { return nil }); err == nil {
			t.Errorf("list of %v: no error", typ)
		}
	}
	for _, typ := range backend.FileTypes[1:] {
		if files := list(t, b, typ); len(files) != 0 {
			t.Errorf("after bad handles there are %v files: %v", typ, files)
		}
	}
}

func checkSaveLoad(t testing.TB, _ *suite, b backend.Backend) {
	var files []file
	for _, typ := range backend.FileTypes {
		sizes := []int{1, 100, 4095, 4096, 4097, 300_000}
		if typ == backend.ConfigFile {
			sizes = []int{155}
		}
		for _, size := range sizes {
			files = append(files, newFile(typ, size, 0))
		}
	}
	save(t, b, files...)
	for _, f := range files {
		wantFile(t, b, f)
	}
}

func checkEmptyFile(t testing.TB, _ *suite, b backend.Backend) {
	f := newFile(backend.IndexFile, 0, 0)
	save(t, b, f)
	wantFile(t, b, f)
	if size, there := list(t, b, f.Type)[f.Name]; !there || size != 0 {
		t.Errorf("list: there %v, size %d; want an empty file", there, size)
	}
}

func checkLarge(t testing.TB, _ *suite, b backend.Backend) {
	f := newFile(backend.PackFile, 20<<20+17, 0)
	save(t, b, f)
	wantFile(t, b, f)
	const offset, length = 11<<20 + 5, 5<<20 + 1
	got, err := load(t, b, f.Handle, offset, length)
	if err != nil || !bytes.Equal(got, f.data[offset:offset+length]) {
		t.Errorf("load from the middle: got %d bytes, %v; want %d", len(got), err, length)
	}
}

func checkSaveAgain(t testing.TB, _ *suite, b backend.Backend) {
	for _, typ := range backend.FileTypes[1:] {
		f := newFile(typ, 1000, 1)
		save(t, b, f, f)
		wantFile(t, b, f)
		if got := list(t, b, typ); len(got) != 1 {
			t.Errorf("list %v files after two saves of one: %v", typ, got)
		}
	}
}

func checkSaveOver(t testing.TB, s *suite, b backend.Backend) {
	if s.HashedNames {
		return // the store never holds a file of another size
	}
	for i, size := range []int{1, 999, 1001, 5000} {
		f := newFile(backend.PackFile, 1000, uint64(i))
		old := file{f.Handle, newFile(backend.PackFile, size, 9).data}
		save(t, b, old)
		err := b.Save(t.Context(), f.Handle, f.content())
		switch {
		case s.NoReplace && err == nil:
			t.Errorf("save of 1000 over %d bytes: no error", size)
		case s.NoReplace:
			wantNamed(t, err, f)
			wantFile(t, b, old)
		case err != nil:
			t.Errorf("save of 1000 over %d bytes: %v", size, err)
		default:
			wantFile(t, b, f)
		}
	}
}

func checkConfig(t testing.TB, _ *suite, b backend.Backend) {
	f := newFile(backend.ConfigFile, 155, 0)
	wantNone(t, b, f.Handle)
	save(t, b, f)
	for _, size := range []int{155, 10, 200} {
		err := b.Save(t.Context(), f.Handle, newFile(backend.ConfigFile, size, 1).content())
		if !errors.Is(err, backend.ErrExist) {
			t.Errorf("second save of the config, %d bytes: got %v, want ErrExist", size, err)
		}
		wantNamed(t, err, f)
	}
	wantFile(t, b, f)
}

// checkContent: the content is read at offsets, from wherever its position is,
// and is not kept.
func checkContent(t testing.TB, _ *suite, b backend.Backend) {
	f := newFile(backend.PackFile, 200_000, 0)
	mine := bytes.Clone(f.data)
	half := bytes.NewReader(mine)
	half.Seek(100_000, io.SeekStart)
	if err := b.Save(t.Context(), f.Handle, half); err != nil {
		t.Fatalf("save a content that was half read: %v", err)
	}
	clear(mine)
	wantFile(t, b, f)

	g := newFile(backend.IndexFile, 5000, 0)
	framed := slices.Concat([]byte("before"), g.data, []byte("after"))
	if err := b.Save(t.Context(), g.Handle, io.NewSectionReader(bytes.NewReader(framed), 6, 5000)); err != nil {
		t.Fatalf("save a section: %v", err)
	}
	wantFile(t, b, g)

	h := newFile(backend.PackFile, 100_000, 1) // its reader gives the end together with the last bytes
	eager := contentFunc{100_000, func(p []byte, off int64) (int, error) {
		n := copy(p, h.data[min(off, 100_000):])
		if off+int64(n) == 100_000 {
			return n, io.EOF
		}
		return n, nil
	}}
	if err := b.Save(t.Context(), h.Handle, eager); err != nil {
		t.Fatalf("save a content that ends early with io.EOF: %v", err)
	}
	wantFile(t, b, h)
}

func checkBrokenContent(t testing.TB, _ *suite, b backend.Backend) {
	broken := errors.New("this disk is broken")
	for _, size := range []int64{1000, 3 << 20} {
		f := newFile(backend.PackFile, int(size), 0)
		reads := func(until int64, end error) backend.Content {
			return contentFunc{size, func(p []byte, off int64) (int, error) {
				n := copy(p, f.data[min(off, until):until])
				if n < len(p) {
					return n, end
				}
				return n, nil
			}}
		}
		for _, until := range []int64{0, size / 2, size - 1} {
			err := b.Save(t.Context(), f.Handle, reads(until, broken))
			if !errors.Is(err, broken) {
				t.Errorf("save of a content that breaks at %d of %d: got %v, want its error", until, size, err)
			}
			wantNamed(t, err, f)
			wantNone(t, b, f.Handle)
			if err := b.Save(t.Context(), f.Handle, reads(until, io.EOF)); err == nil {
				t.Errorf("save of a content that ends at %d of %d: no error", until, size)
			}
			wantNone(t, b, f.Handle)
		}
		save(t, b, f)
		wantFile(t, b, f)
	}
}

// checkNeverHalf looks at the store while a file is on its way.
func checkNeverHalf(t testing.TB, _ *suite, b backend.Backend) {
	if b.Properties().Connections < 2 {
		return // the store cannot be asked meanwhile
	}
	for _, typ := range []backend.FileType{backend.PackFile, backend.ConfigFile} {
		f := newFile(typ, 3<<20, 0)
		for _, from := range []int64{0, 2 << 20} {
			err := b.Save(t.Context(), f.Handle, f.watched(from, func() {
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				if info, err := b.Stat(ctx, f.Handle); !errors.Is(err, backend.ErrNotExist) {
					t.Errorf("stat while %v is being saved: got %+v, %v; want ErrNotExist", f.Handle, info, err)
				}
				if typ != backend.ConfigFile && len(list(t, b, typ)) > 0 {
					t.Errorf("list while %v is being saved: it is there", f.Handle)
				}
			}))
			if err != nil {
				t.Fatalf("save: %v", err)
			}
			wantFile(t, b, f)
			if typ == backend.ConfigFile {
				break // it stays
			}
			if err := b.Remove(t.Context(), f.Handle); errors.Is(err, backend.ErrReadOnly) {
				break
			} else if err != nil {
				t.Fatalf("remove: %v", err)
			}
		}
	}
}
