package chunker

import (
	"bytes"
	"context"
	"math/rand/v2"
	"testing"
)

func random(seed uint64, n int) []byte {
	data := make([]byte, n)
	var key [32]byte
	key[0] = byte(seed)
	rand.NewChaCha8(key).Read(data)
	return data
}

func BenchmarkNext(b *testing.B) {
	data := random(1, 64<<20)
	for _, bench := range []struct {
		name string
		s    Settings
	}{{"gear", Settings{}}, {"rabin", Settings{Rabin: true}}} {
		b.Run(bench.name, func(b *testing.B) {
			c := mustNew(b, General, bench.s)
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				for rest := data; len(rest) > 0; {
					rest = rest[c.Next(rest, true):]
				}
			}
		})
		// Without the bytes before the shortest length, which cost nothing.
		b.Run(bench.name+" scan", func(b *testing.B) {
			r := mustNew(b, General, bench.s).(*windowed).rule
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				for from := window; from <= len(data); {
					n := r.cut(data, from, len(data))
					if n == 0 {
						break
					}
					from = n + 1
				}
			}
		})
	}
}

// pool is the least that can stand behind Split.
type pool struct{ free [][]byte }

func (p *pool) Get(_ context.Context, n int) ([]byte, error) {
	if k := len(p.free); k > 0 && len(p.free[k-1]) >= n {
		buf := p.free[k-1]
		p.free = p.free[:k-1]
		return buf, nil
	}
	return make([]byte, n), nil
}

func (p *pool) Put(buf []byte) { p.free = append(p.free, buf[:cap(buf)]) }

func BenchmarkSplit(b *testing.B) {
	data := random(1, 64<<20)
	for _, bench := range []struct {
		name string
		kind Kind
		s    Settings
	}{
		{"general", General, Settings{}},
		{"database", Database, Settings{}},
		{"media", Media, Settings{}},
		{"rabin", General, Settings{Rabin: true}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			p := &pool{}
			c := mustNew(b, bench.kind, bench.s)
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				_, err := Split(b.Context(), bytes.NewReader(data), c, int64(len(data)), p, func(chunk []byte) error { p.Put(chunk); return nil })
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCompressible(b *testing.B) {
	data := random(1, 1<<20)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		Compressible(data)
	}
}
