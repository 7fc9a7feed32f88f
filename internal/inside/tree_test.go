package inside_test

import (
	"io/fs"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/internal/inside"
)

func TestTree(t *testing.T) {
	phone := extracttest.Phone(t, "18.6")
	tree := inside.Tree(extracttest.Source(t, phone))
	entries, err := fs.ReadDir(tree, ".")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if !slices.Contains(names, "Photos") || !slices.Contains(names, inside.AllFiles) || !slices.IsSorted(names) {
		t.Errorf("at the top: %q", names)
	}
	want, err := fs.ReadFile(phone, "HomeDomain/Library/SMS/sms.db")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := fs.ReadFile(tree, inside.AllFiles+"/HomeDomain/Library/SMS/sms.db"); err != nil || string(got) != string(want) {
		t.Errorf("a file by its domain: %d bytes, %v", len(got), err)
	}
	if _, err := fs.Stat(tree, "HomeDomain"); err == nil {
		t.Error("a domain is at the top")
	}
	sub, err := fs.Sub(tree, inside.AllFiles+"/HomeDomain/Library/Preferences")
	if err != nil {
		t.Fatal(err)
	}
	if err := fstest.TestFS(sub, ".GlobalPreferences.plist"); err != nil {
		t.Error(err)
	}
}
