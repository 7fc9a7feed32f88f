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
		var err error
		if out, err = intoTrack(out, box("udta", box("tsrp", transcript))); err != nil {
			return nil, err
		}
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
// index of its time range, from and to in seconds, in the attribute table. Where
// nobody speaks, there is an empty text instead.
func memoTranscript(words []string) ([]byte, error) {
	var runs []any
	var table []any
	step := memoSeconds / float64(max(len(words), 1))
	for i, w := range words {
		runs = append(runs, w, i)
		table = append(table, map[string]any{"timeRange": []float64{float64(i) * step, float64(i+1) * step}})
	}
	text := any("")
	if len(words) > 0 {
		text = map[string]any{"runs": runs, "attributeTable": table}
	}
	return json.Marshal(map[string]any{
		"attributedString": text,
		"locale":           map[string]any{"identifier": "en_US", "current": 0},
	})
}

// memoQuickTime is memoAudio as the app writes it for layers: a QuickTime file with
// the transcript in moov/trak/meta, a box that there has no word of version and
// flags (content-schemas.md 6). The value says that its bytes are of no type.
func memoQuickTime(transcript, filler []byte) ([]byte, error) {
	out, err := memoAudio(nil, filler)
	if err != nil || transcript == nil {
		return out, err
	}
	copy(out[8:12], "qt  ")
	word := binary.BigEndian.AppendUint32
	hdlr := box("hdlr", append(append(make([]byte, 8), "mdta"...), make([]byte, 14)...))
	const name = "com.apple.VoiceMemos.tsrp"
	keys := box("keys", append(word(word(nil, 0), 1), box("mdta", []byte(name))...))
	items := box("ilst", box("\x00\x00\x00\x01", box("data", append(make([]byte, 8), transcript...))))
	return intoTrack(out, box("meta", append(append(hdlr, keys...), items...)))
}

// intoTrack puts a box at the end of the first trak.
func intoTrack(file, more []byte) ([]byte, error) {
	moov, err := findBox(file, "moov")
	if err != nil {
		return nil, err
	}
	body := file[moov.start+8 : moov.end]
	trak, err := findBox(body, "trak")
	if err != nil {
		return nil, err
	}
	inner := append(append([]byte(nil), body[trak.start+8:trak.end]...), more...)
	grown := append(append(append([]byte(nil), body[:trak.start]...), box("trak", inner)...), body[trak.end:]...)
	return append(append(append([]byte(nil), file[:moov.start]...), box("moov", grown)...), file[moov.end:]...), nil
}
