//go:build !windows

package archiver

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// draw shows where paths stand in the tree.
func (p *place) draw(indent string) string {
	if p.whole {
		return " = " + p.path + "\n"
	}
	s := "\n"
	for _, name := range p.names() {
		s += indent + name + p.below[name].draw(indent+" ")
	}
	return s
}

func TestPlan(t *testing.T) {
	cwd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	up := filepath.Dir(cwd)
	for _, test := range []struct {
		paths []string
		want  string
		abs   []string
	}{
		{[]string{"/home/me", "/etc"}, "\netc = /etc\nhome\n me = /home/me\n", []string{"/home/me", "/etc"}},
		{[]string{"/home/me/x", "/home/me", "/home/me/y/z", "/home/me/"}, "\nhome\n me = /home/me\n", []string{"/home/me/x", "/home/me", "/home/me/y/z"}},
		{[]string{"/a/../b//c/."}, "\nb\n c = /b/c\n", []string{"/b/c"}},
		{[]string{"/"}, " = /\n", []string{"/"}},
		{[]string{"/a", "/"}, " = /\n", []string{"/a", "/"}},
		{[]string{"sub/x", "sub/y"}, "\nsub\n x = CWD/sub/x\n y = CWD/sub/y\n", []string{"CWD/sub/x", "CWD/sub/y"}},
		{[]string{"."}, " = CWD\n", []string{"CWD"}},
		{[]string{"x", "."}, " = CWD\n", []string{"CWD/x", "CWD"}},
	} {
		root, abs, err := plan(test.paths)
		if err != nil {
			t.Fatal(err)
		}
		for i := range abs {
			abs[i] = strings.ReplaceAll(abs[i], cwd, "CWD")
		}
		if got := strings.ReplaceAll(root.draw(""), cwd, "CWD"); got != test.want || !slices.Equal(abs, test.abs) {
			t.Errorf("%q: %q, want %q; %q, want %q", test.paths, got, test.want, abs, test.abs)
		}
	}
	// With one that is absolute or climbs, all are.
	for _, paths := range [][]string{{"x", "/y"}, {"x", "../y"}} {
		root, _, err := plan(paths)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := root.below["x"]; ok {
			t.Errorf("%q: x stands at the root", paths)
		}
		if first := strings.Split(up, "/")[1]; root.below[first] == nil {
			t.Errorf("%q: no %s", paths, first)
		}
	}
	for _, paths := range [][]string{nil, {"x", ""}} {
		if _, _, err := plan(paths); err == nil {
			t.Errorf("%q is no error", paths)
		}
	}
	abs, err := AbsolutePaths([]string{"/a", "/a"})
	if diff := cmp.Diff([]string{"/a"}, abs); err != nil || diff != "" {
		t.Error(err, diff)
	}
}

func TestStorable(t *testing.T) {
	if got := storable(latest.AddDate(20_000, 0, 0)); !got.Equal(latest) {
		t.Errorf("far future: %v", got)
	}
	if got := storable(earliest.AddDate(-5, 0, 0)); !got.Equal(earliest) {
		t.Errorf("far past: %v", got)
	}
	if fmt.Sprint(storable(latest.Local())) != fmt.Sprint(latest) {
		t.Error("not UTC")
	}
}
