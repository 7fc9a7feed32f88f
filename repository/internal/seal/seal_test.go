package seal

import (
	"bytes"
	"errors"
	"slices"
	"sync"
	"testing"
)

// testKeyBytes are those of a key with all bits of r that the mask would clear.
func testKeyBytes() []byte {
	b := make([]byte, KeySize)
	for i := range b {
		b[i] = byte(i*37 + 11)
	}
	for i, mask := range rMask {
		b[rOffset+i] |= ^mask
	}
	return b
}

func testMessage(size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return b
}

func mustKey(t testing.TB, b []byte) *Key {
	t.Helper()
	k, err := KeyFromBytes(b)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestSealAndOpen(t *testing.T) {
	k := mustKey(t, testKeyBytes())
	for _, size := range []int{0, 1, 16, 1000, piece, 3*piece + 5} {
		plaintext := testMessage(size)
		sealed := k.Seal(nil, plaintext)
		if len(sealed) != size+Overhead {
			t.Fatalf("%d bytes sealed are %d, want %d", size, len(sealed), size+Overhead)
		}
		if size >= 16 && bytes.Contains(sealed, plaintext[:16]) {
			t.Errorf("%d bytes: the plaintext shows", size)
		}
		if again := k.Seal(nil, plaintext); bytes.Equal(again[:nonceSize], sealed[:nonceSize]) {
			t.Errorf("%d bytes: two messages have one nonce", size)
		}
		kept := slices.Clone(sealed)
		got, err := k.Open(nil, sealed)
		if err != nil || !bytes.Equal(got, plaintext) {
			t.Errorf("%d bytes: opened: %v", size, err)
		}
		if !bytes.Equal(sealed, kept) || !bytes.Equal(plaintext, testMessage(size)) {
			t.Errorf("%d bytes: the source was changed", size)
		}
		got, err = k.OpenInPlace(sealed)
		if err != nil || !bytes.Equal(got, plaintext) {
			t.Fatalf("%d bytes: opened in place: %v", size, err)
		}
		if size > 0 && &got[0] != &sealed[nonceSize] {
			t.Errorf("%d bytes: not in place", size)
		}
	}
}

// Both append, and into the capacity that is there.
func TestAppend(t *testing.T) {
	k := mustKey(t, testKeyBytes())
	plaintext := testMessage(1000)
	prefix := []byte("before")
	roomy := append(make([]byte, 0, len(prefix)+len(plaintext)+Overhead), prefix...)
	sealed := k.Seal(roomy, plaintext)
	if &sealed[0] != &roomy[0] || !bytes.HasPrefix(sealed, prefix) {
		t.Error("Seal left the slice it was given")
	}
	tight := k.Seal(slices.Clip(slices.Clone(prefix)), plaintext)
	if !bytes.HasPrefix(tight, prefix) || len(tight) != len(sealed) {
		t.Error("Seal lost what was there")
	}
	for _, dst := range [][]byte{slices.Clip(slices.Clone(prefix)), append(make([]byte, 0, 2000), prefix...)} {
		got, err := k.Open(dst, sealed[len(prefix):])
		if err != nil || !bytes.Equal(got, join(prefix, plaintext)) {
			t.Errorf("opened behind a prefix: %v", err)
		}
		if cap(dst) == 2000 && &got[0] != &dst[0] {
			t.Error("Open left the slice it was given")
		}
	}
}

// refused wants ErrAuth from both ways to open, and nothing changed.
func refused(t *testing.T, k *Key, sealed []byte, what string) {
	t.Helper()
	kept := slices.Clone(sealed)
	dst := bytes.Repeat([]byte{0xaa}, len(sealed)+1)
	if got, err := k.Open(dst[:1], sealed); !errors.Is(err, ErrAuth) || got != nil {
		t.Errorf("%s: Open gives %d bytes, %v", what, len(got), err)
	}
	if bytes.Count(dst, []byte{0xaa}) != len(dst) {
		t.Errorf("%s: Open wrote something", what)
	}
	if got, err := k.OpenInPlace(sealed); !errors.Is(err, ErrAuth) || got != nil {
		t.Errorf("%s: OpenInPlace gives %d bytes, %v", what, len(got), err)
	}
	if !bytes.Equal(sealed, kept) {
		t.Errorf("%s: the message was changed", what)
	}
}

func TestEveryChangeIsSeen(t *testing.T) {
	k := mustKey(t, testKeyBytes())
	for _, size := range []int{0, 1, 50} {
		sealed := k.Seal(nil, testMessage(size))
		for bit := range len(sealed) * 8 {
			changed := slices.Clone(sealed)
			changed[bit/8] ^= 1 << (bit % 8)
			refused(t, k, changed, "a flipped bit")
		}
		for n := range len(sealed) {
			refused(t, k, slices.Clone(sealed[:n]), "cut short")
			refused(t, k, slices.Clone(sealed[n+1:]), "cut from the front")
		}
		refused(t, k, append(slices.Clone(sealed), 0), "one more byte")
	}
}

func TestOtherKeysDoNotOpen(t *testing.T) {
	b := testKeyBytes()
	sealed := mustKey(t, b).Seal(nil, testMessage(100))
	for _, at := range []int{kOffset, rOffset} {
		other := slices.Clone(b)
		other[at] ^= 1
		refused(t, mustKey(t, other), slices.Clone(sealed), "another key")
	}
	random, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	refused(t, random, sealed, "a random key")
}

// A right tag does not help against a nonce of zero.
func TestZeroNonce(t *testing.T) {
	b := testKeyBytes()
	refused(t, mustKey(t, b), slowSeal(t, b, make([]byte, nonceSize), testMessage(10)), "a zero nonce")
}

func TestAllocations(t *testing.T) {
	k := mustKey(t, testKeyBytes())
	plaintext := testMessage(100 << 10)
	sealed := make([]byte, 0, len(plaintext)+Overhead)
	buf := make([]byte, 0, len(plaintext))
	// One is the stream of the standard library; a second one happens when the
	// collector, or the race detector, has emptied the pool.
	if n := testing.AllocsPerRun(50, func() { sealed = k.Seal(sealed[:0], plaintext) }); n > 2 {
		t.Errorf("Seal allocates %v times", n)
	}
	if n := testing.AllocsPerRun(50, func() { buf, _ = k.Open(buf[:0], sealed) }); n > 2 {
		t.Errorf("Open allocates %v times", n)
	}
}

func TestConcurrentUse(t *testing.T) {
	k := mustKey(t, testKeyBytes())
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			var buf []byte
			for i := range 100 {
				plaintext := testMessage(g*1000 + i)
				buf = k.Seal(buf[:0], plaintext)
				got, err := k.OpenInPlace(buf)
				if err != nil || !bytes.Equal(got, plaintext) {
					t.Errorf("message %d of %d: %v", i, g, err)
				}
			}
		})
	}
	wg.Wait()
}

// Whatever is given, nothing but what was sealed opens, and what opens is, sealed
// with its nonce again, what was given.
func FuzzOpen(f *testing.F) {
	k := mustKey(f, testKeyBytes())
	f.Add([]byte(nil))
	f.Add(make([]byte, Overhead))
	f.Add(bytes.Repeat([]byte{0xff}, 100))
	for _, size := range []int{0, 1, 100} {
		f.Add(k.Seal(nil, testMessage(size)))
	}
	f.Fuzz(func(t *testing.T, sealed []byte) {
		got, err := k.Open(nil, sealed)
		inPlace := slices.Clone(sealed)
		placed, placedErr := k.OpenInPlace(inPlace)
		if (err == nil) != (placedErr == nil) || !bytes.Equal(got, placed) {
			t.Fatalf("Open: %v, OpenInPlace: %v", err, placedErr)
		}
		if err != nil {
			if !errors.Is(err, ErrAuth) || !bytes.Equal(inPlace, sealed) {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		again := join(sealed[:nonceSize], make([]byte, len(got)+tagSize))
		if k.m().seal(again, got); !bytes.Equal(again, sealed) {
			t.Fatalf("%x opened, but sealed again it is %x", sealed, again)
		}
	})
}
