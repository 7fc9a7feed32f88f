package restore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"testing/iotest"
	"time"

	"github.com/keepsake-backup/keepsake/mobilebackup2"
	"github.com/keepsake-backup/keepsake/mobilebackup2/storetest"
)

func TestFSStore(t *testing.T) {
	storetest.RunReadOnly(t, func(t *testing.T, files map[string]string) mobilebackup2.Store {
		fsys := fstest.MapFS{}
		for p, content := range files {
			fsys[strings.TrimPrefix(p, storetest.UDID+"/")] = &fstest.MapFile{Data: []byte(content), Mode: 0o600, ModTime: time.Now()}
		}
		s := &fsStore{fsys: fsys, name: storetest.UDID}
		t.Cleanup(s.Close)
		return s
	})
}

// What lies beside the backup goes to the place for it, and nothing else does.
func TestFSStore_place(t *testing.T) {
	beside := &storetest.Memory{}
	s := &fsStore{fsys: fstest.MapFS{"Status.plist": {Data: []byte("s")}}, name: "A", place: beside}
	if err := s.Put(t.Context(), "A-2026/Info.plist", strings.NewReader("info")); err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), "A/Info.plist", strings.NewReader("info")); !errors.Is(err, errReadOnly) {
		t.Errorf("put into the backup: %v", err)
	}
	if err := s.Mkdir(t.Context(), "A-2026/ab"); err != nil {
		t.Error(err)
	}
	if err := s.Rename(t.Context(), "A-2026/Info.plist", "A-2026/ab/x"); err != nil {
		t.Error(err)
	}
	if err := s.Rename(t.Context(), "A-2026/ab/x", "A/x"); err == nil {
		t.Error("something was moved into the backup")
	}
	if list, err := s.ReadDir(t.Context(), "A-2026/ab"); err != nil || len(list) != 1 {
		t.Errorf("%v, %v", list, err)
	}
	if r, n, err := s.Open(t.Context(), "A-2026/ab/x"); err != nil || n != 4 {
		t.Errorf("%d, %v", n, err)
	} else {
		r.Close()
	}
	if err := s.Remove(t.Context(), "A-2026"); err != nil || len(beside.Files) != 0 {
		t.Errorf("%v, %v", err, beside.Files)
	}
}

func TestReadAhead(t *testing.T) {
	broken := errors.New("broken disk")
	files := map[string][]byte{}
	var paths []string
	for i := range 100 {
		p := fmt.Sprint("f", i)
		paths = append(paths, p)
		files[p] = bytes.Repeat([]byte{byte(i)}, i*i*137%(3*aheadPieces*pieceSize))
	}
	opened := make(chan string, len(paths))
	open := func(_ context.Context, p string) (io.ReadCloser, int64, error) {
		opened <- p
		switch p {
		case "f7":
			return nil, 0, fs.ErrNotExist
		case "f8": // an error that looks like an end
			return io.NopCloser(io.MultiReader(bytes.NewReader(files[p]), iotest.ErrReader(io.ErrUnexpectedEOF))), 9, nil
		case "f9":
			return io.NopCloser(io.MultiReader(bytes.NewReader(files[p]), iotest.ErrReader(broken))), 9, nil
		}
		return io.NopCloser(iotest.HalfReader(bytes.NewReader(files[p]))), int64(len(files[p])), nil
	}
	var a readAhead
	a.start(t.Context(), paths, open)
	defer a.stop()
	if r := a.take("f1"); r != nil {
		t.Error("a file was given out of turn")
	}
	for i, p := range paths {
		r := a.take(p)
		if r == nil {
			t.Fatalf("%s was not expected", p)
		}
		f, size, err := r.await(t.Context())
		if p == "f7" {
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %v", p, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if i%10 == 5 { // given up half way
			if _, err := io.CopyN(io.Discard, f, size/2); err != nil {
				t.Error(err)
			}
			f.Close()
			continue
		}
		data, err := io.ReadAll(f)
		want := map[string]error{"f8": io.ErrUnexpectedEOF, "f9": broken}[p]
		if !errors.Is(err, want) || !bytes.Equal(data, files[p]) {
			t.Errorf("%s: %d of %d bytes, %v", p, len(data), len(files[p]), err)
		}
		f.Close()
		f.Close()
	}
	if len(opened) != len(paths) {
		t.Errorf("%d files were opened, want %d", len(opened), len(paths))
	}
	if a.take("f0") != nil {
		t.Error("more files than expected")
	}
}

// Only so many files are begun, and a new request or the end drops them.
func TestReadAhead_bounded(t *testing.T) {
	var paths []string
	for i := range 100 {
		paths = append(paths, fmt.Sprint(i))
	}
	opened := make(chan string, 2*len(paths))
	open := func(_ context.Context, p string) (io.ReadCloser, int64, error) {
		opened <- p
		return io.NopCloser(bytes.NewReader(make([]byte, 1<<20))), 1 << 20, nil
	}
	var a readAhead
	a.start(t.Context(), paths, open)
	for range aheadFiles {
		<-opened
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	a.start(ctx, paths, open)
	if n := len(opened); n > aheadFiles {
		t.Errorf("%d files were opened, want %d", n, aheadFiles)
	}
	f, _, err := a.take("0").await(ctx)
	if err != nil {
		t.Fatal(err)
	}
	stop := errors.New("stop")
	cancel(stop)
	if _, err := io.Copy(io.Discard, f); !errors.Is(err, stop) {
		t.Errorf("after the end: %v", err)
	}
	f.Close()
	a.stop()
	a.stop()
	a.start(t.Context(), paths[:1], open)
	if a.take("0") != nil {
		t.Error("a single file was read ahead")
	}
}
