package pathpattern

import "testing"

func TestMatch(t *testing.T) {
	for _, test := range []struct {
		patterns []string
		path     string
		want     bool
	}{
		{[]string{"*.tmp"}, "/a/b/x.tmp", true},
		{[]string{"*.tmp"}, "/a/x.tmp/inside", true},
		{[]string{"*.tmp"}, "/a/b/x.tmpl", false},
		{[]string{"b/c"}, "/a/b/c", true},
		{[]string{"b/c"}, "/a/b/c/d", true},
		{[]string{"b/c"}, "/a/b/x/c", false},
		{[]string{"/a"}, "/a/b", true},
		{[]string{"/a"}, "/b/a", false},
		{[]string{"/a/"}, "/a", true},
		{[]string{"/"}, "/anything", true},
		{[]string{"/home/*/Cache"}, "/home/x/Cache/y", true},
		{[]string{"/home/*/Cache"}, "/home/x/y/Cache", false},
		{[]string{"/srv/**/*.iso"}, "/srv/x.iso", true},
		{[]string{"/srv/**/*.iso"}, "/srv/a/b/x.iso", true},
		{[]string{"/srv/**/*.iso"}, "/srv/a/b/x.img", false},
		{[]string{"/srv/**/**/x/**/y"}, "/srv/x/q/x/z/y", true},
		{[]string{"/srv/**/a/**/b/c"}, "/srv/a/b/d/b/c", true},
		{[]string{"**/x"}, "/x", true},
		{[]string{"foo/**"}, "/foo", true},
		{[]string{"*.tmp", "!keep.tmp"}, "/keep.tmp", false},
		{[]string{"*.tmp", "!keep.tmp", "/a/keep.*"}, "/a/keep.tmp", true},
		{[]string{"!keep.tmp"}, "/keep.tmp", false},
		{[]string{`\*`}, "/*", true},
		{[]string{`\*`}, "/x", false},
		{[]string{"[a-c]"}, "/b", true},
		{[]string{"?"}, "/\xff", true},
		{[]string{"\xff\xfe"}, "/\xff\xfe", true},
		{nil, "/x", false},
	} {
		l, err := Parse(test.patterns, false)
		if err != nil {
			t.Fatal(err)
		}
		if got := l.Match(Split(test.path)); got != test.want {
			t.Errorf("%q matches %q: %v, want %v", test.patterns, test.path, got, test.want)
		}
	}
}

func TestMatch_ignoreCase(t *testing.T) {
	l, err := Parse([]string{"/Home/*.JPG"}, true)
	if err != nil {
		t.Fatal(err)
	}
	if !l.Match(Split("/hOME/x.jpg")) || l.Match(Split("/home/x.png")) {
		t.Error("case is not ignored")
	}
}

func TestMayMatchBelow(t *testing.T) {
	for _, test := range []struct {
		pattern, path string
		want          bool
	}{
		{"x", "/a", true},
		{"/a/b/c", "/", true},
		{"/a/b/c", "/a", true},
		{"/a/b/c", "/a/b/c", true},
		{"/a/b/c", "/b", false},
		{"/a/**/c", "/a/x/y", true},
		{"/a/**/c", "/b", false},
		{"!x", "/a", false},
	} {
		l, err := Parse([]string{test.pattern}, false)
		if err != nil {
			t.Fatal(err)
		}
		if got := l.MayMatchBelow(Split(test.path)); got != test.want {
			t.Errorf("%q below %q: %v, want %v", test.pattern, test.path, got, test.want)
		}
	}
}

func TestParse_refuses(t *testing.T) {
	for _, bad := range []string{"", "!", ".", "[", "a/[b"} {
		if _, err := Parse([]string{bad}, false); err == nil {
			t.Errorf("pattern %q was taken", bad)
		}
	}
}

// What matches must be found by somebody who only descends where
// MayMatchBelow allows it.
func FuzzMatch(f *testing.F) {
	f.Add("/a/**/c", "/a/b/c")
	f.Add("*.x", "/y/z.x")
	f.Fuzz(func(t *testing.T, pattern, path string) {
		l, err := Parse([]string{pattern}, false)
		if err != nil {
			return
		}
		components := Split(path)
		if !l.Match(components) {
			return
		}
		for i := range components {
			if l.Match(components[:i]) {
				return
			}
			if !l.MayMatchBelow(components[:i]) {
				t.Errorf("%q matches %q, but is said not to match below %q", pattern, path, components[:i])
			}
		}
	})
}
