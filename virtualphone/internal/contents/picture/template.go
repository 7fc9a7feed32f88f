package picture

import (
	"bytes"
	"embed"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"time"
)

//go:embed templates/*.heic templates/*.mov templates/*.m4a
var templates embed.FS

// The texts that the templates carry where the facts go. Each is as long as
// what takes its place.
const (
	blankDate  = "2000-01-01T00:00:00+0000"
	blankPlace = "+00.0000-000.0000+000.000/"
	blankID    = "00000000-0000-0000-0000-000000000000"
	tagLen     = 32 // title, artist and album of a song, padded with blanks
)

// BlankFacts are the facts inside the HEIC templates.
func BlankFacts() Facts {
	return Facts{Taken: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), HasPlace: true, Model: "template", ISO: 100}
}

// The sizes of the pictures in the templates, in pixels.
const (
	HEICWidth, HEICHeight = 640, 480
	FilmWidth, FilmHeight = 320, 240
)

// HEICTemplates and FilmTemplates are how many different ones there are.
const (
	HEICTemplates = 4
	FilmTemplates = 2
)

// HEIC takes template number n, writes f into its EXIF block and appends a
// "free" box of random bytes until it has about size bytes.
func HEIC(n int, f Facts, size int, noise *rand.ChaCha8) ([]byte, error) {
	name := fmt.Sprintf("still%d.heic", n)
	out, err := template(name, size)
	if err != nil {
		return nil, err
	}
	old := exif(BlankFacts(), HEICWidth, HEICHeight)
	if err := replace(name, out, old, exif(f, HEICWidth, HEICHeight)); err != nil {
		return nil, err
	}
	return appendFree(out, size, noise), nil
}

// Film takes QuickTime template number n (0 H.264, 1 HEVC), writes date, place
// and content identifier and appends a "free" box until it has about size bytes.
func Film(n int, f Facts, size int, noise *rand.ChaCha8) ([]byte, error) {
	name := fmt.Sprintf("film%d.mov", n)
	out, err := template(name, size)
	if err != nil {
		return nil, err
	}
	if f.HasPlace {
		place := fmt.Sprintf("%+08.4f%+09.4f%+08.3f/", f.Latitude, f.Longitude, 0.0)
		err = replace(name, out, []byte(blankPlace), []byte(place))
	} else {
		err = hide(name, out, "com.apple.quicktime.location.ISO6709")
	}
	if err != nil {
		return nil, err
	}
	if err := replace(name, out, []byte(blankDate), []byte(f.Taken.Format("2006-01-02T15:04:05-0700"))); err != nil {
		return nil, err
	}
	if f.ContentID != "" {
		err = replace(name, out, []byte(blankID), []byte(f.ContentID))
	} else {
		err = hide(name, out, "com.apple.quicktime.content.identifier")
	}
	if err != nil {
		return nil, err
	}
	return appendFree(out, size, noise), nil
}

// LargeFilmHead is the start of a QuickTime film of exactly size bytes, size
// over 4 GiB, whose rest is a hole: the film, then the head of a "free" box
// with a 64-bit length that reaches to the end.
func LargeFilmHead(f Facts, size int64) ([]byte, error) {
	out, err := Film(0, f, 0, rand.NewChaCha8([32]byte{}))
	if err != nil {
		return nil, err
	}
	rest := size - int64(len(out))
	out = append(out, 0, 0, 0, 1, 'f', 'r', 'e', 'e')
	return binary.BigEndian.AppendUint64(out, uint64(rest)), nil
}

// Song is two seconds of sound as M4A. With protected, the sample entry is
// "drms" as in a download under FairPlay, and no player plays it.
func Song(title, artist, album string, protected bool, size int, noise *rand.ChaCha8) ([]byte, error) {
	const name = "song.m4a"
	out, err := template(name, size)
	if err != nil {
		return nil, err
	}
	for _, tag := range []struct{ blank, text string }{{"#", title}, {"@", artist}, {"%", album}} {
		text := fmt.Appendf(nil, "%-*.*s", tagLen, tagLen, tag.text)
		if err := replace(name, out, bytes.Repeat([]byte(tag.blank), tagLen), text[:tagLen]); err != nil {
			return nil, err
		}
	}
	if protected {
		if err := replace(name, out, []byte("mp4a\x00\x00\x00\x00\x00\x00\x00\x01"), []byte("drms\x00\x00\x00\x00\x00\x00\x00\x01")); err != nil {
			return nil, err
		}
	}
	return appendFree(out, size, noise), nil
}

// template gives a copy of an embedded file with room to grow to size.
func template(name string, size int) ([]byte, error) {
	b, err := templates.ReadFile("templates/" + name)
	if err != nil {
		return nil, fmt.Errorf("read template: %w", err)
	}
	return append(make([]byte, 0, max(size, len(b))+64), b...), nil
}

// replace exchanges the only occurrence of old in b, in place.
func replace(name string, b, old, text []byte) error {
	at := bytes.Index(b, old)
	if at < 0 || len(old) != len(text) {
		return fmt.Errorf("fill template %s: no place for %.24q", name, text)
	}
	copy(b[at:], text)
	return nil
}

// hide renames a metadata key to one that nobody reads, since taking it out
// would move everything behind it.
func hide(name string, b []byte, key string) error {
	unused := fmt.Appendf(nil, "unused.%s", bytes.Repeat([]byte("-"), len(key)-len("unused.")))
	return replace(name, b, []byte(key), unused)
}

// appendFree appends the box { u32 length, "free", random bytes }; at least 16
// of them, so that no two files are equal.
func appendFree(out []byte, size int, noise *rand.ChaCha8) []byte {
	n := max(16, size-len(out)-8)
	out = binary.BigEndian.AppendUint32(out, uint32(n+8))
	out = append(out, "free"...)
	return appendNoise(out, n, noise)
}
