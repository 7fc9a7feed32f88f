package chunker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/iotest"
)

// testPolynomial is irreducible, of degree 53.
const testPolynomial = 0x3DA3358B4DC173

// small makes chunks that tests can have many of.
var small = Settings{DatabasePage: 16 << 10, MediaPiece: 64 << 10, Min: 2 << 10, Mean: 8 << 10, Max: 32 << 10}

// lender counts what is lent.
type lender struct {
	lent  map[*byte]int // by first byte: its length
	most  int           // at the same time
	given []int         // sizes asked for
	extra int           // gives this much more than asked for
	fail  int           // the fail-th Get fails
}

var errNoMemory = errors.New("no memory")

func (l *lender) Get(ctx context.Context, n int) ([]byte, error) {
	if n <= 0 {
		return nil, fmt.Errorf("a buffer of %d bytes", n)
	}
	l.given = append(l.given, n)
	if len(l.given) == l.fail {
		return nil, errNoMemory
	}
	buf := make([]byte, n+l.extra)
	if l.lent == nil {
		l.lent = map[*byte]int{}
	}
	l.lent[&buf[0]] = len(buf)
	l.most = max(l.most, len(l.lent))
	return buf, nil
}

func (l *lender) Put(buf []byte) {
	if n, ok := l.lent[&buf[0]]; !ok || n != len(buf) {
		panic("a buffer that was not lent like this")
	}
	delete(l.lent, &buf[0])
}

// take is what emit does.
func (l *lender) take(chunk []byte) {
	if n, ok := l.lent[&chunk[0]]; !ok || n < len(chunk) {
		panic("a chunk that is not at the start of a lent buffer")
	}
	delete(l.lent, &chunk[0])
}

// noise is data that never ends a chunk too regularly: random stretches, text and zeros.
func noise(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 7))
	data := make([]byte, 0, n+1<<16)
	for len(data) < n {
		k := 1 + r.IntN(1<<16)
		switch r.IntN(4) {
		case 0:
			data = append(data, make([]byte, k)...)
		case 1:
			for range k {
				data = append(data, "etaoin shrdlu\n"[r.IntN(14)])
			}
		default:
			for range k {
				data = append(data, byte(r.Uint32()))
			}
		}
	}
	return data[:n]
}

func mustNew(t testing.TB, kind Kind, s Settings) Chunker {
	t.Helper()
	c, err := New(kind, testPolynomial, s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// cuts splits by calling Next with everything at once.
func cuts(c Chunker, data []byte) (lengths []int) {
	for len(data) > 0 {
		n := c.Next(data, true)
		lengths = append(lengths, n)
		data = data[n:]
	}
	return lengths
}

// split runs Split and holds it to its promises about buffers.
func split(t testing.TB, r io.Reader, c Chunker, hint int64, l *lender) (lengths []int, all []byte, err error) {
	t.Helper()
	n, err := Split(t.Context(), r, c, hint, l, func(chunk []byte) error {
		l.take(chunk)
		if len(chunk) > c.Max() || len(chunk) == 0 {
			t.Errorf("a chunk of %d bytes", len(chunk))
		}
		lengths = append(lengths, len(chunk))
		all = append(all, chunk...)
		return nil
	})
	if n != int64(len(all)) {
		t.Errorf("Split says %d bytes, gave %d", n, len(all))
	}
	if len(l.lent) != 0 {
		t.Errorf("%d buffers were lost", len(l.lent))
	}
	if l.most > 2 {
		t.Errorf("%d buffers at the same time", l.most)
	}
	return lengths, all, err
}

// randomReader returns a random number of bytes at a time, sometimes none, and
// the end with the last bytes or after them.
type randomReader struct {
	data []byte
	r    *rand.Rand
}

func (r *randomReader) Read(p []byte) (int, error) {
	n := min(r.r.IntN(3000), len(p), len(r.data))
	copy(p, r.data[:n])
	r.data = r.data[n:]
	if len(r.data) == 0 && r.r.IntN(2) == 0 {
		return n, io.EOF
	}
	return n, nil
}

var readers = map[string]func([]byte) io.Reader{
	"whole":        func(b []byte) io.Reader { return bytes.NewReader(b) },
	"one byte":     func(b []byte) io.Reader { return iotest.OneByteReader(bytes.NewReader(b)) },
	"half":         func(b []byte) io.Reader { return iotest.HalfReader(bytes.NewReader(b)) },
	"data and end": func(b []byte) io.Reader { return iotest.DataErrReader(bytes.NewReader(b)) },
	"random": func(b []byte) io.Reader {
		return &randomReader{b, rand.New(rand.NewPCG(uint64(len(b)), 1))}
	},
}

func TestSplit_sameForAllReadersAndHints(t *testing.T) {
	sizes := []int{0, 1, 63, 64, 511, 512, 513, 2 << 10, 16<<10 - 1, 16 << 10, 16<<10 + 1, 64 << 10, 128 << 10, 300_001}
	for _, kind := range []Kind{General, Database, Media} {
		for _, size := range sizes {
			data := noise(uint64(size), size)
			want := cuts(mustNew(t, kind, small), data)
			for name, reader := range readers {
				for _, hint := range []int64{-1, 0, int64(size) / 2, int64(size) - 1, int64(size), int64(size) + 1, 1 << 40} {
					for _, extra := range []int{0, 5000} {
						l := &lender{extra: extra}
						got, all, err := split(t, reader(data), mustNew(t, kind, small), hint, l)
						if err != nil || !bytes.Equal(all, data) || !slices.Equal(got, want) {
							t.Fatalf("%v of %d bytes, %s, hint %d, extra %d: chunks %v, want %v; same bytes: %v; %v",
								kind, size, name, hint, extra, got, want, bytes.Equal(all, data), err)
						}
					}
				}
			}
		}
	}
}
