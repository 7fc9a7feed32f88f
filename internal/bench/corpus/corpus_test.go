package corpus

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// digest is of all names, contents and times in a folder.
func digest(t *testing.T, dir string) (sum string, bytes int64, files int) {
	t.Helper()
	h := sha256.New()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		fmt.Fprintln(h, name, info.ModTime().UTC(), len(data))
		h.Write(data)
		bytes += int64(len(data))
		files++
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", h.Sum(nil)), bytes, files
}

func TestMake_sameAgain(t *testing.T) {
	for _, c := range []struct {
		kind  Kind
		size  Size
		least int64
		most  int64
	}{
		{Media, Size{Bytes: 20e6}, 20e6, 20.5e6},
		{Databases, Size{Bytes: 20e6}, 15e6, 28e6},
		{Mixed, Size{Bytes: 40e6}, 36e6, 50e6},
		{Small, Size{Files: 700}, 700 * 4 << 10, 700 * 12 << 10},
	} {
		t.Run(string(c.kind), func(t *testing.T) {
			t.Parallel()
			one, two := t.TempDir(), t.TempDir()
			for _, dir := range []string{one, two} {
				if err := Make(t.Context(), c.kind, dir, c.size, 2); err != nil {
					t.Fatal(err)
				}
			}
			a, n, files := digest(t, one)
			if b, _, _ := digest(t, two); a != b {
				t.Error("two runs made different folders")
			}
			first, n1, _ := digest(t, filepath.Join(one, "1"))
			second, n2, _ := digest(t, filepath.Join(one, "2"))
			if n1 < c.least || n1 > c.most || n2 < n1*9/10 || n2 > n1*11/10 || first == second {
				t.Errorf("version 1 has %d bytes, version 2 %d, both %d in %d files", n1, n2, n, files)
			}
		})
	}
}

// Most of the files of a version are those of the version before; what is new is
// about a twelfth.
func TestNextVersion_links(t *testing.T) {
	dir := t.TempDir()
	if err := Make(t.Context(), Small, dir, Size{Files: 600}, 2); err != nil {
		t.Fatal(err)
	}
	var same, other int
	err := filepath.WalkDir(filepath.Join(dir, "2"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(filepath.Join(dir, "2"), path)
		if err != nil {
			return err
		}
		now, err := os.Stat(path)
		if err != nil {
			return err
		}
		before, err := os.Stat(filepath.Join(dir, "1", name))
		if err == nil && os.SameFile(now, before) {
			same++
		} else {
			other++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if same+other != 600 || other < 600/changeShare*8/10 || other > 600/changeShare*12/10 {
		t.Errorf("%d files are those of the version before, %d are not", same, other)
	}
}

func TestWords_compressAsText(t *testing.T) {
	for _, plain := range []bool{true, false} {
		w := newMaker(t.Context(), 3).words
		w.plain = plain
		text := make([]byte, 4<<20)
		if _, err := w.Read(text); err != nil {
			t.Fatal(err)
		}
		e, err := zstd.NewWriter(nil)
		if err != nil {
			t.Fatal(err)
		}
		if ratio := float64(len(e.EncodeAll(text, nil))) / float64(len(text)); ratio < 0.2 || ratio > 0.6 {
			t.Errorf("plain %v: text shrinks to %.2f", plain, ratio)
		}
	}
}

func TestDatabase_daysAndVacuum(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	if err := Database(t.Context(), path, 10e6, 1); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := Day(t.Context(), path, 1); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var changed, pages int
	for at := 0; at+4096 <= min(len(before), len(after)); at += 4096 {
		pages++
		if !bytes.Equal(before[at:at+4096], after[at:at+4096]) {
			changed++
		}
	}
	if changed == 0 || changed > pages/5 {
		t.Errorf("a day changed %d of %d pages", changed, pages)
	}
	if err := Vacuum(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(path + "-*"); err != nil || len(left) > 0 {
		t.Errorf("left beside the database: %v, %v", left, err)
	}
}
