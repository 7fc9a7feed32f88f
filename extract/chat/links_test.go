package chat

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestSegments(t *testing.T) {
	for text, want := range map[string]string{
		"":                                     "",
		"no link":                              "no link",
		"see https://a.example/x, and":         "see [https://a.example/x], and",
		"(http://a.example/(b))":               "([http://a.example/(b)])",
		"javascript:alert(1) http:// httpsx":   "javascript:alert(1) http:// httpsx",
		"https://user:pw@evil.example/\u00a0b": "[https://user:pw@evil.example/]\u00a0b",
		"ftp://x https://ä.example":            "ftp://x [https://ä.example]",
	} {
		var b strings.Builder
		for _, s := range segments(text) {
			if s.Href != "" {
				b.WriteString("[" + s.Text + "]")
			} else {
				b.WriteString(s.Text)
			}
		}
		if b.String() != want {
			t.Errorf("segments(%q) = %s, want %s", text, &b, want)
		}
	}
}

func FuzzSegments(f *testing.F) {
	for _, s := range []string{"", "https://", "http://a http://b", "https://a.b/(((", "\xffhttps://\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var b strings.Builder
		for _, s := range segments(text) {
			b.WriteString(s.Text)
			if s.Href != "" && !strings.HasPrefix(s.Href, "http://") && !strings.HasPrefix(s.Href, "https://") {
				t.Errorf("a link to %q", s.Href)
			}
		}
		if b.String() != text {
			t.Errorf("%q became %q", text, &b)
		}
		if p := plain(text); !utf8.ValidString(p) || strings.ContainsAny(p, "\x1b\n\r\u202e\u009b") {
			t.Errorf("plain(%q) = %q", text, p)
		}
	})
}

func TestFewEmoji(t *testing.T) {
	for s, want := range map[string]bool{"🎉": true, "🎉 👩‍👩‍👧‍👦 ❤️": true, "🎉🎉🎉🎉": false, "ok 🎉": false, "": false, "👍🏽": true, "123": false} {
		if got := fewEmoji(s); got != want {
			t.Errorf("fewEmoji(%q) = %t", s, got)
		}
	}
}

func TestFolders(t *testing.T) {
	got := Folders([]Conversation{{Key: "1", Title: "A"}, {Key: "2", Title: "a", Service: "SMS"}, {Key: "3", Title: "A", People: []Person{{Address: "+1"}}}, {Key: "4", Title: "B"}, {Key: "5", Title: ""}, {Key: "6", Title: "A", People: []Person{{Address: "+1"}}}})
	seen := map[string]bool{}
	for _, name := range got {
		if strings.TrimSpace(name) == "" || seen[fold(name)] {
			t.Errorf("folders %q", got)
		}
		seen[fold(name)] = true
	}
	if got[3] != "B" {
		t.Errorf("a title of its own became %q", got[3])
	}
}
