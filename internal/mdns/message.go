package mdns

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// Types and classes of records (RFC 1035, RFC 2782, RFC 3596).
const (
	typeA    = 1
	typePTR  = 12
	typeTXT  = 16
	typeAAAA = 28
	typeSRV  = 33
	typeANY  = 255

	classIN   = 1
	classANY  = 255
	topBit    = 1 << 15 // of a class: "unicast, please" or "replaces the others"
	headerLen = 12

	flagResponse      = 1 << 15
	flagAuthoritative = 1 << 10
	maskOpcode        = 0xF << 11
	maskRcode         = 0xF
)

// Bounds of what comes from the network.
const (
	// maxPacket is the longest message in bytes (RFC 6762, 17).
	maxPacket = 9000
	// maxRecords of one message are read; a phone sends some dozen.
	maxRecords = 512
	// maxName is the longest name on the wire in bytes (RFC 1035, 2.3.4).
	maxName = 255
	// maxTXT strings of one record are kept.
	maxTXT = 128
)

// errMalformed is what cannot be read of a message.
var errMalformed = errors.New("malformed DNS message")

type question struct {
	name    string
	typ     uint16
	unicast bool // the answer may come to the asker alone
}

// record is a resource record; typ says which of the last fields it has.
type record struct {
	name  string
	typ   uint16
	flush bool   // replaces older records of that name and type
	ttl   uint32 // seconds; 0 ends the record

	target string     // PTR, SRV
	port   uint16     // SRV
	txt    []string   // TXT
	addr   netip.Addr // A, AAAA
}

type message struct {
	id        uint16
	response  bool
	questions []question
	answers   []record // of the section of that name, in questions what the asker knows
	extra     []record // additional records
}

// parse reads a message. Records of types and classes that do not concern us are
// left out; one with nonsense in it ends the reading with an error.
func parse(b []byte) (message, error) {
	if len(b) < headerLen || len(b) > maxPacket {
		return message{}, fmt.Errorf("%w: %d bytes", errMalformed, len(b))
	}
	r := reader{b: b}
	m := message{id: r.u16()}
	flags := r.u16()
	m.response = flags&flagResponse != 0
	counts := [4]int{int(r.u16()), int(r.u16()), int(r.u16()), int(r.u16())}
	if flags&(maskOpcode|maskRcode) != 0 {
		return message{}, fmt.Errorf("%w: flags %#04x", errMalformed, flags)
	}
	if sum := counts[0] + counts[1] + counts[2] + counts[3]; sum > maxRecords {
		return message{}, fmt.Errorf("%w: %d records, at most %d are read", errMalformed, sum, maxRecords)
	}
	for range counts[0] {
		if q, ok := r.question(); ok {
			m.questions = append(m.questions, q)
		}
	}
	for section, n := range counts[1:] {
		for range n {
			rec, ok := r.record()
			switch {
			case !ok:
			case section == 0:
				m.answers = append(m.answers, rec)
			case section == 2:
				m.extra = append(m.extra, rec)
			}
		}
	}
	return m, r.err
}

// reader takes a message apart; after an error it gives zeros.
type reader struct {
	b   []byte
	at  int
	err error
}

func (r *reader) fail(what string) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s at byte %d", errMalformed, what, r.at)
	}
}

func (r *reader) take(n int) []byte {
	if r.err != nil || n > len(r.b)-r.at {
		r.fail("it ends early")
		return nil
	}
	part := r.b[r.at : r.at+n]
	r.at += n
	return part
}

func (r *reader) u8() int {
	if p := r.take(1); p != nil {
		return int(p[0])
	}
	return 0
}

func (r *reader) u16() uint16 {
	if p := r.take(2); p != nil {
		return binary.BigEndian.Uint16(p)
	}
	return 0
}

func (r *reader) u32() uint32 {
	if p := r.take(4); p != nil {
		return binary.BigEndian.Uint32(p)
	}
	return 0
}

// name reads a name. Each pointer must lead further back than the one before:
// so there is an end.
func (r *reader) name() string {
	var text strings.Builder
	length, back, low := 0, -1, r.at
	for r.err == nil {
		switch n := r.u8(); {
		case r.err != nil:
		case n == 0:
			if back >= 0 {
				r.at = back
			}
			if text.Len() == 0 {
				return "."
			}
			return text.String()
		case n >= 0xC0:
			to := n&0x3F<<8 | r.u8()
			if r.err == nil && to >= low {
				r.fail("a name that points forward")
			}
			if back < 0 {
				back = r.at
			}
			r.at, low = to, to
		case n > 63:
			r.fail("a label of unknown kind")
		default:
			if length += n + 1; length >= maxName {
				r.fail("a name that is too long")
			}
			appendLabel(&text, r.take(n))
		}
	}
	return ""
}

func appendLabel(text *strings.Builder, label []byte) {
	for _, c := range label {
		if c == '.' || c == '\\' {
			text.WriteByte('\\')
		}
		text.WriteByte(c)
	}
	text.WriteByte('.')
}

func (r *reader) question() (q question, ok bool) {
	q.name, q.typ = r.name(), r.u16()
	class := r.u16()
	q.unicast = class&topBit != 0
	class &^= topBit
	return q, r.err == nil && (class == classIN || class == classANY)
}

