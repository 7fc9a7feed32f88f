package typedstream_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keepsake-backup/keepsake/extract/typedstream"
)

// Bytes put together by hand from content-schemas.md 3 and the comment of the package.
const (
	head = "\x04\x0bstreamtyped\x81\xe8\x03"
	// Objects: 0 the string with attributes (92), 1 its class (93), 2 NSObject (94), 3 the
	// text (95), 4 its class (96), 5 a dictionary (97), 6 its class (98).
	// Strings: 0 "@" (92), 1 NSAttributedString, 2 NSObject, 3 NSString (95), 4 "+" (96),
	// 5 "iI" (97), 6 NSDictionary (98), 7 "i" (99).
	plainHead = head + "\x84\x01@" + "\x84\x84\x84\x12NSAttributedString\x00\x84\x84\x08NSObject\x00\x85" +
		"\x92\x84\x84\x84\x08NSString\x01\x94\x84\x01+"
	plainRun = "\x92\x84\x84\x84\x0cNSDictionary\x00\x94\x84\x01i"
	// A string by the class that is known: "@", new object, class 96, type "+".
	str = "\x92\x84\x96\x96"
	// The first number: NSNumber (string 8) is NSValue (9) is NSObject; its type is a C
	// string "i", which is string 7 (99).
	part0 = str + "\x1d__kIMMessagePartAttributeName\x86" +
		"\x92\x84\x84\x84\x08NSNumber\x00\x84\x84\x07NSValue\x00\x94\x84\x01*\x84\x99\x99\x00\x86"
)

func plain(text string) string { return string(rune(len(text))) + text + "\x86" }

