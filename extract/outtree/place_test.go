package outtree_test

import (
	"testing"

	"github.com/keepsake-backup/keepsake/extract/outtree"
)

func TestPlace(t *testing.T) {
	dir := t.TempDir()
	tree := open(t, dir)
	one := outtree.File{Path: []string{"A", "page.html"}, Key: "one", Stamp: "1", Document: true}
	two := outtree.File{Path: []string{"a", "Page.html"}, Key: "two", Stamp: "1", Document: true}
	for range 2 { // asking again changes nothing
		if got, err := tree.Place(one); err != nil || got != "A/page.html" {
			t.Fatalf("place: %q, %v", got, err)
		}
	}
	if p := put(t, tree, two, "2"); p.Path != "a/Page (2).html" {
		t.Errorf("a file took the place of another: %s", p.Path)
	}
	if p := put(t, tree, one, "1"); p.Path != "A/page.html" || !p.New {
		t.Errorf("put at %s, kept was A/page.html", p.Path)
	}
	if _, err := tree.Place(outtree.File{Path: one.Path, Key: "x"}); err == nil {
		t.Error("an original was given a place")
	}
	if err := tree.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, dir)
	defer again.Close()
	two.Path = []string{"renamed", "page.html"}
	if got, err := again.Place(two); err != nil || got != "a/Page (2).html" {
		t.Errorf("in the next run: %q, %v", got, err)
	}
}
