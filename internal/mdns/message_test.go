package mdns

import (
	"encoding/hex"
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

const phoneName = "18:f1:d8:df:17:9f@fe80::1af1:d8ff:fedf:179f._apple-mobdev2._tcp.local."

// phoneAnswer is what a phone says, in the order of RFC 6763, 12.
var phoneAnswer = message{
	response: true,
	answers:  []record{{name: "_apple-mobdev2._tcp.local.", typ: typePTR, ttl: 4500, target: phoneName}},
	extra: []record{
		{name: phoneName, typ: typeSRV, flush: true, ttl: 120, port: 62078, target: "iPhone.local."},
		{name: phoneName, typ: typeTXT, flush: true, ttl: 4500, txt: []string{"identifier=x"}},
		{name: "iPhone.local.", typ: typeA, flush: true, ttl: 120, addr: netip.MustParseAddr("192.168.1.9")},
		{name: "iPhone.local.", typ: typeAAAA, flush: true, ttl: 120, addr: netip.MustParseAddr("fe80::1af1:d8ff:fedf:179f")},
	},
}

// phonePacket is phoneAnswer, put together by hand from RFC 1035 and RFC 6762.
const phonePacket = "000084000000000100000004" +
	"0e5f6170706c652d6d6f6264657632045f746370056c6f63616c00" + "000c0001" + "00001194" + "002e" + // 12: PTR
	"2b" + "31383a66313a64383a64663a31373a3966" + "40" + "666538303a3a316166313a643866663a666564663a31373966" + "c00c" + // 49
	"c031" + "00218001" + "00000078" + "000f" + "00000000" + "f27e" + "066950686f6e65" + "c020" + // SRV; iPhone at 113
	"c031" + "00108001" + "00001194" + "000d" + "0c6964656e7469666965723d78" +
	"c071" + "00018001" + "00000078" + "0004" + "c0a80109" +
	"c071" + "001c8001" + "00000078" + "0010" + "fe800000000000001af1d8fffedf179f"

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestGolden(t *testing.T) {
	b, err := phoneAnswer.append(nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(b); got != phonePacket {
		t.Errorf("got  %s\nwant %s", got, phonePacket)
	}
	m, err := parse(unhex(t, phonePacket))
	if err != nil || !reflect.DeepEqual(m, phoneAnswer) {
		t.Errorf("%v: %+v", err, m)
	}
	// A question, as everybody sends it.
	q := message{questions: []question{{name: "_apple-mobdev2._tcp.local.", typ: typePTR}}}
	b, err = q.append(nil)
	if want := "000000000001000000000000" + "0e5f6170706c652d6d6f6264657632045f746370056c6f63616c00" + "000c0001"; err != nil || hex.EncodeToString(b) != want {
		t.Errorf("%v: got %x, want %s", err, b, want)
	}
}

// TestNames: dots, backslashes and foreign letters in labels.
func TestNames(t *testing.T) {
	name := `Max\.s iPhone \\ 3\.5 …._ipp._tcp.local.`
	m := message{questions: []question{{name: name, typ: typeANY, unicast: true}}}
	b, err := m.append([]byte("before"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := parse(b[len("before"):])
	if err != nil || got.questions[0] != m.questions[0] {
		t.Errorf("%v: %+v", err, got)
	}
	for _, bad := range []string{"a..b.", ".", strings.Repeat("a", 64) + ".", strings.Repeat("a.", 128)} {
		_, err := message{questions: []question{{name: bad}}}.append(nil)
		if (err == nil) != (bad == ".") {
			t.Errorf("%.20q: %v", bad, err)
		}
	}
	if _, err := (message{answers: []record{{name: "a.", typ: typeTXT, txt: []string{strings.Repeat("x", 256)}}}}).append(nil); err == nil {
		t.Error("a TXT string of 256 bytes was sent")
	}
}

func TestMalformed(t *testing.T) {
	head := "000084000000000100000000"
	for name, packet := range map[string]string{
		"nothing":               "",
		"half a header":         "0000840000000001",
		"an error":              "000084030000000100000000",
		"65535 answers":         "00008400" + "0000ffff00000000",
		"no answer":             head,
		"a pointer to itself":   head + "c00c" + "000c0001000000010000",
		"a pointer forward":     head + "c010" + "000c0001000000010000",
		"a label that ends":     head + "3f6161",
		"a label of type 0x40":  head + "4061",
		"a name without end":    head + strings.Repeat("01", 300) + "00000c0001000000010000",
		"a record that ends":    head + "00" + "000c000100000001ffff",
		"a name beyond PTR":     head + "00" + "000c0001000000010001" + "016100",
		"an address of 3 bytes": head + "00" + "00010001000000010003" + "010203",
		"IPv6 of 4 bytes":       head + "00" + "001c0001000000010004" + "01020304",
		"TXT beyond its end":    head + "00" + "00100001000000010002" + "05616263646566",
	} {
		if m, err := parse(unhex(t, packet)); !errors.Is(err, errMalformed) || len(m.answers) > 0 {
			t.Errorf("%s: %v, %+v", name, err, m)
		}
	}
	// What does not concern us is no error, and hides nothing.
	m, err := parse(unhex(t, "000084000000000300000000"+
		"0161000"+"02f00010000000100080001020304050607"+ // NSEC
		"0161000"+"00100fe0000000100040a000001"+ // A of class 254
		"0161000"+"001000100000001"+"0004"+"0a000001"))
	if err != nil || len(m.answers) != 1 || m.answers[0].addr != netip.MustParseAddr("10.0.0.1") {
		t.Errorf("%v: %+v", err, m)
	}
}

// FuzzParse: no packet does harm, what was understood comes back the same, and
// dnsmessage, where it understands a packet, understands no more of it.
func FuzzParse(f *testing.F) {
	f.Add(unhex(f, phonePacket))
	f.Add(unhex(f, "000000000001000000000000"+"0e5f6170706c652d6d6f6264657632045f746370056c6f63616c00"+"000c8001"))
	f.Add(unhex(f, "000084000000000100000000c00c000c0001000000010000"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parse(b)
		if err != nil {
			return
		}
		again, err := m.append(nil)
		if err != nil {
			return // such as a name of no label, which nobody sends
		}
		back, err := parse(again)
		if err != nil || !reflect.DeepEqual(back, m) {
			t.Fatalf("%v:\n%+v\n%+v", err, m, back)
		}
		compare(t, b, m)
	})
}

func compare(t *testing.T, b []byte, m message) {
	var theirs dnsmessage.Message
	if theirs.Unpack(b) != nil {
		return
	}
	var ptrs []string
	for _, r := range slices.Concat(theirs.Answers, theirs.Additionals) {
		if body, ok := r.Body.(*dnsmessage.PTRResource); ok && r.Header.Class&^topBit == classIN {
			ptrs = append(ptrs, body.PTR.String())
		}
	}
	var ours []string
	for _, r := range slices.Concat(m.answers, m.extra) {
		if r.typ == typePTR {
			ours = append(ours, strings.ReplaceAll(r.target, `\`, ""))
		}
	}
	for i := range ptrs {
		ptrs[i] = strings.ReplaceAll(ptrs[i], `\`, "")
	}
	if !slices.Equal(ours, ptrs) {
		t.Fatalf("ours %q, theirs %q", ours, ptrs)
	}
}
