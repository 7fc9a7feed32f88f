package appdata

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"
)

// Golden bytes, assembled by hand from the layout in typedstream.go.
func TestTypedstreamGolden(t *testing.T) {
	str := func(s string) string { return fmt.Sprintf("%02x", len(s)) + hex.EncodeToString([]byte(s)) }
	const head = "040b" + "73747265616d7479706564" + "81e803" + "840140"
	plain := head +
		"84" + "8484" + str("NSAttributedString") + "00" + "8484" + str("NSObject") + "00" + "85" + // objects 0, 1, 2
		"92" + "84" + "8484" + str("NSString") + "01" + "94" + // objects 3, 4
		"8401" + hex.EncodeToString([]byte("+")) + str("Tea?") + "86" +
		"8402" + hex.EncodeToString([]byte("iI")) + "01" + "04" +
		"92" + "84" + "8484" + str("NSDictionary") + "00" + "94" + "8401" + hex.EncodeToString([]byte("i")) + "01" + // objects 5, 6
		"92" + "84" + "96" + "96" + str(attrPart) + "86" + // object 7, class 4, type 4
		"92" + "84" + "8484" + str("NSNumber") + "00" + "8484" + str("NSValue") + "00" + "94" + // objects 8, 9, 10
		"8401" + hex.EncodeToString([]byte("*")) + "84" + "99" + "99" + "00" + "86" + // object 11, type 7 twice
		"86" + "86"
	mutable := head +
		"84" + "8484" + str("NSMutableAttributedString") + "00" + "8484" + str("NSAttributedString") + "00" + "8484" + str("NSObject") + "00" + "85" +
		"92" + "84" + "8484" + str("NSMutableString") + "01" + "8484" + str("NSString") + "01" + "95" +
		"8401" + hex.EncodeToString([]byte("+")) + str("Tea?") + "86" +
		"8402" + hex.EncodeToString([]byte("iI")) + "01" + "04" +
		"92" + "84" + "8484" + str("NSDictionary") + "00" + "95" + "8401" + hex.EncodeToString([]byte("i")) + "01" +
		"92" + "84" + "98" + "98" + str(attrPart) + "86" +
		"92" + "84" + "8484" + str("NSNumber") + "00" + "8484" + str("NSValue") + "00" + "95" +
		"8401" + hex.EncodeToString([]byte("*")) + "84" + "9b" + "9b" + "00" + "86" +
		"86" + "86"
	for _, c := range []struct {
		name    string
		mutable bool
		want    string
	}{{"plain", false, plain}, {"mutable", true, mutable}} {
		if got := hex.EncodeToString(encodeBody(plainRuns("Tea?"), c.mutable)); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

func TestTypedstreamLengths(t *testing.T) {
	for _, c := range []struct {
		n    int
		want string // bytes after the "+"
	}{{127, "7f"}, {128, "818000"}, {165, "81a500"}, {65535, "81ffff"}, {65536, "8200000100"}, {70000, "8270110100"}} {
		b := encodeBody(plainRuns(strings.Repeat("a", c.n)), false)
		at := strings.Index(string(b), "\x84\x01+") + 3
		if got := hex.EncodeToString(b[at : at+len(c.want)/2]); got != c.want {
			t.Errorf("length %d: %s, want %s", c.n, got, c.want)
		}
	}
}

// Many classes, keys and numbers push references past 0x92 + n of one byte only
// after 237 entries, which messages never reach; the integers must still be right.
func TestTypedstreamIntegers(t *testing.T) {
	for v, want := range map[int]string{0: "00", 127: "7f", -110: "92", -1: "ff", 128: "818000", -111: "8191ff", 40000: "82409c0000"} {
		w := &tsWriter{}
		w.int(v)
		if got := hex.EncodeToString(w.buf.Bytes()); got != want {
			t.Errorf("%d: %s, want %s", v, got, want)
		}
	}
}

func FuzzTypedstream(f *testing.F) {
	for _, s := range []string{"", "a", "😀", "שלום", strings.Repeat("x", 300), "\ufffc\ufffd"} {
		f.Add(s, "second", true)
	}
	f.Fuzz(func(t *testing.T, a, b string, mutable bool) {
		if !utf8.ValidString(a) || !utf8.ValidString(b) {
			return
		}
		runs := []textRun{{a, []attribute{{attrPart, tsInt(0)}}}, {b, []attribute{{attrPart, tsInt(1)}, {attrMention, b}, {attrDirection, tsLong(-1)}, {attrLink, link(a)}}},
			{a, []attribute{{attrPart, tsInt(0)}}}}
		got, err := decodeTypedstream(encodeBody(runs, mutable))
		if err != nil {
			t.Fatal(err)
		}
		if got.text != a+b+a {
			t.Fatalf("text %q, want %q", got.text, a+b+a)
		}
		if len(got.runs) != 3 || got.runs[0].dict != got.runs[2].dict || got.runs[1].dict == got.runs[0].dict {
			t.Fatalf("runs %+v", got.runs)
		}
		if n := got.runs[0].length + got.runs[1].length + got.runs[2].length; n != len(utf16.Encode([]rune(got.text))) {
			t.Fatalf("runs cover %d units of %q", n, got.text)
		}
	})
}

// What follows reads typedstreams without sharing anything with the writer.

type readRun struct{ dict, length int }

type readBody struct {
	text  string
	runs  []readRun
	dicts []map[string]any
}

type tsReader struct {
	b       []byte
	at      int
	strings []string
	objects []any // what each slot holds: a class name, a string, nil for objects
}

// tsFault is a malformed stream; the reader panics with it and recovers.
type tsFault struct{ error }

func decodeTypedstream(b []byte) (out readBody, err error) {
	defer func() {
		if r := recover(); r != nil {
			f, ok := r.(tsFault)
			if !ok {
				err = fmt.Errorf("at a byte that is not there: %v", r)
				return
			}
			err = f.error
		}
	}()
	r := &tsReader{b: b}
	if r.integer() != 4 || string(r.take(r.integer())) != "streamtyped" || r.integer() != 1000 {
		return out, errors.New("not a typedstream")
	}
	r.want("@")
	r.begin("NSMutableAttributedString", "NSAttributedString")
	r.want("@")
	out.text = r.stringObject()
	for r.b[r.at] != 0x86 {
		r.want("iI")
		run := readRun{r.integer(), r.unsigned()}
		if run.dict > len(out.dicts) {
			r.want("@")
			out.dicts = append(out.dicts, r.dictionary())
		}
		out.runs = append(out.runs, run)
	}
	r.end()
	if r.at != len(b) {
		r.fault("%d bytes left over", len(b)-r.at)
	}
	return out, nil
}

func (r *tsReader) fault(format string, a ...any) {
	panic(tsFault{fmt.Errorf("offset %d: "+format, append([]any{r.at}, a...)...)})
}

func (r *tsReader) take(n int) []byte {
	r.at += n
	return r.b[r.at-n : r.at]
}

func (r *tsReader) integer() int {
	switch c := r.take(1)[0]; {
	case c == 0x81:
		v := r.take(2)
		return int(int16(uint16(v[0]) | uint16(v[1])<<8))
	case c == 0x82:
		v := r.take(4)
		return int(int32(uint32(v[0]) | uint32(v[1])<<8 | uint32(v[2])<<16 | uint32(v[3])<<24))
	case c >= 0x80 && c <= 0x91:
		r.fault("tag %#x where a number belongs", c)
	default:
		return int(int8(c))
	}
	return 0
}

func (r *tsReader) unsigned() int {
	switch c := r.take(1)[0]; c {
	case 0x81:
		v := r.take(2)
		return int(v[0]) | int(v[1])<<8
	case 0x82:
		v := r.take(4)
		return int(v[0]) | int(v[1])<<8 | int(v[2])<<16 | int(v[3])<<24
	default:
		return int(c)
	}
}

// shared reads a string of the first table.
func (r *tsReader) shared() string {
	if r.b[r.at] == 0x84 {
		r.at++
		s := string(r.take(r.unsigned()))
		r.strings = append(r.strings, s)
		return s
	}
	return r.strings[r.integer()+110]
}

func (r *tsReader) want(typ string) {
	if got := r.shared(); got != typ {
		r.fault("type %q, want %q", got, typ)
	}
}

// begin reads the head of an object of one of the classes.
func (r *tsReader) begin(classes ...string) {
	if c := r.take(1)[0]; c != 0x84 {
		r.fault("tag %#x, want a new object", c)
	}
	r.objects = append(r.objects, nil)
	first := ""
	for {
		var name string
		last := false
		switch c := r.b[r.at]; c {
		case 0x85:
			r.at++
			last = true
		case 0x84:
			r.at++
			slot := len(r.objects)
			r.objects = append(r.objects, nil)
			name = r.shared()
			r.objects[slot] = name
			r.integer() // version
		default:
			name, _ = r.objects[r.integer()+110].(string)
			last = true
		}
		if first == "" {
			first = name
		}
		if last {
			break
		}
	}
	for _, c := range classes {
		if c == first {
			return
		}
	}
	r.fault("class %q, want one of %q", first, classes)
}

func (r *tsReader) end() {
	if c := r.take(1)[0]; c != 0x86 {
		r.fault("tag %#x, want the end of an object", c)
	}
}

func (r *tsReader) stringObject() string {
	r.begin("NSString", "NSMutableString")
	return r.stringRest()
}

func (r *tsReader) stringRest() string {
	r.want("+")
	s := string(r.take(r.unsigned()))
	r.end()
	return s
}

func (r *tsReader) dictionary() map[string]any {
	r.begin("NSDictionary")
	r.want("i")
	out := map[string]any{}
	for range r.integer() {
		r.want("@")
		key := r.stringObject()
		r.want("@")
		out[key] = r.value()
	}
	r.end()
	return out
}

// value reads a string, a number or a link, by trying the class that follows.
func (r *tsReader) value() any {
	mark, strs, objs := r.at, len(r.strings), len(r.objects)
	for _, try := range []func() any{
		func() any { return r.stringObject() },
		func() any {
			r.begin("NSNumber")
			r.want("*")
			if r.b[r.at] == 0x84 {
				r.at++
				r.objects = append(r.objects, r.shared())
			} else if r.objects[r.integer()+110] == nil {
				r.fault("reference to no C string")
			}
			kind := r.shared()
			if kind != "i" && kind != "q" {
				r.fault("number of type %q", kind)
			}
			v := r.integer()
			r.end()
			return v
		},
		func() any {
			r.begin("NSURL")
			r.want("c")
			r.take(1)
			r.want("@")
			s := r.stringObject()
			r.end()
			return s
		},
	} {
		v, ok := attempt(try)
		if ok {
			return v
		}
		r.at, r.strings, r.objects = mark, r.strings[:strs], r.objects[:objs]
	}
	r.fault("value of an unknown class")
	return nil
}

func attempt(f func() any) (v any, ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	return f(), true
}
