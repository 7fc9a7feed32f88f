package words

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func cutAll(text string) []string {
	var list []string
	var c Cutter
	c.Each(text, func(t Token) {
		if !t.Extra {
			list = append(list, string(t.Term))
		}
	})
	return list
}

func TestEach(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", ""},
		{"Hello, World!", "hello world"},
		{"don't", "don t"},
		{"IMG_0001.HEIC", "img 0001 heic"},
		{"anna.müller@example.com", "anna muller example com"},
		{"Müller, MU\u0308LLER, Große STRASSE", "muller muller grosse strasse"},
		{"Łukasz Þór Ærø", "lukasz thor aero"},
		{"ΟΔΟΣ ὁδός", "οδοσ οδοσ"},
		{"İstanbul ısı", "istanbul isi"},
		{"ﬁne ＡＢＣ １２", "fine abc 12"},
		{"שָׁלוֹם مُحَمَّد", "שלום محمد"},
		{"हिन्दी", "हिन्दी"},
		{"می\u200cخواهم", "میخواهم"},
		{"٠١٢٣", "0123"},
		{"東京タワー", "東 東京 京 京タ タ タワ ワ ワー ー"},
		{"가나 가\u1102", "가 가나 나 가 가\u1102 \u1102"},
		{"ไทย", "ไ ไท ท ทย ย"},
		{"がか", "が がか か"},
		{"ok👍🏽 ❤️👨‍👩‍👧", "ok 👍 ❤ 👨 👩 👧"},
		{"🇩🇪🇫🇷", "🇩🇪 🇫🇷"},
		{"東京tower", "東 東京 京 tower"},
		{"a\xffb\xfe", "a b"},
		{"\u0301 \ufe0f", ""},
		{strings.Repeat("x", 200), strings.Repeat("x", MaxWord)},
		{strings.Repeat("ü", 200), strings.Repeat("u", MaxWord)},
		{strings.Repeat("ж", 200), strings.Repeat("ж", MaxWord/2)},
	} {
		got := cutAll(tt.text)
		// A joined pair may come out as one syllable: compare by code points.
		if diff := cmp.Diff(tt.want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%q: %s", tt.text, diff)
		}
	}
}

func TestEach_places(t *testing.T) {
	const text = "Zu Müller, 東京!"
	var got []string
	var pos []int
	var c Cutter
	c.Each(text, func(k Token) { got = append(got, text[k.Start:k.End]); pos = append(pos, k.Pos) })
	if want := []string{"Zu", "Müller", "東", "東京", "京"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if want := []int{0, 1, 2, 2, 3}; !slices.Equal(pos, want) {
		t.Errorf("got %v, want %v", pos, want)
	}
}

func TestPhones(t *testing.T) {
	for _, tt := range []struct {
		text string
		want []string
	}{
		{"call +49 (170) 123-4567 now", []string{"491701234567"}},
		{"0049 170/1234567", []string{"491701234567"}},
		{"123-456", nil},
		{"a1234567 1234567b", []string{"1234567"}},
		{"0170 1234567, 0171 7654321", []string{"1701234567", "1717654321"}},
		{"0170 1234567 0171 7654321 0172 5555555", []string{"1234567", "7654321", "5555555"}},
		{"4912345678901 4912345678902", []string{"4912345678901", "4912345678902"}},
		{"000000000000", nil},
		{"+٤٩ ١٧٠ ١٢٣٤٥٦٧", []string{"491701234567"}},
	} {
		var got []string
		for _, p := range Phones(tt.text) {
			got = append(got, p.Digits)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%q: got %q, want %q", tt.text, got, tt.want)
		}
	}
}

// However a number is written, it is found by every other way to write it.
func TestPhone_same(t *testing.T) {
	ways := []string{"+49 170 1234567", "0170 1234567", "0049-170-1234567", "(0170) 123 45 67", "+491701234567", "1701234567", "123 4567"}
	for _, in := range ways {
		terms := map[string]bool{}
		var c Cutter
		c.Each(in, func(k Token) { terms[string(k.Term)] = true })
		for _, asked := range ways {
			p := Phones(asked)
			if len(p) != 1 || !slices.ContainsFunc(p[0].Terms(), func(s string) bool { return terms[s] }) {
				t.Errorf("%q is not found by %q", in, asked)
			}
		}
		if slices.ContainsFunc(Phones("0170 1234568")[0].Terms(), func(s string) bool { return terms[s] }) {
			t.Errorf("%q is found by another number", in)
		}
	}
}

func FuzzEach(f *testing.F) {
	for _, s := range []string{"Müller 東京 👨‍👩‍👧", "+49 170 1234567", "a\xff\u0301b", "ไทย\u200d", "0\u0301\u0301"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var c, again Cutter
		end := 0
		c.Each(text, func(k Token) {
			if k.Start < 0 || k.End > len(text) || k.Start >= k.End || len(k.Term) == 0 || len(k.Term) > MaxWord || !utf8.Valid(k.Term) {
				t.Fatalf("bad token %q of %q: %+v", k.Term, text, k)
			}
			if !k.Extra {
				if k.End < end {
					t.Fatalf("token %q goes back", k.Term)
				}
				end = k.End
			}
		})
		again.Each(strings.ToUpper(text), func(Token) {})
	})
}
