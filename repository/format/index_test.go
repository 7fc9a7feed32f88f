package format

import (
	"math/rand/v2"
	"testing"
)

// benchIndex is the JSON of an index with that many blobs, 400 in a pack.
func benchIndex(blobs int) []byte {
	r := rand.New(rand.NewPCG(5, 6))
	var packs []PackBlobs
	for done := 0; done < blobs; {
		p := PackBlobs{Pack: randomID(r)}
		var offset uint32
		for range min(400, blobs-done) {
			length := 32 + r.Uint32N(80_000)
			p.Blobs = append(p.Blobs, Blob{BlobHandle{randomID(r), DataBlob}, offset, length, length * 2})
			offset += length
			done++
		}
		packs = append(packs, p)
	}
	return AppendIndex(nil, packs)
}

func BenchmarkScanIndex(b *testing.B) {
	const blobs = 100_000
	json := benchIndex(blobs)
	b.SetBytes(int64(len(json)))
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		if err := ScanIndex(json, func(_ ID, blobs []Blob) error { n += len(blobs); return nil }); err != nil || n != blobs {
			b.Fatal(n, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/blobs, "ns/blob")
}

func BenchmarkAppendIndex(b *testing.B) {
	json := benchIndex(50_000)
	var packs []PackBlobs
	if err := ScanIndex(json, func(p ID, blobs []Blob) error {
		packs = append(packs, PackBlobs{p, append([]Blob(nil), blobs...)})
		return nil
	}); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(json)))
	for b.Loop() {
		json = AppendIndex(json[:0], packs)
	}
}
