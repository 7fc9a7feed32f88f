package server_test

import (
	"mime"
	"net/url"
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/server"
)

// Wherever next leads, it is a page of ours.
func FuzzSafeNext(f *testing.F) {
	for _, s := range []string{"/", "//evil", "/\\evil", "/%2f/evil", "https://evil", "/a?b=//c", "/a#b", "/%5cevil", "/\tevil", "///", "/.//evil", "/..//evil"} {
		f.Add(s)
	}
	ours, err := url.Parse("https://keepsake.example/signin")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		next := server.SafeNext(s)
		u, err := ours.Parse(next)
		if err != nil || u.Host != ours.Host || u.Scheme != "https" || strings.HasPrefix(next, "//") || strings.HasPrefix(next, "/\\") || strings.ContainsAny(next, "\r\n\t") {
			t.Errorf("%q leads to %q", s, next)
		}
		if again := server.SafeNext(next); again != next {
			t.Errorf("%q leads to %q and that to %q", s, next, again)
		}
	})
}

// Whatever a file is called, the header is one that can be read, and names a file
// and no folder.
func FuzzDisposition(f *testing.F) {
	for _, s := range []string{"a.txt", "", "..", "größe €.txt", "a\r\nb", `a"b\c`, "\u202egpj.exe", "a%22.txt", strings.Repeat("ü", 500), "\xff\xfe", "trailing. . "} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		d := server.Disposition("attachment", name)
		kind, params, err := mime.ParseMediaType(d)
		if err != nil || kind != "attachment" {
			t.Fatalf("%q gives %q: %v", name, d, err)
		}
		got := params["filename"]
		if got == "" || strings.ContainsAny(got, "/\\\r\n\x00") || got == ".." || got == "." || len(d) > 2000 {
			t.Errorf("%q gives %q", name, d)
		}
		if safe := server.SafeName(name); got != safe && !strings.Contains(d, "filename*=") {
			t.Errorf("%q gives %q, want %q", name, d, safe)
		}
	})
}
