package restorer

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

// A full target is no problem of one file.
func TestProblem_hopeless(t *testing.T) {
	r := &run{leftOut: map[string]bool{}}
	if err := r.problem("/a", os.ErrPermission); err != nil {
		t.Errorf("one file ended the run: %v", err)
	}
	full := &os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}
	if err := r.problem("/b", full); err == nil || !strings.Contains(err.Error(), "/b") {
		t.Errorf("a full disk did not: %v", err)
	}
	if err := r.problem("/c", os.ErrPermission); err == nil {
		t.Error("and was forgotten")
	}
}

func TestTemporary(t *testing.T) {
	r := &run{temp: tempPrefix + "0123abcd"}
	if name := r.tempName(); !temporary(name) {
		t.Errorf("%s is not known again", name)
	}
	for _, name := range []string{"x", tempPrefix, tempPrefix + "0123", tempPrefix + strings.Repeat("g", tempDigits), strings.ToUpper(r.tempName())} {
		if temporary(name) {
			t.Errorf("%s would be removed", name)
		}
	}
}

func TestDeviceNumbers(t *testing.T) {
	for _, n := range [][2]int64{{1, 3}, {7, 200}, {8, 1048575}, {4095, 256}, {70000, 70000}} {
		major, minor := uint64(n[0]), uint64(n[1])
		d := minor&0xff | major&0xfff<<8 | minor&^0xff<<12 | major&^0xfff<<32
		if a, b := deviceNumbers(d); a != n[0] || b != n[1] {
			t.Errorf("%x is %d:%d, want %d", d, a, b, n)
		}
	}
}

func TestFile_holes(t *testing.T) {
	f, err := os.Create(fmt.Sprintf("%s/x", t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data := make([]byte, 20_000)
	copy(data[9_000:], "middle")
	copy(data[19_998:], "zz")
	if err := (&file{r: &run{o: Options{Sparse: true}}}).writeAt(f, data, 100); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 20_100)
	n, _ := f.ReadAt(got, 0)
	if string(got[100:n]) != string(data[:n-100]) || n != 20_100 {
		t.Errorf("%d bytes, not what was written", n)
	}
}
