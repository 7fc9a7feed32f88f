package progress

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestGroup(t *testing.T) {
	var b bytes.Buffer
	g := NewGroup(NewPlain(&b, 0, true), "Backing up", 2)
	anna, ben := g.Member("Anna", "A"), g.Member("Ben", "B")
	anna.Phase("receive", "Receiving files")
	anna.Update(Counters{Files: 1, Bytes: 1000})
	ben.Update(Counters{Files: 2, Bytes: 2000, BytesTotal: 9000})
	ben.Say(Action, "Enter the passcode on the iPhone.")
	anna.Phase("", "")
	anna.Close()
	ben.Close()
	want := `Backing up (0 of 2 done)
Anna: Receiving files
Backing up (0 of 2 done): 1.0 kB, 1 file
Backing up (0 of 2 done): 3.0 kB, 3 files
Ben: Enter the passcode on the iPhone.
Backing up (1 of 2 done)
Backing up (2 of 2 done)
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &b, want)
	}
}

func TestGroup_tagged(t *testing.T) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	g := NewGroup(NewJSON(func(v any) {
		if err := enc.Encode(v); err != nil {
			t.Error(err)
		}
	}, time.Hour), "Backing up", 1)
	m := g.Member("Anna", "00008101-000000000000001E")
	m.Phase("receive", "Receiving files")
	m.Update(Counters{Files: 1})
	m.Say(Warn, "One file could not be read.")
	m.Close()
	for i, line := range strings.Split(strings.TrimSpace(b.String()), "\n") {
		if got := strings.Contains(line, `"udid":"00008101-000000000000001E"`); got != (i > 0) {
			t.Errorf("line %d: udid is there: %v\n%s", i, got, line)
		}
	}
}

func TestEmptyPhase(t *testing.T) {
	for name, make := range map[string]func(*bytes.Buffer) Reporter{
		"terminal": func(b *bytes.Buffer) Reporter { return NewTerminal(b, func() int { return 40 }, false) },
		"plain":    func(b *bytes.Buffer) Reporter { return NewPlain(b, 0, false) },
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			r := make(&b)
			r.Phase("wait", "Waiting")
			r.Phase("", "")
			drawn := b.Len()
			r.Update(Counters{Files: 1})
			time.Sleep(2 * redraw)
			r.Close()
			if got := b.String()[drawn:]; got != "" {
				t.Errorf("after the phase ended: %q", got)
			}
		})
	}
}