func TestDecode(t *testing.T) {
	tea := plainHead + plain("Tea?") + "\x84\x02iI\x01\x04" + plainRun + "\x01" + part0 + "\x86\x86"
	mutable := head + "\x84\x01@" + "\x84\x84\x84\x19NSMutableAttributedString\x00\x84\x84\x12NSAttributedString\x00\x84\x84\x08NSObject\x00\x85" +
		"\x92\x84\x84\x84\x0fNSMutableString\x01\x84\x84\x08NSString\x01\x95\x84\x01+" + plain("Tea?") + "\x84\x02iI\x01\x04" +
		"\x92\x84\x84\x84\x0cNSDictionary\x00\x95\x84\x01i\x01" + "\x92\x84\x98\x98\x1d__kIMMessagePartAttributeName\x86" +
		"\x92\x84\x84\x84\x08NSNumber\x00\x84\x84\x07NSValue\x00\x95\x84\x01*\x84\x9b\x9b\x00\x86" + "\x86\x86"
	file := plainHead + plain("\ufffcsea") + "\x84\x02iI\x01\x01" + plainRun + "\x01" +
		str + "\x22__kIMFileTransferGUIDAttributeName\x86" + str + "\x08at_0_ABC\x86" + "\x86" + // objects 7, 8
		"\x97\x02\x03\x92\x84\x98\x99\x01" + part0 + "\x86\x86"
	// A face is two units of UTF-16; the third run has the first dictionary again.
	faces := plainHead + plain("😀b😀") + "\x84\x02iI\x01\x02" + plainRun + "\x01" +
		str + "\x1a__kIMTextBoldAttributeName\x86" + "\x92\x84\x84\x84\x08NSNumber\x00\x84\x84\x07NSValue\x00\x94\x84\x01*\x84\x84\x01c\x9d\x01\x86" + "\x86" +
		"\x97\x02\x01\x92\x84\x98\x99\x00\x86" + "\x97\x01\x02\x86"
	link := plainHead + plain("x") + "\x84\x02iI\x01\x01" + plainRun + "\x01" +
		str + "\x16__kIMLinkAttributeName\x86" + "\x92\x84\x84\x84\x05NSURL\x00\x94\x84\x01c\x00" + str + "\x0ehttp://a.test/\x86" + "\x86" + "\x86\x86"
	for name, x := range map[string]struct {
		data string
		want *typedstream.String
	}{
		"plain":   {tea, &typedstream.String{Text: "Tea?", Runs: []typedstream.Run{{Text: "Tea?", Attributes: &typedstream.Attributes{}}}}},
		"mutable": {mutable, &typedstream.String{Text: "Tea?", Runs: []typedstream.Run{{Text: "Tea?", Attributes: &typedstream.Attributes{}}}}},
		"file": {file, &typedstream.String{Text: "\ufffcsea", Runs: []typedstream.Run{
			{Text: "\ufffc", Attributes: &typedstream.Attributes{Part: -1, File: "at_0_ABC"}}, {Text: "sea", Attributes: &typedstream.Attributes{}}}}},
		"faces": {faces, &typedstream.String{Text: "😀b😀", Runs: []typedstream.Run{
			{Text: "😀", Attributes: &typedstream.Attributes{Part: -1, Bold: true}}, {Text: "b", Attributes: &typedstream.Attributes{Part: -1}}, {Text: "😀", Attributes: &typedstream.Attributes{Part: -1, Bold: true}}}}},
		"link": {link, &typedstream.String{Text: "x", Runs: []typedstream.Run{{Text: "x", Attributes: &typedstream.Attributes{Part: -1, Link: "http://a.test/"}}}}},
		// Cut behind the text: the text is whole, and that it is cut is told.
		"cut":    {tea[:len(tea)-30], &typedstream.String{Text: "Tea?", Damaged: true}},
		"behind": {plainHead + plain("Tea?"), &typedstream.String{Text: "Tea?", Damaged: true}},
		// A string by itself.
		"bare": {head + "\x84\x01@\x84\x84\x84\x08NSString\x01\x84\x84\x08NSObject\x00\x85\x84\x01+" + plain("Hi") + "\x86", &typedstream.String{Text: "Hi"}},
		// A run that points to no dictionary, and one that is too long.
		"no dictionary": {plainHead + plain("Tea?") + "\x84\x02iI\x09\x04\x86", &typedstream.String{Text: "Tea?", Damaged: true}},
		"long run": {plainHead + plain("Tea?") + "\x84\x02iI\x01\x70" + plainRun + "\x00\x86\x86",
			&typedstream.String{Text: "Tea?", Runs: []typedstream.Run{{Text: "Tea?", Attributes: &typedstream.Attributes{Part: -1}}}}},
		"short run": {plainHead + plain("Tea?") + "\x84\x02iI\x01\x01" + plainRun + "\x00\x86\x86",
			&typedstream.String{Text: "Tea?", Runs: []typedstream.Run{{Text: "T", Attributes: &typedstream.Attributes{Part: -1}}, {Text: "ea?", Attributes: &typedstream.Attributes{Part: -1}}}}},
	} {
		got, err := typedstream.Decode([]byte(x.data))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(x.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestObjects(t *testing.T) {
	data := head + "\x84\x0bcCsSiIqfdf[" // a type that does not end
	if _, err := typedstream.Objects([]byte(data)); !errors.Is(err, typedstream.ErrMalformed) {
		t.Errorf("an open array: %v", err)
	}
	got, err := typedstream.Objects([]byte(head + "\x84\x08cCsSiIqQ" + "\x85\x85\x81\x00\x80\x92\xff\x82\xff\xff\xff\xff\x87\x01\x02\x03\x04\x05\x06\x07\x08\x7f" +
		"\x84\x03fdf" + "\x83\x00\x00\x80\x3f\x83\x00\x00\x00\x00\x00\x00\xf0\x3f\x05" + "\x84\x04[3c]" + "abc" + "\x84\x05[2i]+" + "\x01\x02\x02xy" + "\x84\x0a{p=i{q=c}}" + "\x07\x08"))
	if err != nil {
		t.Fatal(err)
	}
	want := []any{int64(-123), int64(0x85), int64(-32768), int64(0x92), int64(-1), int64(0xffffffff), int64(0x0807060504030201), int64(0x7f),
		1.0, 1.0, 5.0, "abc", []any{int64(1), int64(2)}, "xy", []any{int64(7), []any{int64(8)}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestRefuses(t *testing.T) {
	deep := head + "\x84\x01@" + "\x84\x84\x84\x01A\x00\x85" + strings.Repeat("\x92\x84\x93", 80)
	for name, data := range map[string]string{
		"nothing": "", "other": "bplist00", "version": "\x05\x0bstreamtyped\x81\xe8\x03", "header only": head, "a type only": head + "\x84\x01@",
		"none": head + "\x84\x01@\x85", "no such string": head + "\x92", "no such object": head + "\x84\x01@\x92", "an object that is a class": head + "\x84\x02@@\x84\x84\x84\x01A\x00\x85\x86\x93",
		"deep": deep, "bomb": head + "\x84\x14[9999999[9999999c]]]", "zeroes": head + "\x84\x0b[20[0c]][0c]" + strings.Repeat("\x92", 9),
		"a number": head + "\x84\x01i\x05", "unknown type": head + "\x84\x01?\x05", "no type": head + "\x85", "another class": head + "\x84\x01@\x84\x84\x84\x01A\x00\x85\x86",
		"above itself": head + "\x84\x01@\x84\x84\x84\x01A\x00\x93\x86",
		"superclasses": head + "\x84\x01@\x84" + strings.Repeat("\x84\x84\x01A\x00", 80),
	} {
		if got, err := typedstream.Decode([]byte(data)); !errors.Is(err, typedstream.ErrMalformed) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(plainHead + plain("Tea?") + "\x84\x02iI\x01\x04" + plainRun + "\x01" + part0 + "\x86\x86"))
	f.Add([]byte(head + "\x84\x03fdf" + "\x83\x00\x00\x80\x3f\x83\x00\x00\x00\x00\x00\x00\xf0\x3f\x05" + "\x84\x04[3c]abc"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := typedstream.Objects(data); err != nil && !errors.Is(err, typedstream.ErrMalformed) {
			t.Error(err)
		}
		s, err := typedstream.Decode(data)
		if err != nil {
			if !errors.Is(err, typedstream.ErrMalformed) {
				t.Error(err)
			}
			return
		}
		var all strings.Builder
		for _, r := range s.Runs {
			all.WriteString(r.Text)
			if r.Attributes == nil {
				t.Error("a run without attributes")
			}
		}
		if len(s.Text) > 3*len(data) || s.Runs != nil && !s.Damaged && len(all.String()) != len(s.Text) && !strings.ContainsRune(s.Text, '\ufffd') {
			t.Errorf("%d bytes gave %q, runs %q", len(data), s.Text, all.String())
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	data := []byte(plainHead + plain("Shall we go to the lake on Sunday?") + "\x84\x02iI\x01\x22" + plainRun + "\x01" + part0 + "\x86\x86")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := typedstream.Decode(data); err != nil {
			b.Fatal(err)
		}
	}
}

// TestAttributes: each attribute by its name, as a text or as a number.
func TestAttributes(t *testing.T) {
	text := func(name, value string) string {
		return str + string(rune(len(name))) + name + "\x86" + str + string(rune(len(value))) + value + "\x86"
	}
	number := func(name, value string) string { // of type "c", a C string that is new
		return str + string(rune(len(name))) + name + "\x86" + "\x92\x84\x84\x84\x08NSNumber\x00\x84\x84\x07NSValue\x00\x94\x84\x01*\x84\x84\x01c\x9d" + value + "\x86"
	}
	for name, x := range map[string]struct {
		pair string
		want typedstream.Attributes
	}{
		"file name":     {text("__kIMFilenameAttributeName", "a.jpg"), typedstream.Attributes{FileName: "a.jpg"}},
		"mention":       {text("__kIMMentionConfirmedMention", "+12025550101"), typedstream.Attributes{Mention: "+12025550101"}},
		"transcript":    {text("IMAudioTranscription", "Hello there"), typedstream.Attributes{Transcript: "Hello there"}},
		"link":          {text("NSLink", "tel:1"), typedstream.Attributes{Link: "tel:1"}},
		"effect":        {number("__kIMTextEffectAttributeName", "\x05"), typedstream.Attributes{Effect: 5}},
		"italic":        {number("__kIMTextItalicAttributeName", "\x01"), typedstream.Attributes{Italic: true}},
		"underline":     {number("__kIMTextUnderlineAttributeName", "\x01"), typedstream.Attributes{Underline: true}},
		"strike":        {number("__kIMTextStrikethroughAttributeName", "\x01"), typedstream.Attributes{Strike: true}},
		"not bold":      {number("__kIMTextBoldAttributeName", "\x00"), typedstream.Attributes{}},
		"other":         {text("__kIMDataDetectedAttributeName", "x"), typedstream.Attributes{}},
		"another shape": {number("__kIMMentionConfirmedMention", "\x01"), typedstream.Attributes{}},
		"negative part": {number("__kIMMessagePartAttributeName", "\xff"), typedstream.Attributes{}},
	} {
		x.want.Part = -1
		got, err := typedstream.Decode([]byte(plainHead + plain("Tea?") + "\x84\x02iI\x01\x04" + plainRun + "\x01" + x.pair + "\x86\x86"))
		if err != nil || got.Damaged || len(got.Runs) != 1 {
			t.Errorf("%s: %+v, %v", name, got, err)
			continue
		}
		if diff := cmp.Diff(&x.want, got.Runs[0].Attributes); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if plain := x.want == (typedstream.Attributes{Part: -1, FileName: x.want.FileName, Transcript: x.want.Transcript}); got.Runs[0].Attributes.Plain() != plain {
			t.Errorf("%s: plain is not %t", name, plain)
		}
	}
}
