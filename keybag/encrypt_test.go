package keybag

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
)

func plaintext(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{7}).Read(b)
	return b
}

var encryptSizes = []int{0, 1, 15, 16, 17, chunkSize - 1, chunkSize, chunkSize + 1, encryptWindow - 1, encryptWindow, encryptWindow + 1, 6*encryptWindow + 100, 7 * encryptWindow}

func TestEncryptWriter(t *testing.T) {
	key, err := RandomKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range encryptSizes {
		plain := plaintext(n)
		want, err := io.ReadAll(EncryptReader(key, bytes.NewReader(plain)))
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range []int{7, 4096, n + 1} {
			var got bytes.Buffer
			w, err := EncryptWriter(key, &got)
			if err != nil {
				t.Fatal(err)
			}
			if step == 7 && n > 2*chunkSize {
				step = chunkSize - 1
			}
			for rest := plain; len(rest) > 0; {
				m := min(step, len(rest))
				if _, err := w.Write(rest[:m]); err != nil {
					t.Fatal(err)
				}
				rest = rest[m:]
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("%d bytes in steps of %d: another ciphertext", n, step)
			}
			if _, err := w.Write([]byte{1}); err == nil {
				t.Error("written to after the end")
			}
		}
	}
	if _, err := EncryptWriter(Key{}, io.Discard); err == nil {
		t.Error("no key, no error")
	}
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestEncryptWriter_error(t *testing.T) {
	key, err := RandomKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	w, err := EncryptWriter(key, failingWriter{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(plaintext(2 * chunkSize)); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
	if err := w.Close(); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
}

func TestEncryptReaderAt(t *testing.T) {
	key, err := RandomKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for _, n := range encryptSizes {
		plain := plaintext(n)
		want, err := io.ReadAll(EncryptReader(key, bytes.NewReader(plain)))
		if err != nil {
			t.Fatal(err)
		}
		r, err := EncryptReaderAt(key, bytes.NewReader(plain), int64(n))
		if err != nil {
			t.Fatal(err)
		}
		if r.Size() != int64(len(want)) {
			t.Errorf("size %d, want %d", r.Size(), len(want))
		}
		for range 60 {
			off := random.IntN(len(want))
			length := random.IntN(2*encryptWindow + 1)
			got := make([]byte, length)
			m, err := r.ReadAt(got, int64(off))
			if wantN := min(length, len(want)-off); m != wantN || (err == io.EOF) != (m < length) || err != nil && err != io.EOF {
				t.Fatalf("%d bytes: read %d of %d at %d: %v", n, m, length, off, err)
			}
			if !bytes.Equal(got[:m], want[off:off+m]) {
				t.Fatalf("%d bytes: other ciphertext at %d, %d bytes", n, off, length)
			}
		}
		if _, err := r.ReadAt(make([]byte, 1), r.Size()); err != io.EOF {
			t.Error(err)
		}
		if _, err := r.ReadAt(make([]byte, 1), -1); err == nil || err == io.EOF {
			t.Error(err)
		}
	}
	short, err := EncryptReaderAt(key, bytes.NewReader(plaintext(10)), 20)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := short.ReadAt(make([]byte, 1), 0); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
	if _, err := EncryptReaderAt(key, nil, -1); err == nil {
		t.Error("negative size")
	}
	if _, err := EncryptReaderAt(Key{}, nil, 1); err == nil {
		t.Error("no key")
	}
}
