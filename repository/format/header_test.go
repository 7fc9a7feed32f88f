package format

import (
	"bytes"
	"encoding/hex"
	"math"
	"slices"
	"strings"
	"testing"
)

// twoBlobs are a compressed and a plain one, with their header by hand.
func twoBlobs(t BlobType) ([]Blob, []byte) {
	blobs := []Blob{
		{BlobHandle{Hash([]byte("a")), t}, 0, 1000, 5000},
		{BlobHandle{Hash([]byte("b")), t}, 1000, 0x01020304, 0},
	}
	header := []byte{2 | byte(t), 0xe8, 0x03, 0, 0, 0x88, 0x13, 0, 0}
	header = append(header, blobs[0].ID[:]...)
	header = append(header, byte(t), 4, 3, 2, 1)
	return blobs, append(header, blobs[1].ID[:]...)
}

func TestHeader(t *testing.T) {
	for _, kind := range BlobTypes {
		blobs, want := twoBlobs(kind)
		got := AppendHeader([]byte("x"), blobs)
		if !bytes.Equal(got[1:], want) {
			t.Errorf("%v: got %x\nwant %x", kind, got[1:], want)
		}
		if n := HeaderLength(blobs); n != 41+37 {
			t.Errorf("%v: header of %d bytes", kind, n)
		}
		if n := PackSize(blobs); n != 1000+0x01020304+41+37+32+4 {
			t.Errorf("%v: pack of %d bytes", kind, n)
		}
		parsed, err := ParseHeader(want)
		if err != nil || !slices.Equal(parsed, blobs) {
			t.Errorf("%v: parsed %v, %v", kind, parsed, err)
		}
	}
}

func TestParseHeader_refuses(t *testing.T) {
	_, good := twoBlobs(DataBlob)
	change := func(at int, b ...byte) []byte {
		h := slices.Clone(good)
		copy(h[at:], b)
		return h
	}
	tests := map[string]struct {
		header []byte
		want   string
	}{
		"empty":         {nil, "0 bytes"},
		"too long":      {make([]byte, MaxHeader+1), "16777217 bytes"},
		"cut":           {good[:len(good)-1], "entry 1: 36 bytes, want 37"},
		"cut entry":     {good[:40], "entry 0: 40 bytes, want 41"},
		"type":          {change(0, 4), "unknown type 4"},
		"mixed":         {change(41, 1), "entry 1: tree blob in a pack of data blobs"},
		"no plaintext":  {change(5, 0, 0), "compressed blob of 0 bytes"},
		"short blob":    {change(42, 31, 0, 0, 0), "sealed blob of 31 bytes"},
		"4 GiB":         {change(42, 0xff, 0xff, 0xff, 0xff), "4 GiB"},
		"trailing byte": {append(slices.Clone(good), 0), "entry 2: 1 bytes"},
	}
	for name, test := range tests {
		_, err := ParseHeader(test.header)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

func TestAppend_unknownTypePanics(t *testing.T) {
	for name, f := range map[string]func(Blob){
		"header": func(b Blob) { AppendHeader(nil, []Blob{b}) },
		"index":  func(b Blob) { AppendIndex(nil, []PackBlobs{{Blobs: []Blob{b}}}) },
	} {
		func() {
			defer func() {
				if r := recover(); r != "format: blob type 2" {
					t.Errorf("%s: recovered %v", name, r)
				}
			}()
			f(Blob{BlobHandle: BlobHandle{Type: 2}})
		}()
	}
}

func TestBlob(t *testing.T) {
	b := Blob{BlobHandle{ID{}, TreeBlob}, 5, 100, 300}
	if !b.Compressed() || b.PlaintextLength() != 300 || b.String() != "tree blob "+strings.Repeat("0", 64) {
		t.Errorf("%v: %d bytes", b, b.PlaintextLength())
	}
	b.UncompressedLength = 0
	if b.Compressed() || b.PlaintextLength() != 68 {
		t.Errorf("%v: %d bytes", b, b.PlaintextLength())
	}
}

func TestParseID(t *testing.T) {
	id := Hash([]byte("x"))
	for _, digits := range []string{strings.Repeat("0123456789abcdef", 4), id.String()} {
		got, err := ParseID(digits)
		want, _ := hex.DecodeString(digits)
		if err != nil || !bytes.Equal(got[:], want) || got.String() != digits || got.Short() != digits[:8] {
			t.Errorf("%s: %v, %v", digits, got, err)
		}
	}
	if (ID{}).Compare(id) != -1 || !(ID{}).IsNull() || id.IsNull() {
		t.Error("order or null")
	}
	good := id.String()
	for c := range math.MaxUint8 + 1 {
		for _, at := range []int{0, 7, 8, 63} {
			text := []byte(good)
			text[at] = byte(c)
			_, err := ParseID(string(text))
			if valid := strings.IndexByte("0123456789abcdef", byte(c)) >= 0; valid != (err == nil) {
				t.Errorf("%q: %v", text, err)
			}
		}
	}
	for _, bad := range []string{"", good[:63], good + "0", strings.ToUpper(good)} {
		var id ID
		if err := id.UnmarshalText([]byte(bad)); err == nil || !id.IsNull() {
			t.Errorf("%q: %v, %v", bad, id, err)
		}
	}
}
