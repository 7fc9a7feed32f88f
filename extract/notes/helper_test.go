package notes

import (
	"encoding/hex"
	"io"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/keepsake-backup/keepsake/extract"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// hold keeps the files of Notes in memory, as the folder of a virtual phone goes with
// its test.
func hold(fsys fs.FS, t testing.TB) fs.FS {
	t.Helper()
	out := fstest.MapFS{}
	err := fs.WalkDir(fsys, domain, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(fsys, p)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		out[p] = &fstest.MapFile{Data: data, Mode: 0o600, ModTime: info.ModTime()}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func writePage(t testing.TB, w io.Writer, n *Note, src *extract.Source, link, note func(string) string) error {
	t.Helper()
	r, err := newRenderer()
	if err != nil {
		t.Fatal(err)
	}
	return r.write(w, n, src, link, note)
}
