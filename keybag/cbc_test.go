package keybag

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"
)

func encrypt(t testing.TB, key Key, plain []byte) []byte {
	t.Helper()
	b, err := io.ReadAll(EncryptReader(key, bytes.NewReader(plain)))
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(b)) != EncryptedSize(int64(len(plain))) {
		t.Fatalf("%d bytes became %d, EncryptedSize says %d", len(plain), len(b), EncryptedSize(int64(len(plain))))
	}
	return b
}

func TestStreams_everyLength(t *testing.T) {
	key := mustKey(t, seq(1, 32))
	lengths := []int{chunkSize - 17, chunkSize - 16, chunkSize - 1, chunkSize, chunkSize + 1, chunkSize + 16, 2 * chunkSize, 3*chunkSize + 5}
	for n := range 50 {
		lengths = append(lengths, n)
	}
	source := rand.NewChaCha8([32]byte{7})
	for _, n := range lengths {
		plain := make([]byte, n)
		source.Read(plain)
		ciphertext := encrypt(t, key, plain)
		if err := iotest.TestReader(DecryptReader(key, bytes.NewReader(ciphertext)), plain); err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if err := iotest.TestReader(EncryptReader(key, iotest.HalfReader(bytes.NewReader(plain))), ciphertext); err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		got, err := io.ReadAll(iotest.OneByteReader(DecryptReader(key, iotest.DataErrReader(bytes.NewReader(ciphertext)))))
		if err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("%d bytes: %v", n, err)
		}
		r, err := DecryptReaderAt(key, bytes.NewReader(ciphertext), int64(len(ciphertext)))
		if err != nil {
			t.Fatal(err)
		}
		if err := iotest.TestReader(io.NewSectionReader(r, 0, r.Size()), plain); err != nil || r.Size() != int64(n) {
			t.Fatalf("%d bytes at random: size %d, %v", n, r.Size(), err)
		}
	}
}

func TestReaderAt_anyRange(t *testing.T) {
	key := mustKey(t, seq(1, 32))
	plain := make([]byte, 2*chunkSize+100)
	rand.NewChaCha8([32]byte{8}).Read(plain)
	ciphertext := encrypt(t, key, plain)
	r, err := DecryptReaderAt(key, bytes.NewReader(ciphertext), int64(len(ciphertext)))
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		off := random.IntN(len(plain))
		buf := make([]byte, random.IntN(len(plain)))
		n, err := r.ReadAt(buf, int64(off))
		want := plain[off:min(off+len(buf), len(plain))]
		if !bytes.Equal(buf[:n], want) || (n < len(buf)) != (err == io.EOF) {
			t.Fatalf("%d bytes at %d: got %d, %v", len(buf), off, n, err)
		}
	}
	if _, err := r.ReadAt(make([]byte, 1), -1); err == nil || err == io.EOF {
		t.Errorf("negative offset: got %v", err)
	}
	if _, err := DecryptReaderAt(key, bytes.NewReader(ciphertext), int64(len(ciphertext)+16)); err == nil {
		t.Error("a ciphertext shorter than its size was accepted")
	}
}

func TestDamage(t *testing.T) {
	key := mustKey(t, seq(1, 32))
	plain := bytes.Repeat([]byte("0123456789abcdef"), chunkSize/8)
	good := encrypt(t, key, plain)
	unpadded := good[:len(good)-BlockSize] // the last block is text, not padding
	for _, tt := range []struct {
		name string
		data []byte
		want error
		kept []byte // by the tolerant reader
	}{
		{"good", good, nil, plain},
		{"empty", nil, nil, nil},
		{"no padding", unpadded, ErrPadding, plain},
		{"cut", good[:len(good)-BlockSize-3], ErrCutShort, plain[:len(plain)-BlockSize]},
		{"cut in the padding", good[:len(good)-1], ErrCutShort, plain},
		{"less than a block", good[:7], ErrCutShort, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := io.ReadAll(DecryptReader(key, bytes.NewReader(tt.data)))
			if !errors.Is(err, tt.want) || !bytes.HasPrefix(plain, got) {
				t.Errorf("strict: got %d bytes, %v; want %v", len(got), err, tt.want)
			}
			if missing := len(tt.kept) - len(got); tt.want != nil && missing > BlockSize {
				t.Errorf("strict: %d bytes missing", missing)
			}
			s := DecryptTolerant(key, bytes.NewReader(tt.data))
			got, err = io.ReadAll(s)
			if err != nil || !bytes.Equal(got, tt.kept) || !errors.Is(s.Damage(), tt.want) {
				t.Errorf("tolerant: got %d bytes, %v, damage %v; want %d, %v", len(got), err, s.Damage(), len(tt.kept), tt.want)
			}
			size := int64(len(tt.data))
			if _, err := DecryptReaderAt(key, bytes.NewReader(tt.data), size); !errors.Is(err, tt.want) {
				t.Errorf("strict at random: got %v, want %v", err, tt.want)
			}
			r, err := DecryptTolerantAt(key, bytes.NewReader(tt.data), size)
			if err != nil || r.Size() != int64(len(tt.kept)) || !errors.Is(r.Damage(), tt.want) {
				t.Fatalf("tolerant at random: %v, size %d, damage %v", err, r.Size(), r.Damage())
			}
			if got, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size())); err != nil || !bytes.Equal(got, tt.kept) {
				t.Errorf("tolerant at random: %d bytes, %v", len(got), err)
			}
		})
	}
}

func TestStreams_passOnErrors(t *testing.T) {
	key := mustKey(t, seq(1, 32))
	broken := errors.New("disk on fire")
	for name, r := range map[string]io.Reader{
		"encrypt": EncryptReader(key, io.MultiReader(bytes.NewReader(seq(1, 40)), iotest.ErrReader(broken))),
		"decrypt": DecryptReader(key, io.MultiReader(bytes.NewReader(seq(1, 40)), iotest.ErrReader(broken))),
	} {
		if _, err := io.ReadAll(r); !errors.Is(err, broken) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	for name, r := range map[string]io.Reader{
		"encrypt": EncryptReader(Key{}, bytes.NewReader(nil)),
		"decrypt": DecryptReader(Key{}, bytes.NewReader(nil)),
	} {
		if _, err := io.ReadAll(r); !errors.Is(err, errNoKey) {
			t.Errorf("%s without a key: got %v", name, err)
		}
	}
}

func FuzzDecrypt(f *testing.F) {
	key := mustKey(f, seq(1, 32))
	f.Add(encrypt(f, key, []byte("hello")))
	f.Add(encrypt(f, key, nil))
	f.Add([]byte("short"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := DecryptTolerant(key, bytes.NewReader(data))
		streamed, err := io.ReadAll(s)
		if err != nil {
			t.Fatal(err)
		}
		r, err := DecryptTolerantAt(key, bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		at, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
		if err != nil || !bytes.Equal(at, streamed) || (r.Damage() == nil) != (s.Damage() == nil) {
			t.Errorf("stream and random access disagree: %x, %v; %x, %v, %v", streamed, s.Damage(), at, r.Damage(), err)
		}
		if again := encrypt(t, key, streamed); s.Damage() == nil && len(data) > 0 && !bytes.Equal(again, data) {
			t.Error("decrypting and encrypting is not the identity")
		}
	})
}
