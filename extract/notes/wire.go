package notes

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
)

// maxInflated is the largest body or table that is read, in bytes: what is made of it
// takes several times as much memory.
const maxInflated = 32 << 20

// errMalformed is wrapped by errors about the bytes of a body or table.
var errMalformed = errors.New("malformed")

// inflaters are kept, as each has tables of some ten kilobytes.
var inflaters sync.Pool

// inflate opens a gzip member of at most maxInflated bytes.
func inflate(data []byte) ([]byte, error) {
	z, ok := inflaters.Get().(*gzip.Reader)
	if !ok {
		z = new(gzip.Reader)
	}
	defer inflaters.Put(z)
	if err := z.Reset(bytes.NewReader(data)); err != nil {
		return nil, fmt.Errorf("inflate: %w: %w", errMalformed, err)
	}
	out, err := io.ReadAll(io.LimitReader(z, maxInflated+1))
	if err != nil {
		return nil, fmt.Errorf("inflate: %w: %w", errMalformed, err)
	}
	if len(out) > maxInflated {
		return nil, fmt.Errorf("inflate: %w: more than %d bytes", errMalformed, maxInflated)
	}
	return out, nil
}

// isGzip tells whether data begins as a gzip member does.
func isGzip(data []byte) bool { return len(data) > 2 && data[0] == 0x1f && data[1] == 0x8b }

// field is a field of a message: a number, or bytes.
type field struct {
	num  protowire.Number
	kind protowire.Type
	n    uint64 // of a varint, fixed32 or fixed64
	b    []byte // of what has a length; part of the message
}

// message tells that a field has a length: a message, text or bytes.
func (f field) message() bool { return f.kind == protowire.BytesType }

// int gives a varint as a number that may be below zero.
func (f field) int() int { return int(int32(f.n)) } //nolint:gosec // the wire has int32 in 64 bits

// float gives a fixed32 as the number it stands for; 0 of what is none.
func (f field) float() float64 {
	v := float64(math.Float32frombits(uint32(f.n))) //nolint:gosec // of a fixed32
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	return v
}

// fields gives the fields of a message in their order; an error ends them.
func fields(b []byte) iter.Seq2[field, error] {
	return func(yield func(field, error) bool) {
		for len(b) > 0 {
			num, kind, n := protowire.ConsumeTag(b)
			if n < 0 {
				yield(field{}, fmt.Errorf("%w: %w", errMalformed, protowire.ParseError(n)))
				return
			}
			b = b[n:]
			f := field{num: num, kind: kind}
			switch kind {
			case protowire.VarintType:
				f.n, n = protowire.ConsumeVarint(b)
			case protowire.Fixed32Type:
				var v uint32
				v, n = protowire.ConsumeFixed32(b)
				f.n = uint64(v)
			case protowire.Fixed64Type:
				f.n, n = protowire.ConsumeFixed64(b)
			case protowire.BytesType:
				f.b, n = protowire.ConsumeBytes(b)
			default: // groups, which nothing here has
				n = protowire.ConsumeFieldValue(num, kind, b)
			}
			if n < 0 {
				yield(field{}, fmt.Errorf("field %d: %w: %w", num, errMalformed, protowire.ParseError(n)))
				return
			}
			b = b[n:]
			if !yield(f, nil) {
				return
			}
		}
	}
}

// dig follows field numbers into a message: the first of each.
func dig(b []byte, path ...protowire.Number) ([]byte, error) {
	for _, num := range path {
		found := false
		for f, err := range fields(b) {
			if err != nil {
				return nil, err
			}
			if f.num == num && f.message() {
				b, found = f.b, true
				break
			}
		}
		if !found {
			return nil, fmt.Errorf("%w: no field %d", errMalformed, num)
		}
	}
	return b, nil
}
