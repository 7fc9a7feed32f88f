package spool

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

var testKey = bytes.Repeat([]byte{7}, KeySize)

func open(t *testing.T, dir string, live []Extent, o Options) *Spool {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(root, testKey, live, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), root.Close()); err != nil {
			t.Error(err)
		}
	})
	return s
}

func content(n int) []byte {
	rnd := rand.New(rand.NewPCG(uint64(n), 1))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rnd.Uint32())
	}
	return b
}

func put(t *testing.T, s *Spool, data []byte) []Extent {
	t.Helper()
	w := s.Create()
	if n, err := w.ReadFrom(bytes.NewReader(data)); err != nil || n != int64(len(data)) {
		t.Fatalf("%d of %d bytes, %v", n, len(data), err)
	}
	extents, err := w.Close()
	if err != nil || Size(extents) != int64(len(data)) {
		t.Fatalf("%v, %v", extents, err)
	}
	return extents
}

var sizes = []int{0, 1, 100, ChunkSize - 1, ChunkSize, ChunkSize + 1, 3 * ChunkSize, 10*ChunkSize + 17}

func TestSpool(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil, Options{Segment: 4 * sealed})
	var all [][]Extent
	var live []Extent
	for _, n := range sizes {
		all = append(all, put(t, s, content(n)))
		live = append(live, all[len(all)-1]...)
	}
	check := func(s *Spool) {
		t.Helper()
		for i, n := range sizes {
			r := s.Open(all[i])
			if err := iotest.TestReader(r, content(n)); err != nil {
				t.Errorf("%d bytes: %v", n, err)
			}
			r.Close()
			r = s.Open(all[i])
			if got := make([]byte, n); n > 0 {
				if _, err := r.ReadAt(got[:1], int64(n-1)); err != nil || got[0] != content(n)[n-1] {
					t.Errorf("%d bytes: the last is %d, %v", n, got[0], err)
				}
			}
			r.Close()
		}
	}
	check(s)
	if err := s.Sync(); err != nil {
		t.Error(err)
	}
	if names, _ := filepath.Glob(dir + "/segment-*"); len(names) < 4 {
		t.Errorf("segments: %v", names)
	}
	for _, name := range mustGlob(t, dir) {
		b, _ := os.ReadFile(name)
		if bytes.Contains(b, content(100)[:32]) {
			t.Error("a file lies in clear")
		}
	}

	// Another process finds them, and only those that it names.
	again := open(t, dir, live, Options{})
	check(again)
	fresh := put(t, again, content(5))
	if fresh[0].Segment <= all[len(all)-1][0].Segment {
		t.Errorf("a segment was written to again: %v", fresh)
	}
	if err := again.Release(append(live, fresh...)); err != nil {
		t.Error(err)
	}
	if used, peak := again.Used(); used != 0 || peak == 0 || len(mustGlob(t, dir)) != 0 {
		t.Errorf("%d bytes are used, %d were; files %v", used, peak, mustGlob(t, dir))
	}
}

func mustGlob(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// What is changed or exchanged on the disk is seen.
func TestDamage(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil, Options{})
	extents := put(t, s, content(3*ChunkSize))
	name := mustGlob(t, dir)[0]
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	swapped := bytes.Clone(whole)
	copy(swapped, whole[sealed:2*sealed])
	copy(swapped[sealed:], whole[:sealed])
	flipped := bytes.Clone(whole)
	flipped[sealed+20] ^= 1
	for what, bytes := range map[string][]byte{"swapped": swapped, "flipped": flipped, "cut": whole[:len(whole)-1], "empty": nil, "zeros": make([]byte, len(whole))} {
		if err := os.WriteFile(name, bytes, 0o600); err != nil {
			t.Fatal(err)
		}
		r := s.Open(extents)
		_, err := io.Copy(io.Discard, r)
		var damage *DamageError
		if !errors.As(err, &damage) {
			t.Errorf("%s: %v", what, err)
		}
		r.Close()
	}
	lost := open(t, t.TempDir(), extents, Options{})
	if _, err := io.Copy(io.Discard, lost.Open(extents)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a lost segment: %v", err)
	}
}

