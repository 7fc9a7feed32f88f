package outtree_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/keepsake-backup/keepsake/extract/outtree"
)

func TestZip(t *testing.T) {
	var b bytes.Buffer
	tree := outtree.NewZip(&b)
	put(t, tree, outtree.File{Path: []string{"Photos", "a.jpg"}, Key: "1"}, "one")
	put(t, tree, outtree.File{Path: []string{"Photos", "A.JPG"}, Key: "2"}, "two")
	broken := errors.New("a blob is missing")
	var host *outtree.HostError
	if _, err := tree.Put(t.Context(), outtree.File{Path: []string{"bad"}, Key: "3"}, func(w io.Writer) error {
		io.WriteString(w, "half")
		return broken
	}); !errors.Is(err, broken) || errors.As(err, &host) {
		t.Errorf("a small file that breaks: %v", err)
	}
	put(t, tree, outtree.File{Path: []string{"big"}, Key: "4"}, string(make([]byte, 5<<20)))
	if err := tree.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range r.File {
		names = append(names, f.Name)
		rc, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, rc); err != nil {
			t.Errorf("%s: %v", f.Name, err)
		}
		rc.Close()
	}
	if len(names) != 3 || names[0] != "Photos/a.jpg" || names[1] != "Photos/A (2).JPG" || names[2] != "big" {
		t.Errorf("names %q", names)
	}
	tree = outtree.NewZip(io.Discard)
	if _, err := tree.Put(t.Context(), outtree.File{Path: []string{"big"}, Key: "4"}, func(w io.Writer) error {
		w.Write(make([]byte, 5<<20))
		return broken
	}); !errors.As(err, &host) {
		t.Errorf("a large file that breaks: %v, want a HostError", err)
	}
}
