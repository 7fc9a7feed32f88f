package appdata

import (
	_ "embed"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
)

// memoTemplate is three seconds of a generated tone, AAC in an MPEG-4 file
// whose boxes are ftyp, free, mdat, moov{mvhd, trak, udta}. Because moov comes
// last, it can grow without moving the sound.
//
//go:embed memo.m4a
var memoTemplate []byte

// memoSeconds is how long the template plays.
const memoSeconds = 3.0

// memoAudio makes one recording: the template, a transcript if there is one
// (iOS 18: moov/trak/udta/tsrp, JSON, content-schemas.md 6), and a free box of
// the given bytes, which makes files differ in content and size.
func memoAudio(transcript []byte, filler []byte) ([]byte, error) {
	out := append([]byte(nil), memoTemplate...)
	if transcript != nil {
		moov, err := findBox(out, "moov")
		if err != nil {
			return nil, err
		}
		head, body := out[:moov.start], out[moov.start+8:moov.end]
		trak, err := findBox(body, "trak")
		if err != nil {
			return nil, err
		}
		inner := append(append([]byte(nil), body[trak.start+8:trak.end]...), box("udta", box("tsrp", transcript))...)
		grown := append(append(append([]byte(nil), body[:trak.start]...), box("trak", inner)...), body[trak.end:]...)
		out = append(append([]byte(nil), head...), box("moov", grown)...)
	}
	return append(out, box("free", filler)...), nil
}

// box frames data as a box: u32 size, four-letter type, data.
func box(kind string, data []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(8+len(data)))
	return append(append(b, kind...), data...)
}

type boxRange struct{ start, end int }

func findBox(b []byte, kind string) (boxRange, error) {
	for o := 0; o+8 <= len(b); {
		n := int(binary.BigEndian.Uint32(b[o:]))
		if n < 8 || o+n > len(b) {
			return boxRange{}, errors.New("memo template: bad box")
		}
		if string(b[o+4:o+8]) == kind {
			return boxRange{o, o + n}, nil
		}
		o += n
	}
	return boxRange{}, fmt.Errorf("memo template: no box %s", kind)
}

// memoTranscript writes the JSON of a transcript: runs alternate a word and the
// index of its time range in the attribute table.
func memoTranscript(words []string) ([]byte, error) {
	var runs []any
	var table []any
	step := memoSeconds / float64(max(len(words), 1))
	for i, w := range words {
		runs = append(runs, w, i)
		table = append(table, map[string]any{"timeRange": []float64{float64(i) * step, step}})
	}
	return json.Marshal(map[string]any{
		"attributedString": map[string]any{"runs": runs, "attributeTable": table},
		"locale":           map[string]any{"identifier": "en_US", "current": 0},
	})
}
