package itunesbackup

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unicode/utf16"
	"unicode/utf8"
)

// ErrMalformed is wrapped by every error about bytes that are not what they
// should be: an MBFile, a property list, an mbdb index, a manifest.
var ErrMalformed = errors.New("malformed")

// bplist looks objects up in a binary property list where they lie. A manifest
// has hundreds of thousands of small ones, of which a general decoder would make
// maps only for them to be thrown away.
//
//	"bplist00" | objects | offset table | 6 unused, u8 offset size, u8 reference
//	size, u64 number of objects, u64 top object, u64 offset of the table
type bplist struct {
	data             []byte
	offSize, refSize uint64
	count, top       uint64
	table            uint64
}

// object is one value: its kind (the high nibble of its marker), how many bytes,
// characters or entries it has, and where they start.
type object struct {
	kind byte
	n    uint64
	pos  uint64
}

const (
	kindSimple  = 0x0 // n: 0 null, 8 false, 9 true
	kindInt     = 0x1 // n: bytes
	kindReal    = 0x2
	kindDate    = 0x3
	kindData    = 0x4
	kindASCII   = 0x5
	kindUTF16   = 0x6 // n: 16-bit units
	kindUID     = 0x8
	kindArray   = 0xA
	kindDict    = 0xD
	bplistMagic = "bplist00"
	trailerLen  = 32
)

func openBplist(data []byte) (bplist, error) {
	if len(data) < len(bplistMagic)+1+1+trailerLen || string(data[:len(bplistMagic)]) != bplistMagic {
		return bplist{}, fmt.Errorf("%w: no binary property list", ErrMalformed)
	}
	body := uint64(len(data) - trailerLen)
	trailer := data[body:]
	p := bplist{
		data:    data,
		offSize: uint64(trailer[6]),
		refSize: uint64(trailer[7]),
		count:   binary.BigEndian.Uint64(trailer[8:]),
		top:     binary.BigEndian.Uint64(trailer[16:]),
		table:   binary.BigEndian.Uint64(trailer[24:]),
	}
	if p.offSize < 1 || p.offSize > 8 || p.refSize < 1 || p.refSize > 8 ||
		p.table < uint64(len(bplistMagic)) || p.table > body || p.count > (body-p.table)/p.offSize {
		return bplist{}, fmt.Errorf("%w: property list trailer", ErrMalformed)
	}
	return p, nil
}

func (p *bplist) uint(pos, size uint64) uint64 {
	var n uint64
	for _, b := range p.data[pos : pos+size] {
		n = n<<8 | uint64(b)
	}
	return n
}

// object finds object number ref and checks that all of it lies in the data.
func (p *bplist) object(ref uint64) (object, error) {
	if ref >= p.count {
		return object{}, fmt.Errorf("%w: reference to object %d of %d", ErrMalformed, ref, p.count)
	}
	pos := p.uint(p.table+ref*p.offSize, p.offSize)
	if pos < uint64(len(bplistMagic)) || pos >= p.table {
		return object{}, fmt.Errorf("%w: object %d lies at %d", ErrMalformed, ref, pos)
	}
	marker := p.data[pos]
	o := object{kind: marker >> 4, n: uint64(marker & 0xF), pos: pos + 1}
	unit := uint64(1)
	switch o.kind {
	case kindSimple:
		return o, nil
	case kindInt, kindReal, kindDate:
		if o.n > 4 {
			return object{}, fmt.Errorf("%w: number of 2^%d bytes", ErrMalformed, o.n)
		}
		o.n = 1 << o.n
		return o, p.fits(o, 1)
	case kindUID:
		o.n++
		return o, p.fits(o, 1)
	case kindUTF16:
		unit = 2
	case kindArray:
		unit = p.refSize
	case kindDict:
		unit = 2 * p.refSize
	case kindData, kindASCII:
	default:
		return object{}, fmt.Errorf("%w: object marker %#x", ErrMalformed, marker)
	}
	if o.n == 0xF {
		if err := p.longCount(&o); err != nil {
			return object{}, err
		}
	}
	return o, p.fits(o, unit)
}

