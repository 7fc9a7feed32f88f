package progress

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"
)

// drive plays the same short story to any Reporter.
func drive(r Reporter) {
	r.Phase("passcode", "Waiting for the passcode")
	r.Say(Action, "Enter the passcode on the iPhone.")
	r.Say(Detail, "usbmuxd is version 1")
	r.Phase("receive", "Receiving files")
	r.Update(Counters{Files: 2, Bytes: 3000, BytesTotal: 6000})
	r.Say(Warn, "One file could not be read.")
	r.Close()
}

func TestPlain(t *testing.T) {
	var b bytes.Buffer
	drive(NewPlain(&b, 0, false))
	want := `Waiting for the passcode
Enter the passcode on the iPhone.
Receiving files
Receiving files: 50%, 3.0 kB of 6.0 kB, 2 files
One file could not be read.
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &b, want)
	}
	b.Reset()
	drive(NewPlain(&b, time.Hour, true))
	if s := b.String(); strings.Contains(s, "%") || !strings.Contains(s, "usbmuxd is version 1") {
		t.Errorf("verbose and rare:\n%s", s)
	}
}

func TestQuiet(t *testing.T) {
	var b bytes.Buffer
	drive(NewQuiet(&b))
	if want := "Enter the passcode on the iPhone.\nOne file could not be read.\n"; b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &b, want)
	}
}

func TestJSON(t *testing.T) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	drive(NewJSON(func(v any) {
		if err := enc.Encode(v); err != nil {
			t.Error(err)
		}
	}, 0))
	var types []string
	for line := range strings.Lines(b.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if _, err := time.Parse(time.RFC3339, m["time"].(string)); err != nil || !strings.HasSuffix(m["time"].(string), "Z") {
			t.Errorf("time %v is not RFC 3339 in UTC", m["time"])
		}
		types = append(types, m["message_type"].(string))
		if m["message_type"] == "progress" {
			if m["phase"] != "receive" || m["percent"] != 50.0 || m["bytes"] != 3000.0 || m["files"] != 2.0 {
				t.Errorf("progress: %s", line)
			}
		}
	}
	if got := strings.Join(types, " "); got != "status status status status progress status" {
		t.Errorf("message types: %s", got)
	}
}

// screen plays carriage returns and newlines to what a terminal would show.
func screen(output string) []string {
	var lines []string
	for _, line := range strings.Split(output, "\n") {
		var cells []rune
		column := 0
		for _, r := range line {
			if r == '\r' {
				column = 0
				continue
			}
			if column == len(cells) {
				cells = append(cells, r)
			} else {
				cells[column] = r
			}
			column++
		}
		lines = append(lines, strings.TrimRight(string(cells), " "))
	}
	return lines
}

func TestTerminal(t *testing.T) {
	for _, width := range []int{80, 40} {
		var b bytes.Buffer
		drive(NewTerminal(&b, func() int { return width }, false))
		want := []string{"Enter the passcode on the iPhone.", "One file could not be read.", ""}
		if got := screen(b.String()); strings.Join(got, "|") != strings.Join(want, "|") {
			t.Errorf("%d columns: the screen at the end is %q, want %q", width, got, want)
		}
		if longest := longestDrawn(b.String()); longest > width-1 {
			t.Errorf("%d columns: drew %d", width, longest)
		}
	}
}

func longestDrawn(output string) int {
	longest := 0
	for _, line := range strings.FieldsFunc(output, func(r rune) bool { return r == '\r' || r == '\n' }) {
		longest = max(longest, len([]rune(line)))
	}
	return longest
}

func TestTerminal_concurrent(t *testing.T) {
	term := NewTerminal(&bytes.Buffer{}, func() int { return 60 }, true)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for n := range int64(200) {
				term.Phase("x", "Working")
				term.Update(Counters{Files: n, FilesTotal: 200})
				term.Say(Detail, "one more")
			}
		})
	}
	wg.Wait()
	term.Close()
}

func TestWrap(t *testing.T) {
	got := Wrap("The phone asks for its passcode.\nThen it starts.", 14)
	if want := "The phone asks\nfor its\npasscode.\nThen it\nstarts."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
