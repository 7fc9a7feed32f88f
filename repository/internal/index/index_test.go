package index

import (
	"testing"

	"github.com/keepsake-backup/keepsake/repository/format"
)

func TestAddAndLookup(t *testing.T) {
	x := New()
	for p := range 100 {
		var blobs []format.Blob
		for i := range 500 {
			blobs = append(blobs, format.Blob{BlobHandle: format.BlobHandle{ID: format.ID{byte(p), byte(i), byte(i >> 8)}}, Offset: uint32(i) * 100, Length: 100})
		}
		if err := x.AddPack(format.ID{byte(p)}, blobs); err != nil {
			t.Fatal(err)
		}
	}
	for p := range 100 {
		for i := range 500 {
			e, ok := x.Lookup(format.BlobHandle{ID: format.ID{byte(p), byte(i), byte(i >> 8)}})
			if !ok || e.Number != uint32(p*500+i) || e.Pack != uint32(p) {
				t.Fatalf("%v %v", e, ok)
			}
		}
	}
}