func (p *bplist) longCount(o *object) error {
	if o.pos >= p.table || p.data[o.pos]>>4 != kindInt || p.data[o.pos]&0xF > 3 {
		return fmt.Errorf("%w: object without a count", ErrMalformed)
	}
	size := uint64(1) << (p.data[o.pos] & 0xF)
	if size > p.table-o.pos-1 {
		return fmt.Errorf("%w: count is cut off", ErrMalformed)
	}
	o.n = p.uint(o.pos+1, size)
	o.pos += 1 + size
	return nil
}

func (p *bplist) fits(o object, unit uint64) error {
	if o.n > (p.table-o.pos)/unit {
		return fmt.Errorf("%w: object of %d entries does not fit", ErrMalformed, o.n)
	}
	return nil
}

// bytes gives the payload of data, a string or a number, not a copy.
func (p *bplist) bytes(o object) []byte {
	n := o.n
	if o.kind == kindUTF16 {
		n *= 2
	}
	return p.data[o.pos : o.pos+n : o.pos+n]
}

// entry gives the i-th key and value of a dictionary.
func (p *bplist) entry(o object, i uint64) (key, value object, err error) {
	if key, err = p.object(p.uint(o.pos+i*p.refSize, p.refSize)); err != nil {
		return
	}
	value, err = p.object(p.uint(o.pos+(o.n+i)*p.refSize, p.refSize))
	return
}

// lookup finds the value of an ASCII key; ok is false when there is none.
func (p *bplist) lookup(dict object, name string) (value object, ok bool, err error) {
	if dict.kind != kindDict {
		return object{}, false, fmt.Errorf("%w: no dictionary to look %s up in", ErrMalformed, name)
	}
	for i := range dict.n {
		k, err := p.object(p.uint(dict.pos+i*p.refSize, p.refSize))
		if err != nil {
			return object{}, false, err
		}
		if k.kind == kindASCII && string(p.bytes(k)) == name {
			value, err = p.object(p.uint(dict.pos+(dict.n+i)*p.refSize, p.refSize))
			return value, err == nil, err
		}
	}
	return object{}, false, nil
}

// integer gives an integer or boolean. Numbers of one, two and four bytes are
// unsigned, those of eight signed; of sixteen bytes the upper half must be zero.
func (p *bplist) integer(o object) (int64, error) {
	switch {
	case o.kind == kindSimple && (o.n == 8 || o.n == 9):
		return int64(o.n - 8), nil
	case o.kind == kindInt && o.n <= 8:
		return int64(p.uint(o.pos, o.n)), nil
	case o.kind == kindInt && p.uint(o.pos, 8) == 0:
		return int64(p.uint(o.pos+8, 8)), nil
	}
	return 0, fmt.Errorf("%w: no integer", ErrMalformed)
}

// real gives a real or date as float64.
func (p *bplist) real(o object) (float64, error) {
	switch {
	case o.kind != kindReal && o.kind != kindDate:
	case o.n == 4:
		return float64(math.Float32frombits(uint32(p.uint(o.pos, 4)))), nil
	case o.n == 8:
		return math.Float64frombits(p.uint(o.pos, 8)), nil
	}
	return 0, fmt.Errorf("%w: no real number", ErrMalformed)
}

func (p *bplist) text(o object) (string, error) {
	switch o.kind {
	case kindASCII:
		// Some writers put UTF-8 here.
		if raw := p.bytes(o); utf8.Valid(raw) {
			return string(raw), nil
		}
		return "", fmt.Errorf("%w: string is not UTF-8", ErrMalformed)
	case kindUTF16:
		raw := p.bytes(o)
		units := make([]uint16, o.n)
		for i := range units {
			units[i] = binary.BigEndian.Uint16(raw[2*i:])
		}
		return string(utf16.Decode(units)), nil
	}
	return "", fmt.Errorf("%w: no string", ErrMalformed)
}
