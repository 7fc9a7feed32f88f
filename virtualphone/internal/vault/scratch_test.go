package vault

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What does not fit into memory is on the disk, and not in clear; everything can
// be read from anywhere.
func TestScratch(t *testing.T) {
	for _, size := range []int{0, 1, 15, 16, 17, 1000, 100_003} {
		dir := t.TempDir()
		s := NewScratch(dir)
		s.limit = 1000
		want := bytes.Repeat([]byte("plaintext "), size/10+1)[:size]
		for rest := want; len(rest) > 0; {
			n := min(len(rest), 1+rand.IntN(3000))
			if wrote, err := s.Write(rest[:n]); wrote != n || err != nil {
				t.Fatal(wrote, err)
			}
			rest = rest[n:]
		}
		if s.Size() != int64(size) || (s.file != nil) != (size > 1000) {
			t.Fatalf("%d bytes: size %d, file %v", size, s.Size(), s.file)
		}
		for range 200 {
			off, buf := rand.IntN(size+1), make([]byte, rand.IntN(size+20))
			n, err := s.ReadAt(buf, int64(off))
			if err != nil && err != io.EOF || (n < len(buf)) != (err == io.EOF) && n != 0 || !bytes.Equal(buf[:n], want[off:off+n]) || n != min(len(buf), size-off) {
				t.Fatalf("%d bytes at %d of %d: %d, %v", len(buf), off, size, n, err)
			}
		}
		if s.file != nil {
			onDisk := make([]byte, size)
			if _, err := s.file.ReadAt(onDisk, 0); err != nil || bytes.Contains(onDisk, []byte("text")) {
				t.Errorf("on the disk in clear, or not at all: %v", err)
			}
		}
		if _, err := s.ReadAt(make([]byte, 1), -1); err == nil {
			t.Error("read before the beginning")
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("left on the disk: %v, %v", left, err)
		}
	}
}

func TestScratch_diskIsGone(t *testing.T) {
	s := NewScratch(t.TempDir() + "/no such folder")
	s.limit = 10
	if _, err := s.Write(make([]byte, 11)); err == nil {
		t.Error("wrote to nowhere")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
