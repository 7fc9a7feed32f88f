package voicememos

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/keepsake-backup/keepsake/extract/mp4"
)

func box(kind string, content ...[]byte) []byte {
	data := bytes.Join(content, nil)
	return append(append(binary.BigEndian.AppendUint32(nil, uint32(8+len(data))), kind...), data...)
}

const speech = `{"locale":{"identifier":"de_DE"},"attributedString":{"runs":["Guten",0," Tag.",1," ",1," Wie",2," geht's?",9],
	"attributeTable":[{"timeRange":[0,0.5]},{"timeRange":[0.5,1]},{"timeRange":[3.25,3.5]}]}}`

func TestTranscriptOf(t *testing.T) {
	keys := box("keys", []byte{0, 0, 0, 0, 0, 0, 0, 2}, box("mdta", []byte("other")), box("mdta", []byte("com.apple.VoiceMemos.tsrp")))
	ilst := box("ilst", box("\x00\x00\x00\x01", box("data", make([]byte, 9))), box("\x00\x00\x00\x02", box("data", make([]byte, 8), []byte(speech))))
	for name, file := range map[string][]byte{
		"m4a":              box("moov", box("trak"), box("trak", box("udta", box("name", []byte("x")), box("tsrp", []byte(speech))))),
		"m4a, full box":    box("moov", box("trak", box("udta", box("tsrp", []byte{0, 0, 0, 0}, []byte(speech))))),
		"user data ends":   box("moov", box("trak", box("udta", []byte{0, 0, 0, 0})), box("trak", box("udta", box("tsrp", []byte(speech)), []byte{0, 0, 0, 0}))),
		"qta":              box("moov", box("trak", box("meta", keys, ilst))),
		"qta, ISO's meta":  box("moov", box("trak", box("meta", []byte{0, 0, 0, 0}, box("hdlr", make([]byte, 24)), keys, ilst))),
		"behind the sound": append(box("mdat", make([]byte, 100)), box("moov", box("trak", box("udta", box("tsrp", []byte(speech)))))...),
	} {
		got, err := transcriptOf(mp4.New(bytes.NewReader(file), int64(len(file))))
		if err != nil || got.text != "Guten Tag.  Wie geht's?" || got.language != "de_DE" || len(got.segments) != 3 || got.segments[2] != (Segment{"Wie", 3.25, 3.5}) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	for name, text := range map[string]string{"silence": `{"attributedString":""}`, "blank": `{"attributedString":{"runs":[" ",0]}}`} {
		if _, err := parseTranscript([]byte(text)); !errors.Is(err, errNone) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, bad := range []string{"", "{", `{"attributedString":5}`, `{"attributedString":{"runs":{}}}`, `[]`} {
		if got, err := parseTranscript([]byte(bad)); err == nil || errors.Is(err, errNone) {
			t.Errorf("%q gives %+v, %v", bad, got, err)
		}
	}
}

func TestSubtitles(t *testing.T) {
	got := string(subtitles([]Segment{{"Guten", 0, 0.5}, {"Tag.", 0.5, 1}, {"Wie", 1, 1.25}, {"geht's?", 4, 3725.5}}))
	want := "1\n00:00:00,000 --> 00:00:01,000\nGuten Tag.\n\n2\n00:00:01,000 --> 00:00:01,250\nWie\n\n3\n00:00:04,000 --> 01:02:05,500\ngeht's?\n\n"
	if got != want {
		t.Errorf("subtitles are\n%s", got)
	}
}

func FuzzTranscript(f *testing.F) {
	f.Add([]byte(speech))
	f.Add([]byte(`{"attributedString":""}`))
	f.Add([]byte(`{"attributedString":{"runs":["a",-1,"b",1e99,3,"c"],"attributeTable":[{"timeRange":[1]},{}]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := parseTranscript(data)
		if (err == nil) != (got.text != "") {
			t.Errorf("%+v, %v", got, err)
		}
		for _, s := range got.segments {
			if s.Text == "" || s.To < s.From {
				t.Errorf("segment %+v", s)
			}
		}
		subtitles(got.segments)
	})
}
