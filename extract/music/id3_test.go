package music

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
)

func size7(n int) []byte {
	return []byte{byte(n >> 21 & 0x7f), byte(n >> 14 & 0x7f), byte(n >> 7 & 0x7f), byte(n & 0x7f)}
}

func tag(version, flags byte, frames ...[]byte) []byte {
	data := bytes.Join(frames, nil)
	return append(append([]byte{'I', 'D', '3', version, 0, flags}, size7(len(data))...), data...)
}

func frame2(id, data string) []byte {
	return append([]byte{id[0], id[1], id[2], byte(len(data) >> 16), byte(len(data) >> 8), byte(len(data))}, data...)
}

func frame3(id, data string, flags ...byte) []byte {
	head := binary.BigEndian.AppendUint32([]byte(id), uint32(len(data)))
	return append(append(head, append(make([]byte, 2-len(flags)), flags...)...), data...)
}

func frame4(id, data string, flags byte) []byte {
	return append(append(append([]byte(id), size7(len(data))...), 0, flags), data...)
}

func TestReadID3(t *testing.T) {
	picture := string(make([]byte, 1<<20))
	old := make([]byte, 200)
	copy(old[72:], "TAGOld title\x00junk")
	copy(old[72+33:], "Some\xe9one")
	copy(old[72+93:], "1987")
	old[72+126] = 9
	for name, c := range map[string]struct {
		data []byte
		want Item
	}{
		"2.2":                 {tag(2, 0, frame2("TT2", "\x00Caf\xe9"), frame2("PIC", picture), frame2("TRK", "\x007/9"), frame2("TCO", "\x00(17)Rock"), make([]byte, 50)), Item{Title: "Café", Track: 7, Genre: "Rock"}},
		"2.3, UTF-16":         {tag(3, 0, frame3("TIT2", "\x01\xff\xfeA\x00\xe9\x00\x00\x00"), frame3("TYER", "\x002003"), frame3("TLEN", "\x001500")), Item{Title: "Aé", Year: 2003, Seconds: 1.5}},
		"2.3, more header":    {tag(3, 0x40, []byte{0, 0, 0, 6, 0, 0, 0, 0, 0, 0}, frame3("TPE1", "\x00One\x00Two")), Item{Artist: "One"}},
		"2.3, unsynchronised": {tag(3, 0x80, frame3("TIT2", "\x01\xff\xfeA\x00")[:11], []byte("\xff\x00\xfeA\x00")), Item{Title: "A"}},
		"2.3, encrypted":      {tag(3, 0, frame3("TIT2", "\x00secret", 0x40), frame3("TALB", "\x00Plain")), Item{Album: "Plain"}},
		"2.4":                 {tag(4, 0, frame4("TIT2", "\x00\x00\x00\x05\x03Grün", 0x01), frame4("TDRC", "\x032011-05-06", 0), frame4("TPE2", "\x02\x00B", 0)), Item{Title: "Grün", Year: 2011, AlbumArtist: "B"}},
		"1.1":                 {old, Item{Title: "Old title", Artist: "Someéone", Year: 1987, Track: 9}},
		"none":                {make([]byte, 500), Item{}},
		"short":               {[]byte("ID3"), Item{}},
	} {
		var m Item
		if err := readID3(bytes.NewReader(c.data), int64(len(c.data)), &m); err != nil || m.Title != c.want.Title || m.Artist != c.want.Artist || m.Album != c.want.Album ||
			m.AlbumArtist != c.want.AlbumArtist || m.Track != c.want.Track || m.Year != c.want.Year || m.Genre != c.want.Genre || m.Seconds != c.want.Seconds {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
	bad := tag(3, 0, frame3("TIT2", "\x00abc"))
	binary.BigEndian.PutUint32(bad[14:], 1<<31)
	if err := readID3(bytes.NewReader(bad), int64(len(bad)), &Item{}); !errors.Is(err, errID3) {
		t.Errorf("a frame beyond the tag: %v", err)
	}
}

func FuzzID3(f *testing.F) {
	f.Add(tag(2, 0, frame2("TT2", "\x00Caf\xe9")))
	f.Add(tag(3, 0xc0, []byte{0, 0, 0, 6, 0, 0, 0, 0, 0, 0}, frame3("TIT2", "\x01\xff\xfeA\x00", 0x20)))
	f.Add(tag(4, 0x40, []byte{0, 0, 0, 6, 1, 0}, frame4("TIT2", "\x00\x00\x00\x05\x03x", 0x43)))
	f.Add(append(make([]byte, 3), "TAG"...))
	f.Fuzz(func(t *testing.T, data []byte) {
		var m Item
		if err := readID3(bytes.NewReader(data), int64(len(data)), &m); err != nil && !errors.Is(err, errID3) {
			t.Error(err)
		}
		if len(m.Title) > maxLine+4 || m.Track < 0 || m.Year < 0 {
			t.Errorf("%+v", m)
		}
	})
}
