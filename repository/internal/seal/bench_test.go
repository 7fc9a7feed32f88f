package seal

import (
	"fmt"
	"testing"
)

// BenchmarkSeal and its like measure blobs of the usual sizes: a page of a
// database, the mean and the largest chunk.
func BenchmarkSeal(b *testing.B) {
	eachSize(b, func(b *testing.B, k *Key, plaintext []byte) {
		buf := make([]byte, 0, len(plaintext)+Overhead)
		for b.Loop() {
			buf = k.Seal(buf[:0], plaintext)
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	eachSize(b, func(b *testing.B, k *Key, plaintext []byte) {
		sealed := k.Seal(nil, plaintext)
		buf := make([]byte, 0, len(plaintext))
		for b.Loop() {
			var err error
			if buf, err = k.Open(buf[:0], sealed); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func eachSize(b *testing.B, f func(*testing.B, *Key, []byte)) {
	k, err := NewKey()
	if err != nil {
		b.Fatal(err)
	}
	for _, size := range []int{1 << 10, 64 << 10, 1 << 20, 8 << 20} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			f(b, k, make([]byte, size))
		})
	}
}
