package chunker

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

var errWire = errors.New("the wire broke")

// brokenReader fails after its bytes, with the last of them or behind them.
type brokenReader struct {
	data []byte
	with bool
}

func (r *brokenReader) Read(p []byte) (int, error) {
	n := copy(p, r.data)
	r.data = r.data[n:]
	if len(r.data) == 0 && (r.with || n == 0) {
		return n, errWire
	}
	return n, nil
}

func TestSplit_readerFailsAtAnyByte(t *testing.T) {
	sizes := Settings{DatabasePage: 16 << 10, MediaPiece: 64 << 10, Min: 64, Mean: 256, Max: 1024}
	data := noise(21, 140_000)
	for _, kind := range []Kind{General, Database, Media} {
		c := mustNew(t, kind, sizes)
		for at := 0; at <= len(data); at += 1 + at/97 {
			for _, with := range []bool{false, true} {
				for _, hint := range []int64{-1, int64(at), int64(len(data))} {
					_, all, err := split(t, &brokenReader{data[:at:at], with}, c, hint, &lender{})
					if !errors.Is(err, errWire) || !bytes.HasPrefix(data, all) {
						t.Fatalf("%v, broken after %d bytes, hint %d: %d bytes, %v", kind, at, hint, len(all), err)
					}
				}
			}
		}
		// The chunker is as new after it was left in the middle.
		want := cuts(mustNew(t, kind, sizes), data)
		if got, _, err := split(t, bytes.NewReader(data), c, -1, &lender{}); err != nil || !slices.Equal(got, want) {
			t.Errorf("%v: other cuts after errors: %v", kind, err)
		}
	}
}

func TestSplit_noMemory(t *testing.T) {
	data := noise(22, 200_000)
	for _, kind := range []Kind{General, Database, Media} {
		for _, hint := range []int64{-1, 10, int64(len(data))} {
			for fail := 1; ; fail++ {
				l := &lender{fail: fail}
				_, all, err := split(t, bytes.NewReader(data), mustNew(t, kind, small), hint, l)
				if !bytes.HasPrefix(data, all) {
					t.Fatal("other bytes came out")
				}
				if len(l.given) < fail {
					if err != nil || len(all) != len(data) {
						t.Errorf("%v: %v", kind, err)
					}
					break
				}
				if !errors.Is(err, errNoMemory) {
					t.Fatalf("%v, Get %d fails: %v", kind, fail, err)
				}
			}
		}
	}
}

func TestSplit_emitFails(t *testing.T) {
	errFull := errors.New("full")
	for fail := range 5 {
		l := &lender{}
		calls := 0
		n, err := Split(t.Context(), bytes.NewReader(noise(23, 200_000)), mustNew(t, Database, small), 200_000, l, func(chunk []byte) error {
			l.take(chunk)
			if calls++; calls > fail {
				return errFull
			}
			return nil
		})
		if !errors.Is(err, errFull) || calls != fail+1 || n != int64(fail*small.DatabasePage) || len(l.lent) != 0 {
			t.Errorf("failing at %d: %d calls, %d bytes, %d lost buffers, %v", fail, calls, n, len(l.lent), err)
		}
	}
}

