package chunker

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"slices"
	"testing"
)

func TestClassify(t *testing.T) {
	file, wal := database(t)
	write := func(f func(io.Writer) error) []byte {
		t.Helper()
		var b bytes.Buffer
		if err := f(&b); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	photo := write(func(w io.Writer) error { return jpeg.Encode(w, picture(), nil) })
	unhex := func(s string) []byte {
		t.Helper()
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	ftyp := func(brand string) []byte {
		return append([]byte("\x00\x00\x00\x18ftyp"+brand), make([]byte, 16)...)
	}
	for _, test := range []struct {
		name string
		head []byte
		want Kind
	}{
		{"sms.db", file, Database},
		{"no extension", file, Database},
		{"IMG_0001.JPG", file, Database}, // the bytes have the first word
		{"sms.db-wal", wal, Database},
		{"sms.db-wal", unhex("377f0682002de218"), Database},
		{"sms.db-wal", unhex("377f0683002de218"), Database},
		{"sms.db-wal", unhex("377f0684002de218"), General},
		{"sms.db-shm", unhex("18e22d0000000000"), General},
		{"encrypted.sqlite", random(1, 512), Database},
		{"encrypted.SQLite3", random(1, 512), Database},
		{"thumbs.db", []byte("not a database at all\n"), General},

		{"IMG_0001.JPG", photo, Media},
		{"4f/4f38a2", photo, Media},
		{"x", write(func(w io.Writer) error { return png.Encode(w, picture()) })[:512], Media},
		{"x", write(func(w io.Writer) error { return gif.Encode(w, picture(), nil) })[:512], Media},
		{"IMG_0002.HEIC", ftyp("heic"), Media},
		{"x", ftyp("mif1"), Media},
		{"x", ftyp("avif"), Media},
		{"IMG_0003.MOV", ftyp("qt  "), Media},
		{"x.mp4", ftyp("isom"), Media},
		{"Recording.m4a", ftyp("M4A "), Media},
		{"x.3gp", ftyp("3gp5"), Media},
		{"essay.txt", []byte("The ftyp box comes first."), General},
		{"old.mov", []byte("\x00\x00\x00\x08wide\x00\x01\x02\x03mdat"), Media},
		{"x", []byte("RIFF\x10\x27\x00\x00WEBPVP8 "), Media},
		{"x.wav", []byte("RIFF\x10\x27\x00\x00WAVEfmt "), General},
		{"x.mp3", []byte("ID3\x04\x00\x00\x00\x00\x00\x00"), Media},
		{"x.mp3", unhex("fffb90c400000000"), Media},
		{"x.aac", unhex("fff15080"), Media},
		{"x.caf", []byte("caff\x00\x01\x00\x00desc\x00\x00\x00\x00\x00\x00\x00\x20\x40\xe5\x88\x80\x00\x00\x00\x00lpcm"), General},
		{"x.caf", []byte("caff\x00\x01\x00\x00desc\x00\x00\x00\x00\x00\x00\x00\x20\x40\xe5\x88\x80\x00\x00\x00\x00opus"), Media},
		{"x.amr", []byte("#!AMR\n"), Media},
		{"report.docx", []byte("PK\x03\x04\x14\x00\x06\x00"), Media},
		{"app.ipa", []byte("PK\x03\x04\x0a\x00\x00\x00"), Media},
		{"x.gz", write(func(w io.Writer) error { z := gzip.NewWriter(w); return z.Close() }), Media},
		{"x.bz2", []byte("BZh91AY&SY\x00\x00"), Media},
		{"x", []byte("BZhello"), General},
		{"x.xz", unhex("fd377a585a000004"), Media},
		{"x.zst", unhex("28b52ffd2400"), Media},
		{"x.7z", unhex("377abcaf271c0004"), Media},
		{"x.rar", []byte("Rar!\x1a\x07\x01\x00"), Media},

		{"report.pdf", []byte("%PDF-1.7\n"), General},
		{"a.plist", []byte("bplist00\xd4\x01"), General},
		{"a.json", []byte(`{"a":1}`), General},
		{"main.ts", []byte("export const a = 1;\n"), General},
		{"x.ts", []byte("G@\x00\x10\x00\x00\xb0\x0d"), Media},
		{"", nil, General},
		{"empty.db", nil, Database},
		{".mp3", []byte{0}, Media},
	} {
		head := test.head[:min(len(test.head), 512)]
		if got := Classify(test.name, head); got != test.want {
			t.Errorf("%s, %.20q: %v, want %v", test.name, head, got, test.want)
		}
	}
}

func FuzzClassify(f *testing.F) {
	f.Add("a.jpg", []byte("\xff\xd8\xff\xe0"))
	f.Add("a.caf", []byte("caff\x00\x01\x00\x00desc"))
	f.Add("a", []byte("\x00\x00\x00\x18ftypheic"))
	f.Fuzz(func(t *testing.T, name string, head []byte) {
		kind := Classify(name, head)
		if kind > Media {
			t.Fatalf("%v", kind)
		}
		if got := Classify("folder/"+name, slices.Concat(head[:min(len(head), 512)], []byte("SQLite format 3"))); len(head) >= 512 && got != kind {
			t.Fatalf("%v, with more bytes %v", kind, got)
		}
	})
}
