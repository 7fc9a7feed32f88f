package appdata

import (
	"encoding/binary"
	"math"
)

// pb is a protocol buffer message in the making: fields in the order written.
//
//	key = field number << 3 | wire type; 0 varint, 2 length and bytes, 5 four bytes
type pb []byte

func (p *pb) varint(field int, v uint64) {
	*p = binary.AppendUvarint(*p, uint64(field)<<3)
	*p = binary.AppendUvarint(*p, v)
}

func (p *pb) bytes(field int, b []byte) {
	*p = binary.AppendUvarint(*p, uint64(field)<<3|2)
	*p = binary.AppendUvarint(*p, uint64(len(b)))
	*p = append(*p, b...)
}

func (p *pb) str(field int, s string) { p.bytes(field, []byte(s)) }

func (p *pb) float(field int, v float32) {
	*p = binary.AppendUvarint(*p, uint64(field)<<3|5)
	*p = binary.LittleEndian.AppendUint32(*p, math.Float32bits(v))
}

// message nests what build writes.
func (p *pb) message(field int, build func(*pb)) {
	var inner pb
	build(&inner)
	p.bytes(field, inner)
}
