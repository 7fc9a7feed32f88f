package format

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// Small polynomials are judged by trying all divisors.
func TestPolynomial_Irreducible(t *testing.T) {
	for p := Polynomial(0); p < 1<<11; p++ {
		want := p.Degree() >= 1
		for d := Polynomial(2); d.Degree()*2 <= p.Degree(); d++ {
			if p.mod(d) == 0 {
				want = false
			}
		}
		if got := p.Irreducible(); got != want {
			t.Errorf("%b: %v, want %v", uint64(p), got, want)
		}
	}
}

func TestPolynomial_large(t *testing.T) {
	tests := map[Polynomial]bool{
		0x3DA3358B4DC173:         true, // the example of restic's chunker
		0x2eceb655eb162d:         true, // of restic's config in testdata
		0x3DA3358B4DC172:         false,
		1<<53 | 1:                false,
		1<<53 | 1<<6 | 7:         true, // x^53+x^6+x^2+x+1, of the usual tables
		1<<63 | 3:                true, // x^63+x+1
		1<<63 | 1:                false,
		0xffffffffffffffff:       false,
		(1<<31 | 9) * 2:          false,
		1<<31 | 9:                true, // x^31+x^3+1
		square(1<<31 | 1<<3 | 1): false,
	}
	for p, want := range tests {
		if got := p.Irreducible(); got != want {
			t.Errorf("%v: %v, want %v", p, got, want)
		}
	}
}

// square puts a 0 behind each bit.
func square(p Polynomial) (out Polynomial) {
	for i := range 32 {
		out |= p >> i & 1 << (2 * i)
	}
	return out
}

func TestRandomPolynomial(t *testing.T) {
	seen := map[Polynomial]bool{}
	for range 20 {
		p, err := RandomPolynomial(rand.Reader)
		if err != nil || p.Degree() != 53 || !p.Irreducible() || seen[p] {
			t.Fatalf("%v: degree %d, %v", p, p.Degree(), err)
		}
		seen[p] = true
	}
}

type zeroReader struct{}

func (zeroReader) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestRandomPolynomial_brokenSource(t *testing.T) {
	if _, err := RandomPolynomial(zeroReader{}); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("zeros: %v", err)
	}
	if _, err := RandomPolynomial(bytes.NewReader(make([]byte, 7))); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("seven bytes: %v", err)
	}
	cause := errors.New("no entropy")
	if _, err := RandomPolynomial(iotest.ErrReader(cause)); !errors.Is(err, cause) {
		t.Errorf("error of the source: %v", err)
	}
}

func TestPolynomial_text(t *testing.T) {
	p := Polynomial(0x3DA3358B4DC173)
	text, err := p.MarshalText()
	if err != nil || string(text) != "3da3358b4dc173" || p.String() != "3da3358b4dc173" {
		t.Errorf("%s, %v", text, err)
	}
	for _, bad := range []string{"", "x", "-1", "0x1", "10000000000000000"} {
		q := p
		if err := q.UnmarshalText([]byte(bad)); err == nil || q != p {
			t.Errorf("%q: %v, %v", bad, q, err)
		}
	}
}

func BenchmarkRandomPolynomial(b *testing.B) {
	for b.Loop() {
		if _, err := RandomPolynomial(rand.Reader); err != nil {
			b.Fatal(err)
		}
	}
}
