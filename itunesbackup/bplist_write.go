package itunesbackup

import (
	"encoding/binary"
	"fmt"
	"math"
	"unicode/utf16"
)

// bplistWriter writes a binary property list of fewer than 256 objects, in the
// order its caller wants; the general encoder sorts dictionaries, phones do not.
// References are one byte. Containers are begun with room for their references,
// which are set as the members are written.
type bplistWriter struct {
	buf     []byte
	offsets []uint32
	ints    []intRef // integers written, each once as Apple's encoder does
}

type intRef struct {
	value int64
	ref   byte
}

// members is the room for a container's references.
type members struct{ pos int }

func (w *bplistWriter) begin() byte {
	w.offsets = append(w.offsets, uint32(len(w.buf)))
	return byte(len(w.offsets) - 1)
}

func (w *bplistWriter) marker(kind byte, n int) {
	switch {
	case n < 0xF:
		w.buf = append(w.buf, kind<<4|byte(n))
	case n <= 0xFF:
		w.buf = append(w.buf, kind<<4|0xF, kindInt<<4, byte(n))
	case n <= 0xFFFF:
		w.buf = append(w.buf, kind<<4|0xF, kindInt<<4|1, byte(n>>8), byte(n))
	default:
		w.buf = binary.BigEndian.AppendUint32(append(w.buf, kind<<4|0xF, kindInt<<4|2), uint32(n))
	}
}

func (w *bplistWriter) container(kind byte, n, refs int) (byte, members) {
	ref := w.begin()
	w.marker(kind, n)
	m := members{len(w.buf)}
	for range refs {
		w.buf = append(w.buf, 0)
	}
	return ref, m
}

// dict begins a dictionary of n entries: its keys are members 0 to n-1, their
// values members n to 2n-1.
func (w *bplistWriter) dict(n int) (byte, members) { return w.container(kindDict, n, 2*n) }

func (w *bplistWriter) array(n int) (byte, members) { return w.container(kindArray, n, n) }

func (w *bplistWriter) set(m members, i int, ref byte) { w.buf[m.pos+i] = ref }

func (w *bplistWriter) bool(v bool) byte {
	ref := w.begin()
	b := byte(8)
	if v {
		b = 9
	}
	w.buf = append(w.buf, b)
	return ref
}

func (w *bplistWriter) int(v int64) byte {
	for _, known := range w.ints {
		if known.value == v {
			return known.ref
		}
	}
	ref := w.begin()
	w.ints = append(w.ints, intRef{v, ref})
	switch {
	case v < 0 || v > math.MaxUint32:
		w.buf = binary.BigEndian.AppendUint64(append(w.buf, kindInt<<4|3), uint64(v))
	case v > math.MaxUint16:
		w.buf = binary.BigEndian.AppendUint32(append(w.buf, kindInt<<4|2), uint32(v))
	case v > math.MaxUint8:
		w.buf = binary.BigEndian.AppendUint16(append(w.buf, kindInt<<4|1), uint16(v))
	default:
		w.buf = append(w.buf, kindInt<<4, byte(v))
	}
	return ref
}

func (w *bplistWriter) uid(n byte) byte {
	ref := w.begin()
	w.buf = append(w.buf, kindUID<<4, n)
	return ref
}

// date takes seconds since 2001-01-01 00:00 UTC.
func (w *bplistWriter) date(seconds float64) byte {
	ref := w.begin()
	w.buf = binary.BigEndian.AppendUint64(append(w.buf, kindDate<<4|3), math.Float64bits(seconds))
	return ref
}

func (w *bplistWriter) data(b []byte) byte {
	ref := w.begin()
	w.marker(kindData, len(b))
	w.buf = append(w.buf, b...)
	return ref
}

func (w *bplistWriter) text(s string) byte {
	ref := w.begin()
	ascii := true
	for i := range len(s) {
		ascii = ascii && s[i] < 0x80
	}
	if ascii {
		w.marker(kindASCII, len(s))
		w.buf = append(w.buf, s...)
		return ref
	}
	units := utf16.Encode([]rune(s))
	w.marker(kindUTF16, len(units))
	for _, u := range units {
		w.buf = binary.BigEndian.AppendUint16(w.buf, u)
	}
	return ref
}

// finish appends the offset table and trailer; object 0 is the top.
func (w *bplistWriter) finish() ([]byte, error) {
	table := len(w.buf)
	if len(w.offsets) > 0xFF || table > math.MaxUint32 {
		return nil, fmt.Errorf("encode property list: %d objects in %d bytes are too many", len(w.offsets), table)
	}
	size := 1
	for table>>(8*size) > 0 {
		size++
	}
	for _, off := range w.offsets {
		for i := size - 1; i >= 0; i-- {
			w.buf = append(w.buf, byte(off>>(8*i)))
		}
	}
	w.buf = append(w.buf, 0, 0, 0, 0, 0, 0, byte(size), 1)
	w.buf = binary.BigEndian.AppendUint64(w.buf, uint64(len(w.offsets)))
	w.buf = binary.BigEndian.AppendUint64(w.buf, 0)
	w.buf = binary.BigEndian.AppendUint64(w.buf, uint64(table))
	return w.buf, nil
}
