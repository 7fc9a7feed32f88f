package mp4_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"github.com/keepsake-backup/keepsake/extract/mp4"
)

func box(kind string, content ...[]byte) []byte {
	data := bytes.Join(content, nil)
	return append(append(binary.BigEndian.AppendUint32(nil, uint32(8+len(data))), kind...), data...)
}

func open(data []byte) *mp4.File { return mp4.New(bytes.NewReader(data), int64(len(data))) }

func large(kind string, content []byte) []byte {
	head := append([]byte{0, 0, 0, 1}, kind...)
	return append(binary.BigEndian.AppendUint64(head, uint64(16+len(content))), content...)
}

func TestBoxes(t *testing.T) {
	data := append(box("ftyp", []byte("M4A ")), large("mdat", make([]byte, 20))...)
	data = append(data, 0, 0, 0, 0, 'm', 'o', 'o', 'v', 1, 2, 3)
	f := open(data)
	want := []mp4.Box{{Type: "ftyp", At: 8, Size: 4}, {Type: "mdat", At: 28, Size: 20}, {Type: "moov", At: 56, Size: 3}}
	var got []mp4.Box
	for b, err := range f.Boxes(f.Whole()) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, b)
	}
	if len(got) != 3 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
		t.Errorf("boxes are %+v", got)
	}
	if data, err := f.Read(got[2], 3); err != nil || !bytes.Equal(data, []byte{1, 2, 3}) {
		t.Errorf("read %v, %v", data, err)
	}
	if _, err := f.Read(got[2], 2); !errors.Is(err, mp4.ErrMalformed) {
		t.Errorf("read beyond the limit: %v", err)
	}
}

func TestHostile(t *testing.T) {
	many := bytes.Repeat(box("free"), 5000)
	deep := bytes.Repeat([]byte{0, 0, 0, 0, 'm', 'o', 'o', 'v'}, 10_000)
	for name, data := range map[string][]byte{
		"beyond the end": {0, 0, 1, 0, 'm', 'o', 'o', 'v'},
		"too small":      {0, 0, 0, 7, 'm', 'o', 'o', 'v'},
		"64 bits":        {0, 0, 0, 1, 'm', 'o', 'o', 'v', 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		"64 bits short":  {0, 0, 0, 1, 'm', 'o', 'o', 'v'},
		"many":           many,
	} {
		if _, _, err := open(data).Find(open(data).Whole(), "moov", "mvhd"); !errors.Is(err, mp4.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, ok, err := open(deep).Find(open(deep).Whole(), "moov", "moov", "mvhd"); ok || err != nil {
		t.Errorf("deep: %t, %v", ok, err)
	}
	cut := mp4.New(bytes.NewReader(box("moov", box("mvhd", make([]byte, 100)))[:40]), 124)
	if _, err := cut.Seconds(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a file that is shorter than it was: %v", err)
	}
}

func TestSeconds(t *testing.T) {
	u32, u64 := binary.BigEndian.AppendUint32, binary.BigEndian.AppendUint64
	old := u32(u32(make([]byte, 12), 1000), 2500)
	modern := u64(u32(append([]byte{1}, make([]byte, 19)...), 48000), 48000*3600)
	for want, content := range map[float64][]byte{2.5: old, 3600: modern, 0: make([]byte, 3)} {
		data := box("moov", box("mvhd", content))
		if got, err := open(data).Seconds(); err != nil || got != want {
			t.Errorf("%v seconds, %v, want %v", got, err, want)
		}
	}
}

func TestItems(t *testing.T) {
	value := func(kind uint32, data string) []byte {
		return box("data", binary.BigEndian.AppendUint32(nil, kind), make([]byte, 4), []byte(data))
	}
	data := box("moov", box("udta", box("meta", make([]byte, 4), box("hdlr", make([]byte, 24)), box("ilst",
		box("\xa9nam", value(1, "Grüße")), box("covr", value(13, "a picture")), box("trkn", value(0, "\x00\x00\x00\x03\x00\x09\x00\x00")), box("\xa9ART"), box("\xa9alb", value(1, "too long for the limit"))))))
	got, err := open(data).Items(10, "\xa9nam", "trkn", "\xa9ART", "\xa9alb", "aART")
	if err != nil || len(got) != 2 || string(got["\xa9nam"].Data) != "Grüße" || got["\xa9nam"].Type != 1 || got["trkn"].Data[3] != 3 {
		t.Errorf("items are %+v, %v", got, err)
	}
}

func FuzzFile(f *testing.F) {
	f.Add(box("moov", box("mvhd", make([]byte, 100)), box("udta", box("meta", make([]byte, 4), box("ilst", box("\xa9nam", box("data", make([]byte, 9))))))))
	f.Add(box("moov", box("meta", box("keys", []byte{0, 0, 0, 0, 0, 0, 0, 1}, box("mdta", []byte("k"))), box("ilst", box("\x00\x00\x00\x01", box("data", make([]byte, 9)))))))
	f.Add(large("moov", large("mvhd", make([]byte, 32))))
	f.Fuzz(func(t *testing.T, data []byte) {
		file := open(data)
		if s, err := file.Seconds(); err == nil && s < 0 {
			t.Error(s)
		}
		if items, _ := file.Items(64, "\xa9nam"); len(items["\xa9nam"].Data) > 64 {
			t.Error("more than the limit")
		}
		moov, ok, err := file.In(file.Whole(), "moov")
		if err != nil || !ok {
			return
		}
		if v, _, _ := file.Keyed(moov, "k", 64); len(v) > 64 {
			t.Error("more than the limit")
		}
	})
}
