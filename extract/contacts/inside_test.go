package contacts

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestDateOf(t *testing.T) {
	for text, want := range map[string]string{
		"-207748800.0": "1994-06-02", // noon, as phones write it
		"-207705600":   "1994-06-03", // midnight in London
		"-207626400":   "1994-06-04", // 22:00, midnight in Helsinki
		"-207687600":   "1994-06-03", // 05:00, midnight in New York
		"-12506097600": "--09-12", "": "", "x": "", "NaN": "", "Inf": "", "1e300": "", "-1e18": "", "0": "2001-01-01", "31579200": "2002-01-01 ",
	} {
		if got := dateOf(text).String(); got != strings.TrimSpace(want) {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
	if got := (Date{Year: 7, Month: time.March, Day: 1}).String(); got != "0007-03-01" {
		t.Errorf("the year 7 is %q", got)
	}
}

func TestDialled(t *testing.T) {
	for text, want := range map[string]string{"+1 (202) 555-0100": "+12025550100", "1-800-MY-APPLE": "18006927753", "٠١٢": "012", "९८७": "987", "*31#5550100": "*31#5550100",
		"555-0100,,123#": "5550100", "(202) 555-0100 x 12": "2025550100", "555;ext=4": "555", "": "", "no": "", "1-800-FLOWERX": "18003569379"} {
		if got := dialled(text); got != want {
			t.Errorf("%q is dialled as %q, want %q", text, got, want)
		}
	}
}

func FuzzTexts(f *testing.F) {
	for _, s := range []string{"", "_$!<Home>!$_", "_$!<>!$_", "+1 202", "-207748800.0", "a\r\nb\u2028c", "\xff\x00", "x\u0085;,\\"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if l := labelOf(s); len(l.Label) > len(s) {
			t.Errorf("label %q of %q", l.Label, s)
		}
		dateOf(s)
		if d := dialled(s); strings.Trim(d, "+0123456789*#") != "" {
			t.Errorf("%q is dialled as %q", s, d)
		}
		n := &names{}
		n.Name(s)
		for _, four := range []bool{true, false} {
			c := &Contact{Key: s, Name: s, Card: Card{First: s, Note: s, AlternateBirthday: s, Phones: []Value{{Label{s, true}, s}}, URLs: []Value{{Label{s, false}, s}},
				Addresses: []Address{{Street: s, SubLocality: s, CountryCode: s}}, Messaging: []Profile{{Service: s, User: s}}, Social: []Profile{{Service: s, User: s, URL: s}}, Groups: []string{s}}}
			data, err := newVCard(four).encode(c, "", nil)
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(string(data), "\r\n")
			begins := 0
			for _, l := range lines {
				if len(l) > 75 || utf8.ValidString(s) && !utf8.ValidString(l) || strings.ContainsAny(l, "\r\n\x00") {
					t.Errorf("line %q", l)
				}
				if l == "BEGIN:VCARD" || l == "END:VCARD" {
					begins++
				}
			}
			if begins != 2 {
				t.Errorf("%q broke out of its card:\n%s", s, data)
			}
		}
	})
}

func FuzzPicture(f *testing.F) {
	f.Add([]byte("\xff\xd8\xff"))
	f.Add([]byte("RIFF\x00\x00\x00\x00WEBP"))
	f.Add(bytes.Repeat([]byte{0}, 20))
	f.Fuzz(func(_ *testing.T, data []byte) { showable(data, kindOf(data)) })
}
