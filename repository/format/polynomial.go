package format

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"strconv"
)

// Polynomial is a polynomial over GF(2): bit i is the coefficient of x^i. A
// repository has one of degree 53 in its config, from which restic's rule of
// cutting files (restic-format.md 9) gets its fingerprint. It must be
// irreducible, or restic refuses the repository. Its text is hexadecimal.
type Polynomial uint64

const polynomialDegree = 53

// Degree is the exponent of the highest term, -1 for the zero polynomial.
func (p Polynomial) Degree() int { return bits.Len64(uint64(p)) - 1 }

// Irreducible tells whether p is not the product of two polynomials of lower
// degree. It is Ben-Or's test: x^(2^i)-x is the product of all irreducible
// polynomials whose degree divides i, so p must share no factor with any of them
// up to half its own degree.
func (p Polynomial) Irreducible() bool {
	degree := p.Degree()
	if degree < 1 {
		return false
	}
	const x = Polynomial(2)
	power := x
	for range degree / 2 {
		power = power.mulMod(power, p)
		if gcd(p, power^x) != 1 {
			return false
		}
	}
	return true
}

// mulMod is p times q modulo m; p and q are of lower degree than m.
func (p Polynomial) mulMod(q, m Polynomial) Polynomial {
	top := m.Degree()
	var product Polynomial
	for ; q != 0; q >>= 1 {
		if q&1 != 0 {
			product ^= p
		}
		p <<= 1
		if p>>top&1 != 0 {
			p ^= m
		}
	}
	return product
}

func (p Polynomial) mod(m Polynomial) Polynomial {
	for d := m.Degree(); p.Degree() >= d; {
		p ^= m << (p.Degree() - d)
	}
	return p
}

func gcd(a, b Polynomial) Polynomial {
	for b != 0 {
		a, b = b, a.mod(b)
	}
	return a
}

// RandomPolynomial draws an irreducible polynomial of degree 53. About one in 27
// candidates is irreducible; a source that gives none in many thousands is
// broken, and that is the error, beside those of reading.
func RandomPolynomial(rand io.Reader) (Polynomial, error) {
	const tries = 10_000
	var random [8]byte
	for range tries {
		if _, err := io.ReadFull(rand, random[:]); err != nil {
			return 0, fmt.Errorf("draw polynomial: %w", err)
		}
		p := Polynomial(binary.LittleEndian.Uint64(random[:]))
		p &= 1<<polynomialDegree - 1
		p |= 1<<polynomialDegree | 1 // the degree; and x is no factor
		if p.Irreducible() {
			return p, nil
		}
	}
	return 0, fmt.Errorf("draw polynomial: none irreducible in %d: random source is broken", tries)
}

// check refuses what no repository may have.
func (p Polynomial) check() error {
	if d := p.Degree(); d != polynomialDegree {
		return fmt.Errorf("chunker polynomial of degree %d, want %d", d, polynomialDegree)
	}
	if !p.Irreducible() {
		return errors.New("chunker polynomial is reducible")
	}
	return nil
}

func (p Polynomial) String() string { return strconv.FormatUint(uint64(p), 16) }

// MarshalText gives the hexadecimal digits.
func (p Polynomial) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads hexadecimal digits.
func (p *Polynomial) UnmarshalText(text []byte) error {
	v, err := strconv.ParseUint(string(text), 16, 64)
	if err != nil {
		return fmt.Errorf("parse polynomial: %w", err)
	}
	*p = Polynomial(v)
	return nil
}