// record reads one record; not ok is one that does not concern us, or an error.
func (r *reader) record() (rec record, ok bool) {
	rec.name, rec.typ = r.name(), r.u16()
	class := r.u16()
	rec.flush, rec.ttl = class&topBit != 0, r.u32()
	length := int(r.u16())
	if r.err != nil {
		return rec, false
	}
	if length > len(r.b)-r.at {
		r.fail("a record that ends early")
		return rec, false
	}
	end := r.at + length
	ok = class&^topBit == classIN && r.data(&rec, length)
	if r.err == nil && r.at > end {
		r.fail("a record that is longer than it says")
	}
	r.at = end
	return rec, ok && r.err == nil
}

func (r *reader) data(rec *record, length int) bool {
	switch rec.typ {
	case typeA, typeAAAA:
		addr, ok := netip.AddrFromSlice(r.take(length))
		if !ok || addr.Is4() != (rec.typ == typeA) {
			r.fail("an address of another length")
		}
		rec.addr = addr
	case typePTR:
		rec.target = r.name()
	case typeSRV:
		r.u32() // priority and weight: there is one target
		rec.port, rec.target = r.u16(), r.name()
	case typeTXT:
		for end := r.at + length; r.err == nil && r.at < end; {
			s := string(r.take(r.u8()))
			if len(rec.txt) < maxTXT && s != "" {
				rec.txt = append(rec.txt, s)
			}
		}
	default:
		return false
	}
	return true
}

// append puts a message on the wire, behind b.
func (m message) append(b []byte) ([]byte, error) {
	w := writer{b: b, base: len(b), seen: map[string]int{}}
	var flags uint16
	if m.response {
		flags = flagResponse | flagAuthoritative
	}
	for _, v := range []int{int(m.id), int(flags), len(m.questions), len(m.answers), 0, len(m.extra)} {
		w.u16(uint16(v))
	}
	for _, q := range m.questions {
		class := uint16(classIN)
		if q.unicast {
			class |= topBit
		}
		w.name(q.name)
		w.u16(q.typ)
		w.u16(class)
	}
	for _, list := range [][]record{m.answers, m.extra} {
		for _, rec := range list {
			w.record(rec)
		}
	}
	if n := len(w.b) - w.base; w.err == nil && n > maxPacket {
		w.err = fmt.Errorf("DNS message of %d bytes, at most %d fit", n, maxPacket)
	}
	return w.b, w.err
}

type writer struct {
	b    []byte
	base int
	seen map[string]int // where the rest of a name is, in lower case
	err  error
}

func (w *writer) u16(v uint16) { w.b = binary.BigEndian.AppendUint16(w.b, v) }

func (w *writer) name(name string) {
	labels, err := splitLabels(name)
	if err != nil {
		w.err = errors.Join(w.err, err)
		return
	}
	for i, label := range labels {
		rest := wireKey(labels[i:])
		if at, ok := w.seen[rest]; ok {
			w.u16(0xC000 | uint16(at))
			return
		}
		if at := len(w.b) - w.base; at < 1<<14 {
			w.seen[rest] = at
		}
		w.b = append(append(w.b, byte(len(label))), label...)
	}
	w.b = append(w.b, 0)
}

// wireKey makes one text of labels that no other labels make.
func wireKey(labels []string) string {
	var key strings.Builder
	for _, l := range labels {
		key.WriteByte(byte(len(l)))
		key.WriteString(strings.ToLower(l))
	}
	return key.String()
}

// splitLabels takes a name apart and undoes its backslashes.
func splitLabels(name string) ([]string, error) {
	var labels []string
	var label strings.Builder
	total := 1
	for i := 0; i < len(name); i++ {
		switch c := name[i]; {
		case c == '\\' && i+1 < len(name):
			i++
			label.WriteByte(name[i])
		case c == '.':
			if name == "." {
				return nil, nil
			}
			labels = append(labels, label.String())
			label.Reset()
		default:
			label.WriteByte(c)
		}
	}
	if label.Len() > 0 {
		labels = append(labels, label.String())
	}
	for _, l := range labels {
		total += len(l) + 1
		if l == "" || len(l) > 63 {
			return nil, fmt.Errorf("DNS name %q: a label has %d bytes, 1 to 63 are allowed", name, len(l))
		}
	}
	if total > maxName {
		return nil, fmt.Errorf("DNS name of %d bytes, at most %d are allowed", total, maxName)
	}
	return labels, nil
}

func (w *writer) record(rec record) {
	class := uint16(classIN)
	if rec.flush {
		class |= topBit
	}
	w.name(rec.name)
	w.u16(rec.typ)
	w.u16(class)
	w.b = binary.BigEndian.AppendUint32(w.b, rec.ttl)
	length := len(w.b)
	w.u16(0)
	switch rec.typ {
	case typeA, typeAAAA:
		w.b = append(w.b, rec.addr.AsSlice()...)
	case typePTR:
		w.name(rec.target)
	case typeSRV:
		w.b = append(w.b, 0, 0, 0, 0)
		w.u16(rec.port)
		w.name(rec.target)
	case typeTXT:
		w.strings(rec.txt)
	default:
		w.err = errors.Join(w.err, fmt.Errorf("DNS record of type %d cannot be sent", rec.typ))
	}
	if n := len(w.b) - length - 2; n <= 0xFFFF {
		binary.BigEndian.PutUint16(w.b[length:], uint16(n))
	}
}

// strings writes a TXT record, which has at least one string (RFC 6763, 6.1).
func (w *writer) strings(list []string) {
	if len(list) == 0 {
		list = []string{""}
	}
	for _, s := range list {
		if len(s) > 255 {
			w.err = errors.Join(w.err, fmt.Errorf("TXT string of %d bytes, at most 255 are allowed", len(s)))
			return
		}
		w.b = append(append(w.b, byte(len(s))), s...)
	}
}
