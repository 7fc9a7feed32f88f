package typedstream_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keepsake-backup/keepsake/extract/typedstream"
)

// body is a stream of one run, with its lengths as numbers write them.
func body(text, textLength, runLength string) []byte {
	return []byte(plainHead + textLength + text + "\x86\x84\x02iI\x01" + runLength + plainRun + "\x01" + part0 + "\x86\x86")
}

func TestDecoder(t *testing.T) {
	long := strings.Repeat("0123456789", 30)
	streams := [][]byte{
		body("Tea?", "\x04", "\x04"), body("Tee!", "\x04", "\x04"), body("", "\x00", "\x00"), body(long, "\x81\x2c\x01", "\x81\x2c\x01"), body("😀", "\x04", "\x02"),
		body("Tea?", "\x04", "\x03"), // a run that does not reach the end
		body("Te", "\x04", "\x04"), body("\xff\xff", "\x02", "\x02"), []byte("bplist00"), body("iI\x86\x84\x02iI\x01\x01", "\x0a", "\x0a"),
		[]byte(string(body("Tea?", "\x04", "\x04")) + "\x92"),
	}
	var d typedstream.Decoder
	for range 2 { // the second time much is known
		for _, data := range streams {
			same(t, &d, data)
		}
	}
	for i := range 30 { // more kinds than are remembered
		same(t, &d, []byte(strings.Replace(string(body("Tea?", "\x04", "\x04")), "__kIMM", "__kIM"+string(rune('a'+i)), 1)))
	}
}

// same holds a Decoder against Decode.
func same(t *testing.T, d *typedstream.Decoder, data []byte) {
	t.Helper()
	want, wantErr := typedstream.Decode(data)
	got, err := d.Decode(data)
	if (err == nil) != (wantErr == nil) {
		t.Errorf("%q: %v, alone %v", data, err, wantErr)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%q: %s", data, diff)
	}
}

func FuzzDecoder(f *testing.F) {
	f.Add(body("Tea?", "\x04", "\x04"), body("Hi", "\x02", "\x02"))
	f.Add(body("iI\x86\x84\x02iI\x01\x01", "\x0a", "\x0a"), body("iI", "\x02", "\x02"))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		var d typedstream.Decoder
		same(t, &d, first)
		same(t, &d, second)
		same(t, &d, first)
	})
}

func BenchmarkDecoder(b *testing.B) {
	data := body("Shall we go to the lake on Sunday?", "\x22", "\x22")
	var d typedstream.Decoder
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Decode(data); err != nil {
			b.Fatal(err)
		}
	}
}
