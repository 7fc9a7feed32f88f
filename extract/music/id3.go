package music

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Bounds of an ID3 tag.
const (
	maxFrames  = 2000
	maxUnsync  = 4 << 20 // bytes of a tag that has to be read whole
	id3v1Bytes = 128
)

var errID3 = errors.New("malformed ID3 tag")

// readID3 reads the tag in front of an .mp3, else that at its end.
func readID3(r io.ReaderAt, size int64, m *Item) error {
	var head [10]byte
	if n, err := r.ReadAt(head[:], 0); err != nil && !errors.Is(err, io.EOF) {
		return err
	} else if n < len(head) || string(head[:3]) != "ID3" || head[3] < 2 || head[3] > 4 {
		return readID3v1(r, size, m)
	}
	t := &id3{r: r, version: head[3], end: min(10+sevens(head[6:10]), size), at: 10}
	if head[5]&0x80 != 0 && t.version < 4 {
		data := make([]byte, min(t.end-10, maxUnsync))
		if _, err := r.ReadAt(data, 10); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		data = synchronise(data)
		t.r, t.at, t.end = bytes.NewReader(data), 0, int64(len(data))
	}
	if head[5]&0x40 != 0 && t.version > 2 {
		if err := t.skipHeader(); err != nil {
			return err
		}
	}
	return t.frames(m)
}

// id3 is a tag of version 2 that is being read.
type id3 struct {
	r       io.ReaderAt
	version byte
	at, end int64
}

// sevens is a number of 7 bits a byte.
func sevens(b []byte) int64 {
	return int64(b[0]&0x7f)<<21 | int64(b[1]&0x7f)<<14 | int64(b[2]&0x7f)<<7 | int64(b[3]&0x7f)
}

// synchronise takes out the zero behind each FF.
func synchronise(data []byte) []byte { return bytes.ReplaceAll(data, []byte{0xff, 0}, []byte{0xff}) }

func (t *id3) skipHeader() error {
	var b [4]byte
	if _, err := t.r.ReadAt(b[:], t.at); err != nil {
		return fmt.Errorf("%w: %w", errID3, err)
	}
	if t.version == 4 {
		t.at += sevens(b[:])
	} else {
		t.at += 4 + int64(binary.BigEndian.Uint32(b[:]))
	}
	return nil
}

// frame is one value of a tag.
type frame struct {
	id       string
	at, size int64
	flags    byte // of its form; 0 in version 2.2
}

// next gives the frame at t.at, false at the end: padding of zeros.
func (t *id3) next() (f frame, ok bool, err error) {
	head := make([]byte, 10)
	if t.version == 2 {
		head = head[:6]
	}
	if t.end-t.at < int64(len(head)) {
		return f, false, nil
	}
	if _, err := t.r.ReadAt(head, t.at); err != nil {
		return f, false, fmt.Errorf("%w: %w", errID3, err)
	}
	switch t.version {
	case 2:
		f.id, f.size = string(head[:3]), int64(head[3])<<16|int64(head[4])<<8|int64(head[5])
	case 3:
		f.id, f.size, f.flags = string(head[:4]), int64(binary.BigEndian.Uint32(head[4:])), head[9]
	default:
		f.id, f.size, f.flags = string(head[:4]), sevens(head[4:]), head[9]
	}
	if f.id[0] == 0 {
		return f, false, nil
	}
	f.at = t.at + int64(len(head))
	if f.size > t.end-f.at {
		return f, false, fmt.Errorf("%w: frame %q has %d bytes where %d are left", errID3, f.id, f.size, t.end-f.at)
	}
	t.at = f.at + f.size
	return f, true, nil
}