func TestSplit_contextEnds(t *testing.T) {
	errUnplugged := errors.New("unplugged")
	for _, kind := range []Kind{General, Database, Media} {
		ctx, cancel := context.WithCancelCause(t.Context())
		l := &lender{}
		chunks := 0
		// A reader that would go on for ever.
		_, err := Split(ctx, endless{}, mustNew(t, kind, small), -1, l, func(chunk []byte) error {
			l.take(chunk)
			if chunks++; chunks == 3 {
				cancel(errUnplugged)
			}
			return nil
		})
		if !errors.Is(err, errUnplugged) || len(l.lent) != 0 || chunks > 8 {
			t.Errorf("%v: after %d chunks, %d lost buffers: %v", kind, chunks, len(l.lent), err)
		}
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return copy(p, random(uint64(len(p)), len(p))), nil }

func TestSplit_strangeReaders(t *testing.T) {
	for name, test := range map[string]struct {
		r    io.Reader
		want string
	}{
		"nothing for ever": {readerFunc(func([]byte) (int, error) { return 0, nil }), io.ErrNoProgress.Error()},
		"too many bytes":   {readerFunc(func(p []byte) (int, error) { return len(p) + 1, nil }), "counts more bytes"},
		"negative":         {readerFunc(func([]byte) (int, error) { return -1, nil }), "counts more bytes"},
	} {
		for _, hint := range []int64{-1, 0, 50} {
			_, _, err := split(t, test.r, mustNew(t, General, small), hint, &lender{})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s, hint %d: %v, want %q", name, hint, err, test.want)
			}
		}
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestSplit_buffersFit holds what files of known size ask for.
func TestSplit_buffersFit(t *testing.T) {
	const mib = 1 << 20
	for _, test := range []struct {
		name string
		kind Kind
		size int
		hint int64
		want []int
	}{
		{"empty", General, 0, 0, nil},
		{"one byte", General, 1, 1, []int{1}},
		{"small", General, 3000, 3000, []int{3000}},
		{"small database", Database, 40 << 10, 40 << 10, []int{40 << 10}},
		{"whole pages", Database, 128 << 10, 128 << 10, []int{64 << 10, 64 << 10}},
		{"photo", Media, 3*mib + 5, 3*mib + 5, []int{3*mib + 5}},
		{"film", Media, 17 * mib, 17 * mib, []int{8 * mib, 8 * mib, mib}},
		{"shrunk film", Media, 9 * mib, 17 * mib, []int{8 * mib, 8 * mib}},
		{"unknown and small", General, 3000, -1, []int{64 << 10}},
		{"unknown and empty", General, 0, -1, []int{64 << 10}},
		{"unknown photo", Media, 700 << 10, -1, []int{64 << 10, 512 << 10, 4 * mib}},
		{"grown", General, 3001, 3000, []int{3000, 24000}},
	} {
		l := &lender{}
		_, all, err := split(t, bytes.NewReader(random(1, test.size)), mustNew(t, test.kind, Settings{}), test.hint, l)
		if err != nil || len(all) != test.size || !slices.Equal(l.given, test.want) {
			t.Errorf("%s: asked for %v, want %v; %v", test.name, l.given, test.want, err)
		}
	}
	// By content a buffer is never longer than a chunk may be, and two at a time
	// are rare.
	l := &lender{}
	if _, _, err := split(t, bytes.NewReader(random(2, 20*mib)), mustNew(t, General, Settings{}), 20*mib, l); err != nil {
		t.Fatal(err)
	}
	for i, n := range l.given {
		if n > 2*mib {
			t.Errorf("buffer %d of %d has %d bytes", i, len(l.given), n)
		}
	}
	l = &lender{}
	if _, _, err := split(t, bytes.NewReader(make([]byte, 20*mib)), mustNew(t, General, Settings{}), 20*mib, l); err != nil {
		t.Fatal(err)
	}
	if want := []int{2 * mib, 8 * mib, 2 * mib, 8 * mib, 2 * mib, 4 * mib}; !slices.Equal(l.given, want) {
		t.Errorf("zeros asked for %v, want %v", l.given, want)
	}
}

// cutEarly is a Chunker from elsewhere, which leaves far more behind a cut than
// this package's own.
type cutEarly struct{}

func (cutEarly) Max() int { return 1 << 20 }
func (cutEarly) Reset()   {}
func (cutEarly) Next(buf []byte, final bool) int {
	if len(buf) < 900_000 && !final {
		return 0
	}
	return min(len(buf), 100_000)
}

func TestSplit_foreignChunker(t *testing.T) {
	data := random(31, 2_345_678)
	for _, hint := range []int64{-1, int64(len(data))} {
		if _, all, err := split(t, bytes.NewReader(data), cutEarly{}, hint, &lender{}); err != nil || !bytes.Equal(all, data) {
			t.Errorf("hint %d: %d bytes, %v", hint, len(all), err)
		}
	}
}

func FuzzSplit(f *testing.F) {
	f.Add([]byte("some text"), uint8(0), uint64(1), int64(9), uint16(100))
	f.Add(noise(1, 5000), uint8(1), uint64(2), int64(-1), uint16(64))
	f.Add(make([]byte, 3000), uint8(2), uint64(3), int64(4000), uint16(1))
	f.Add(random(2, 2000), uint8(0), uint64(testPolynomial), int64(1999), uint16(300))
	f.Fuzz(func(t *testing.T, seed []byte, kindByte uint8, polynomial uint64, hint int64, shortest uint16) {
		s := Settings{DatabasePage: 16 << 10, MediaPiece: 64 << 10, Min: 64 + int(shortest)%4000}
		s.Mean = max(256, 2*s.Min)
		s.Max = 4 * s.Mean
		kind := Kind(kindByte % 3)
		c, err := New(kind, polynomial, s)
		if err != nil {
			t.Fatal(err)
		}
		data := bytes.Repeat(seed, min(1+40_000/(len(seed)+1), 40))
		want := cuts(c, data)
		for name, reader := range readers {
			if name == "one byte" && len(data) > 3000 {
				continue
			}
			got, all, err := split(t, reader(data), c, hint, &lender{extra: int(polynomial % 3)})
			if err != nil || !bytes.Equal(all, data) || !slices.Equal(got, want) {
				t.Fatalf("%v, %s: %v, want %v: %v", kind, name, got, want, err)
			}
		}
		for i, n := range want {
			if last := i == len(want)-1; kind == General && (n > s.Max || n < s.Min && !last) {
				t.Fatalf("chunk %d of %d has %d bytes", i, len(want), n)
			}
		}
	})
}
