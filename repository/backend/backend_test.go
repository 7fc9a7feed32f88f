package backend_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/memory"
)

var name = strings.Repeat("0123456789abcdef", 4)

func TestHandle(t *testing.T) {
	for _, c := range []struct {
		h            backend.Handle
		path, string string // path "" is a handle that is refused
	}{
		{backend.Handle{Type: backend.ConfigFile}, "config", "config"},
		{backend.Handle{Type: backend.KeyFile, Name: name}, "keys/" + name, "key " + name},
		{backend.Handle{Type: backend.PackFile, Name: name}, "data/01/" + name, "pack " + name},
		{backend.Handle{Type: backend.IndexFile, Name: name}, "index/" + name, "index " + name},
		{backend.Handle{Type: backend.SnapshotFile, Name: name}, "snapshots/" + name, "snapshot " + name},
		{backend.Handle{Type: backend.LockFile, Name: name}, "locks/" + name, "lock " + name},
		{backend.Handle{}, "", "file type 0"},
		{backend.Handle{Type: 99, Name: name}, "", "file type 99 " + name},
		{backend.Handle{Type: backend.ConfigFile, Name: name}, "", "config " + name},
		{backend.Handle{Type: backend.PackFile}, "", "pack"},
		{backend.Handle{Type: backend.PackFile, Name: name[1:]}, "", "pack " + name[1:]},
		{backend.Handle{Type: backend.PackFile, Name: strings.ToUpper(name)}, "", "pack " + strings.ToUpper(name)},
		{backend.Handle{Type: backend.PackFile, Name: "../" + name[3:]}, "", "pack ../" + name[3:]},
	} {
		if got := c.h.String(); got != c.string {
			t.Errorf("got %q, want %q", got, c.string)
		}
		err := c.h.Check()
		if (err == nil) != (c.path != "") {
			t.Errorf("%v: check gives %v", c.h, err)
		}
		if err == nil && c.h.Path() != c.path {
			t.Errorf("%v: path %q, want %q", c.h, c.h.Path(), c.path)
		}
	}
	if f := backend.FileType(99).Folder(); f != "" {
		t.Errorf("a folder of a type that is none: %q", f)
	}
}

type permanence bool

func (p permanence) Error() string   { return "broken" }
func (p permanence) Permanent() bool { return bool(p) }

func TestIsPermanent(t *testing.T) {
	for _, c := range []struct {
		err                error
		refusal, permanent bool
	}{
		{backend.ErrNotExist, true, true},
		{backend.ErrExist, true, true},
		{backend.ErrFull, true, true},
		{backend.ErrReadOnly, true, true},
		{backend.ErrDenied, true, true},
		{permanence(true), true, true},
		{permanence(false), false, false},
		{context.Canceled, false, true},
		{context.DeadlineExceeded, false, true},
		{io.ErrUnexpectedEOF, false, false},
		{errors.New("connection reset"), false, false},
	} {
		err := fmt.Errorf("save pack: %w", c.err)
		if r, p := backend.IsRefusal(err), backend.IsPermanent(err); r != c.refusal || p != c.permanent {
			t.Errorf("%v: refusal %v, permanent %v; want %v, %v", c.err, r, p, c.refusal, c.permanent)
		}
	}
}

func TestCheckRange(t *testing.T) {
	for _, c := range []struct {
		offset, length int64
		ok             bool
	}{{0, 0, true}, {5, 0, true}, {1 << 62, 1 << 61, true}, {-1, 0, false}, {0, -1, false}, {1 << 62, 1 << 62, false}} {
		if err := backend.CheckRange(c.offset, c.length); (err == nil) != c.ok {
			t.Errorf("%d bytes from %d on: %v", c.length, c.offset, err)
		}
	}
}

func TestNewReader(t *testing.T) {
	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"whole": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader, "end with data": iotest.DataErrReader,
	} {
		for _, c := range []struct {
			n    int64
			want string
			err  error
		}{{0, "", nil}, {4, "0123", nil}, {10, "0123456789", nil}, {11, "0123456789", io.ErrUnexpectedEOF}} {
			got, err := io.ReadAll(backend.NewReader(t.Context(), wrap(strings.NewReader("0123456789")), c.n))
			if string(got) != c.want || err != c.err {
				t.Errorf("%s, %d bytes: got %q, %v; want %q, %v", name, c.n, got, err, c.want, c.err)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	r := backend.NewReader(ctx, strings.NewReader("0123456789"), 10)
	if n, err := r.Read(make([]byte, 3)); n != 3 || err != nil {
		t.Errorf("read: %d, %v", n, err)
	}
	cancel()
	if n, err := r.Read(make([]byte, 3)); n != 0 || err != context.Canceled {
		t.Errorf("read after the context ended: %d, %v", n, err)
	}
}

func TestReadAllAndReadFull(t *testing.T) {
	m := memory.New()
	h := backend.Handle{Type: backend.IndexFile, Name: name}
	m.Put(h, []byte("0123456789"))
	for _, c := range []struct {
		limit int64
		ok    bool
	}{{10, true}, {100, true}, {9, false}, {0, false}} {
		got, err := backend.ReadAll(t.Context(), m, h, c.limit)
		if (err == nil) != c.ok || c.ok && !bytes.Equal(got, []byte("0123456789")) || !c.ok && got != nil {
			t.Errorf("read all within %d bytes: %q, %v", c.limit, got, err)
		}
	}
	buf := make([]byte, 4)
	if err := backend.ReadFull(t.Context(), m, h, 3, buf); err != nil || string(buf) != "3456" {
		t.Errorf("read full: %q, %v", buf, err)
	}
	if err := backend.ReadFull(t.Context(), m, h, 7, buf); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("read full behind the end: %v", err)
	}
	if err := backend.ReadFull(t.Context(), m, h, 99, nil); err != nil {
		t.Errorf("read nothing: %v", err)
	}
}

type wrapper struct{ backend.Backend }

func (w wrapper) Unwrap() backend.Backend { return w.Backend }

func TestAs(t *testing.T) {
	m := memory.New()
	if got, ok := backend.As[*memory.Backend](wrapper{wrapper{m}}); !ok || got != m {
		t.Errorf("got %v, %v", got, ok)
	}
	if _, ok := backend.As[backend.Creator](wrapper{m}); ok {
		t.Error("found a creator where none is")
	}
	if _, ok := backend.As[*memory.Backend](nil); ok {
		t.Error("found something in nothing")
	}
}
