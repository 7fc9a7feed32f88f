package voicememos

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/keepsake-backup/keepsake/extract/mp4"
)

const (
	maxTranscript = 4 << 20 // bytes of JSON; an hour of speech is about half of one
)

// errNone: nobody speaks, or the phone has not listened yet.
var errNone = errors.New("there is no transcript")

type transcript struct {
	language, text string
	segments       []Segment
}

// transcriptOf reads the transcript in a recording: moov/trak/udta/tsrp of an .m4a,
// an item of moov/trak/meta of a .qta.
func transcriptOf(f *mp4.File) (transcript, error) {
	moov, ok, err := f.In(f.Whole(), "moov")
	if err != nil || !ok {
		return transcript{}, orNone(err)
	}
	for track, err := range f.Boxes(moov) {
		if err != nil {
			return transcript{}, err
		}
		if track.Type != "trak" {
			continue
		}
		data, err := inTrack(f, track)
		if err != nil {
			return transcript{}, err
		}
		if data != nil {
			return parseTranscript(data)
		}
	}
	return transcript{}, errNone
}

func orNone(err error) error {
	if err == nil {
		return errNone
	}
	return err
}

func inTrack(f *mp4.File, track mp4.Box) ([]byte, error) {
	b, ok, err := f.Find(track, "udta", "tsrp")
	if err != nil {
		return nil, err
	}
	if ok {
		return f.Read(b, maxTranscript)
	}
	data, ok, err := f.Keyed(track, "com.apple.VoiceMemos.tsrp", maxTranscript)
	if err != nil || !ok {
		return nil, err
	}
	return data, nil
}

// parseTranscript reads the JSON of a transcript. A text without times is taken, too.
func parseTranscript(data []byte) (transcript, error) {
	if i := bytes.IndexByte(data, '{'); i > 0 && i <= 8 { // a word of version and flags
		data = data[i:]
	}
	data = bytes.TrimRight(data, "\x00")
	var doc struct {
		Locale struct {
			Identifier string `json:"identifier"`
		} `json:"locale"`
		Text json.RawMessage `json:"attributedString"`
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return transcript{}, err
	}
	t := transcript{language: doc.Locale.Identifier}
	if len(t.language) > 100 {
		t.language = ""
	}
	var plain string
	if err := json.Unmarshal(doc.Text, &plain); err == nil {
		if t.text = strings.TrimSpace(plain); t.text == "" {
			return transcript{}, errNone
		}
		return t, nil
	}
	var styled struct {
		Runs  []json.RawMessage `json:"runs"`
		Table []struct {
			Range []float64 `json:"timeRange"`
		} `json:"attributeTable"`
	}
	if err := json.Unmarshal(doc.Text, &styled); err != nil {
		return transcript{}, fmt.Errorf("attributedString: %w", err)
	}
	var whole strings.Builder
	for i, run := range styled.Runs {
		var text string
		if json.Unmarshal(run, &text) != nil {
			continue // an index, looked up with the text in front of it
		}
		whole.WriteString(text)
		index := -1
		if i+1 < len(styled.Runs) {
			if json.Unmarshal(styled.Runs[i+1], &index) != nil {
				index = -1
			}
		}
		if index < 0 || index >= len(styled.Table) || strings.TrimSpace(text) == "" {
			continue
		}
		if r := styled.Table[index].Range; len(r) == 2 && sane(r[0]) && sane(r[1]) {
			t.segments = append(t.segments, Segment{strings.TrimSpace(text), r[0], max(r[0], r[1])})
		}
	}
	if t.text = strings.TrimSpace(whole.String()); t.text == "" || !utf8.ValidString(t.text) {
		return transcript{}, errNone
	}
	return t, nil
}

// sane tells whether a number may be a moment in a recording.
func sane(seconds float64) bool {
	return !math.IsNaN(seconds) && seconds >= 0 && seconds < 1_000_000
}

// What a line of subtitles may hold.
const (
	lineLetters = 70
	lineSeconds = 6
	linePause   = 1.5
)

// subtitles writes SubRip (.srt), a few words at a time.
func subtitles(segments []Segment) []byte {
	var b bytes.Buffer
	n := 0
	for len(segments) > 0 {
		k, letters := 1, len(segments[0].Text)
		for k < len(segments) && !strings.ContainsAny(segments[k-1].Text[len(segments[k-1].Text)-1:], ".?!") {
			s := segments[k]
			if letters += 1 + len(s.Text); letters > lineLetters || s.To-segments[0].From > lineSeconds || s.From-segments[k-1].To > linePause {
				break
			}
			k++
		}
		n++
		words := make([]string, k)
		for i, s := range segments[:k] {
			words[i] = strings.Join(strings.Fields(s.Text), " ")
		}
		fmt.Fprintf(&b, "%d\n%s --> %s\n%s\n\n", n, clock(segments[0].From), clock(segments[k-1].To), strings.Join(words, " "))
		segments = segments[k:]
	}
	return b.Bytes()
}

func clock(seconds float64) string {
	ms := int64(math.Round(seconds * 1000))
	return fmt.Sprintf("%02d:%02d:%02d,%03d", ms/3_600_000, ms/60_000%60, ms/1000%60, ms%1000)
}