func TestAbort(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil, Options{})
	kept := put(t, s, content(100))
	before, _ := s.Used()
	for _, n := range []int{0, 5, ChunkSize * 3} {
		w := s.Create()
		if _, err := w.Write(content(n)); err != nil {
			t.Fatal(err)
		}
		if err := w.Abort(io.ErrUnexpectedEOF); err != nil {
			t.Error(err)
		}
	}
	if used, _ := s.Used(); used != before {
		t.Errorf("%d bytes are used, %d were before", used, before)
	}
	more := put(t, s, content(200))
	for n, e := range map[int][]Extent{100: kept, 200: more} {
		if b, err := io.ReadAll(s.Open(e)); err != nil || !bytes.Equal(b, content(n)) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	broken := errors.New("broken")
	w := s.Create()
	_, err := w.ReadFrom(iotest.ErrReader(broken))
	var source *SourceError
	if !errors.As(err, &source) || !errors.Is(err, broken) {
		t.Errorf("an error of the source: %v", err)
	}
	if err := w.Abort(err); err != nil {
		t.Error(err)
	}
}

func TestLimit(t *testing.T) {
	s := open(t, t.TempDir(), nil, Options{Limit: 4 * sealed, Segment: 2 * sealed})
	first := put(t, s, content(2*ChunkSize))
	freed := s.Freed()
	w := s.Create()
	n, err := w.Write(content(5 * ChunkSize))
	if !errors.Is(err, ErrFull) || n != 3*ChunkSize {
		t.Fatalf("%d bytes, %v", n, err)
	}
	if left := s.Left(); left != 0 {
		t.Errorf("%d bytes are left", left)
	}
	if err := s.Release(first); err != nil {
		t.Error(err)
	}
	<-freed
	if _, err := w.Write(content(5 * ChunkSize)[n : n+ChunkSize]); err != nil {
		t.Error(err)
	}
	extents, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(s.Open(extents)); err != nil || !bytes.Equal(b, content(5 * ChunkSize)[:4*ChunkSize]) {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}

// A file of any length goes through a small spool when it is followed.
func TestFollow(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil, Options{Limit: 6 * sealed, Segment: 2 * sealed})
	data := content(40*ChunkSize + 5)
	w := s.Create()
	f := w.Follow(t.Context())
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result)
	go func() {
		b, err := io.ReadAll(f)
		done <- result{b, err}
	}()
	r := bytes.NewReader(data)
	for {
		freed := s.Freed()
		_, err := w.ReadFrom(r)
		if err == nil {
			_, err = w.Close()
		}
		if err == nil {
			break
		}
		if !errors.Is(err, ErrFull) {
			t.Fatal(err)
		}
		<-freed
	}
	if got := <-done; got.err != nil || !bytes.Equal(got.data, data) {
		t.Errorf("%d bytes, %v", len(got.data), got.err)
	}
	if used, peak := s.Used(); used != 0 || peak > 6*sealed || len(mustGlob(t, dir)) != 0 {
		t.Errorf("%d bytes are used, at most %d were", used, peak)
	}

	// The end of the writer, and of patience, are heard.
	w = s.Create()
	f = w.Follow(t.Context())
	if _, err := w.Write(data[:3*ChunkSize]); err != nil {
		t.Fatal(err)
	}
	go w.Abort(io.ErrUnexpectedEOF)
	if _, err := io.Copy(io.Discard, f); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("after Abort: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	f = s.Create().Follow(ctx)
	cancel()
	if _, err := f.Read(make([]byte, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("after cancel: %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if _, err := Open(root, testKey[:16], nil, Options{}); err == nil {
		t.Error("a short key was taken")
	}
	// Other files are nobody's business.
	if err := os.WriteFile(filepath.Join(dir, "segment-x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, dir, nil, Options{})
	if names := strings.Join(mustGlob(t, dir), " "); !strings.Contains(names, "segment-x") {
		t.Errorf("files: %s", names)
	}
}

func BenchmarkSpool(b *testing.B) {
	root, err := os.OpenRoot(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer root.Close()
	s, err := Open(root, testKey, nil, Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	data := content(1 << 20)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		w := s.Create()
		if _, err := w.ReadFrom(bytes.NewReader(data)); err != nil {
			b.Fatal(err)
		}
		extents, err := w.Close()
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, s.Open(extents)); err != nil {
			b.Fatal(err)
		}
		if err := s.Release(extents); err != nil {
			b.Fatal(err)
		}
	}
}
