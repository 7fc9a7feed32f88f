package backendtest

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

var loadChecks = []check{
	{"ranges", checkRanges},
	{"short", checkShort},
	{"load function", checkLoadFunction},
	{"missing", checkMissing},
}

func checkRanges(t testing.TB, _ *suite, b backend.Backend) {
	const size = 100_000
	f := newFile(backend.PackFile, size, 0)
	save(t, b, f)
	for _, r := range []struct{ offset, length int64 }{
		{0, 0}, {0, 1}, {0, 4096}, {0, size}, {1, 0}, {1, 1}, {1, size - 1}, {4095, 2},
		{33_333, 33_333}, {size / 2, 0}, {size - 1, 0}, {size - 1, 1}, {size - 4, 4},
	} {
		want := f.data[r.offset:]
		if r.length > 0 {
			want = want[:r.length]
		}
		got, err := load(t, b, f.Handle, r.offset, r.length)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("load %d bytes from %d: got %d bytes, %v; want the %d that were saved there", r.length, r.offset, len(got), err, len(want))
		}
		buf := make([]byte, len(want))
		if err := backend.ReadFull(t.Context(), b, f.Handle, r.offset, buf); err != nil || !bytes.Equal(buf, want) {
			t.Errorf("read %d bytes from %d: %v", len(buf), r.offset, err)
		}
	}
	for _, r := range []struct{ offset, length int64 }{{-1, 0}, {-1, 5}, {0, -1}, {5, -5}, {1 << 62, 1 << 62}} {
		if got, err := load(t, b, f.Handle, r.offset, r.length); err == nil {
			t.Errorf("load %d bytes from %d: got %d bytes, no error", r.length, r.offset, len(got))
		}
	}
}

func checkShort(t testing.TB, _ *suite, b backend.Backend) {
	const size = 10_000
	f := newFile(backend.PackFile, size, 0)
	save(t, b, f)
	for _, r := range []struct{ offset, length int64 }{
		{0, size + 1}, {1, size}, {size - 1, 2}, {size - 1, 1 << 20}, {size, 1}, {size + 1, 1}, {1 << 40, 10},
	} {
		_, err := load(t, b, f.Handle, r.offset, r.length)
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("load %d bytes from %d of %d: got %v, want io.ErrUnexpectedEOF", r.length, r.offset, size, err)
		}
		wantNamed(t, err, f)
		err = b.Load(t.Context(), f.Handle, r.offset, r.length, func(r io.Reader) error {
			io.Copy(io.Discard, r) // its error is forgotten
			return nil
		})
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("load %d bytes from %d of %d with a fn that does not look at errors: got %v, want io.ErrUnexpectedEOF", r.length, r.offset, size, err)
		}
	}
	if _, err := load(t, b, f.Handle, size+1, 0); err == nil {
		t.Error("load from behind the end on: no error")
	}
}

// checkLoadFunction: fn's own error ends the Load at once, and fn may leave
// the rest unread.
func checkLoadFunction(t testing.TB, _ *suite, b backend.Backend) {
	f := newFile(backend.PackFile, 1<<20, 0)
	save(t, b, f)
	mine := errors.New("enough was seen")
	for _, read := range []int{0, 1, 5000, 1 << 20} {
		for _, want := range []error{nil, mine} {
			calls := 0
			err := b.Load(t.Context(), f.Handle, 0, 0, func(r io.Reader) error {
				calls++
				buf := make([]byte, read)
				if _, err := io.ReadFull(r, buf); err != nil {
					return err
				}
				if !bytes.Equal(buf, f.data[:read]) {
					t.Errorf("call %d of fn does not read from the start", calls)
				}
				return want
			})
			if !errors.Is(err, want) {
				t.Errorf("load with a fn that reads %d bytes and returns %v: got %v", read, want, err)
			}
			if calls != 1 {
				t.Errorf("load with a fn that reads %d bytes and returns %v: %d calls", read, want, calls)
			}
		}
	}
	err := b.Load(t.Context(), f.Handle, 10, 20, func(r io.Reader) error {
		if got, err := io.ReadAll(r); err != nil || len(got) != 20 {
			t.Errorf("load of 20 bytes: the reader gives %d, %v", len(got), err)
		}
		if n, err := r.Read(make([]byte, 8)); n != 0 || err != io.EOF {
			t.Errorf("read behind the range: got %d, %v; want io.EOF", n, err)
		}
		return nil
	})
	if err != nil {
		t.Errorf("load: %v", err)
	}
}

func checkMissing(t testing.TB, s *suite, b backend.Backend) {
	for _, typ := range backend.FileTypes {
		f := newFile(typ, 100, 7)
		wantNone(t, b, f.Handle)
		_, err := b.Stat(t.Context(), f.Handle)
		wantNamed(t, err, f)
		_, err = load(t, b, f.Handle, 5, 10)
		if !errors.Is(err, backend.ErrNotExist) {
			t.Errorf("load a range of a missing %v: got %v, want ErrNotExist", typ, err)
		}
		wantNamed(t, err, f)
		err = b.Remove(t.Context(), f.Handle)
		want := backend.ErrNotExist
		if s.OnlyLocks && typ != backend.LockFile {
			want = backend.ErrReadOnly
		}
		if !errors.Is(err, want) {
			t.Errorf("remove a missing %v: got %v, want %v", typ, err, want)
		}
		wantNamed(t, err, f)
	}
}
