package voicemail

import (
	"bytes"
	"math"
	"testing"

	"github.com/keepsake-backup/keepsake/internal/plist"
)

func archive(t testing.TB, top any, objects ...any) []byte {
	t.Helper()
	data, err := plist.Marshal(map[string]any{"$archiver": "NSKeyedArchiver", "$top": top, "$objects": append([]any{"$null"}, objects...)}, plist.Binary)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestTranscript(t *testing.T) {
	root := map[string]any{"root": plist.UID(1)}
	for _, c := range []struct {
		name       string
		data       []byte
		text       string
		confidence float64
		fails      bool
	}{
		{"archive", archive(t, root, map[string]any{"transcriptionString": plist.UID(2), "confidence": 0.5}, " Hello\n"), "Hello", 0.5, false},
		{"numbers by reference", archive(t, root, map[string]any{"transcriptionString": plist.UID(2), "confidence": plist.UID(3)}, "Hello", 1), "Hello", 1, false},
		{"mutable string", archive(t, root, map[string]any{"transcriptionString": plist.UID(2)}, map[string]any{"NS.string": "Hello"}), "Hello", 0, false},
		{"another name of the root", archive(t, map[string]any{"a": plist.UID(3), "b": plist.UID(1)}, map[string]any{"transcriptionString": plist.UID(2)}, "Hello", map[string]any{}), "Hello", 0, false},
		{"no text in it", archive(t, root, map[string]any{"transcriptionString": plist.UID(2)}, ""), "", 0, false},
		{"nothing", archive(t, root, map[string]any{"x": 1}), "", 0, true},
		{"out of bounds", archive(t, root, map[string]any{"transcriptionString": plist.UID(99)}), "", 0, false},
		{"itself", archive(t, map[string]any{"root": plist.UID(1)}, plist.UID(1)), "", 0, true},
		{"no list", []byte("bplist00"), "", 0, true},
		{"a list of nothing", []byte("<plist><array/></plist>"), "", 0, true},
	} {
		text, confidence, err := transcriptOf(c.data)
		if text != c.text || confidence != c.confidence || (err != nil) != c.fails {
			t.Errorf("%s: %q, %v, %v", c.name, text, confidence, err)
		}
	}
}

func TestAMRSeconds(t *testing.T) {
	frame := func(mode byte, size int) []byte { return append([]byte{mode<<3 | 4}, make([]byte, size)...) }
	all := []byte("#!AMR\n")
	for mode, size := range []int{12, 13, 15, 17, 19, 20, 26, 31, 5} {
		all = append(all, frame(byte(mode), size)...)
	}
	all = append(all, frame(15, 0)...)
	for want, data := range map[float64][]byte{0.2: all, 0.18: all[:len(all)-1], 0.02: append([]byte("#!AMR\n"), append(frame(15, 0), 0x4c, 1, 2)...), 0: []byte("#!AMR-WB\n")} {
		if got := amrSeconds(data); got != want {
			t.Errorf("%v seconds, want %v", got, want)
		}
	}
}

func FuzzTranscript(f *testing.F) {
	f.Add(archive(f, map[string]any{"root": plist.UID(1)}, map[string]any{"transcriptionString": plist.UID(2), "confidence": 0.5}, "Hello"))
	f.Add([]byte("<plist><dict><key>transcriptionString</key><string>x</string></dict></plist>"))
	f.Fuzz(func(t *testing.T, data []byte) {
		text, confidence, err := transcriptOf(data)
		if err != nil && (text != "" || confidence != 0) || math.IsNaN(confidence) {
			t.Errorf("%q, %v with %v", text, confidence, err)
		}
	})
}

func FuzzAMR(f *testing.F) {
	f.Add(append([]byte("#!AMR\n"), bytes.Repeat([]byte{4}, 100)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		if s := amrSeconds(data); s < 0 || s > float64(len(data))/50 {
			t.Errorf("%v seconds in %d bytes", s, len(data))
		}
	})
}