// frames reads the texts.
func (t *id3) frames(m *Item) error {
	var track, disc, year, length string
	texts := map[string]*string{
		"TIT2": &m.Title, "TT2": &m.Title, "TPE1": &m.Artist, "TP1": &m.Artist, "TPE2": &m.AlbumArtist, "TP2": &m.AlbumArtist, "TALB": &m.Album, "TAL": &m.Album,
		"TCOM": &m.Composer, "TCM": &m.Composer, "TCON": &m.Genre, "TCO": &m.Genre, "TCOP": &m.Copyright, "TCR": &m.Copyright,
		"TRCK": &track, "TRK": &track, "TPOS": &disc, "TPA": &disc, "TYER": &year, "TYE": &year, "TDRC": &year, "TLEN": &length, "TLE": &length,
	}
	for range maxFrames {
		f, ok, err := t.next()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		to := texts[f.id]
		if to == nil || f.size > maxTag {
			continue
		}
		data, ok, err := t.content(f)
		if err != nil {
			return err
		}
		if ok && *to == "" {
			*to = line(decode(data))
		}
	}
	m.Track, m.Disc, m.Year = numberOf(track), numberOf(disc), yearOf(year)
	if ms, err := strconv.ParseFloat(length, 64); err == nil && ms > 0 && ms < 1e12 {
		m.Seconds = ms / 1000
	}
	m.Genre = genre(m.Genre)
	return nil
}

// content gives the bytes of a frame; false for one that is packed or encrypted.
func (t *id3) content(f frame) ([]byte, bool, error) {
	data := make([]byte, f.size)
	if _, err := t.r.ReadAt(data, f.at); err != nil && !errors.Is(err, io.EOF) {
		return nil, false, err
	}
	skip := 0
	switch t.version {
	case 3:
		if f.flags&0xc0 != 0 {
			return nil, false, nil
		}
		if f.flags&0x20 != 0 {
			skip++
		}
	case 4:
		if f.flags&0x0c != 0 {
			return nil, false, nil
		}
		if f.flags&0x40 != 0 {
			skip++
		}
		if f.flags&0x01 != 0 {
			skip += 4
		}
		if f.flags&0x02 != 0 {
			data = synchronise(data)
		}
	}
	if len(data) < skip {
		return nil, false, nil
	}
	return data[skip:], true, nil
}

// decode turns a text with its encoding in front into UTF-8. Of several values, which
// zeros separate, it is the first.
func decode(data []byte) string {
	if len(data) == 0 {
		return ""
	}
	encoding, data := data[0], data[1:]
	switch encoding {
	case 0:
		s, _, _ := strings.Cut(latin(data), "\x00")
		return s
	case 1, 2:
		order := binary.ByteOrder(binary.BigEndian)
		if len(data) >= 2 && data[0] == 0xff && data[1] == 0xfe {
			order = binary.LittleEndian
		}
		units := make([]uint16, 0, len(data)/2)
		for ; len(data) >= 2; data = data[2:] {
			u := order.Uint16(data)
			if u == 0 && len(units) > 0 {
				break
			}
			if u != 0xfeff && u != 0 {
				units = append(units, u)
			}
		}
		return string(utf16.Decode(units))
	}
	s, _, _ := strings.Cut(string(data), "\x00")
	return s
}

func latin(data []byte) string {
	runes := make([]rune, len(data))
	for i, b := range data {
		runes[i] = rune(b)
	}
	return string(runes)
}

// numberOf is the 3 of "3/12".
func numberOf(s string) int {
	s, _, _ = strings.Cut(s, "/")
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil || n < 0 || n > 1_000_000 {
		return 0
	}
	return n
}

// genre leaves out the number in front of a genre's name, "(17)Rock"; a number alone
// stays, since nobody has chosen that name.
func genre(s string) string {
	if rest, ok := strings.CutPrefix(s, "("); ok {
		if number, name, ok := strings.Cut(rest, ")"); ok && name != "" && numberOf(number) >= 0 {
			return name
		}
	}
	return s
}

// readID3v1 reads the last 128 bytes: "TAG", title, artist and album of 30 bytes each,
// a year of 4, a comment of 30 with the track in its last byte behind a zero, a genre.
func readID3v1(r io.ReaderAt, size int64, m *Item) error {
	if size < id3v1Bytes {
		return nil
	}
	var b [id3v1Bytes]byte
	if _, err := r.ReadAt(b[:], size-id3v1Bytes); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if string(b[:3]) != "TAG" {
		return nil
	}
	field := func(from, to int) string {
		value, _, _ := bytes.Cut(b[from:to], []byte{0})
		if utf8.Valid(value) { // as some programs write it
			return line(string(value))
		}
		return line(latin(value))
	}
	m.Title, m.Artist, m.Album, m.Year = field(3, 33), field(33, 63), field(63, 93), yearOf(field(93, 97))
	if b[125] == 0 {
		m.Track = int(b[126])
	}
	return nil
}
