package progress

import (
	"testing"
	"time"
	"unicode/utf8"
)

func TestLine(t *testing.T) {
	receiving := view{text: "Receiving files", counters: Counters{Files: 12345, Bytes: 1_200_000_000, BytesTotal: 3_000_000_000},
		rate: 35_000_000, left: 70 * time.Second, elapsed: time.Minute}
	unknown := view{text: "Receiving files", counters: Counters{Files: 9, Bytes: 4096}, elapsed: 83 * time.Second}
	waiting := view{text: "Waiting for the passcode", elapsed: 5 * time.Second}
	for name, c := range map[string]struct {
		view  view
		width int
		want  string
	}{
		"wide":               {receiving, 120, "Receiving files █████████░░░░░░░░░░░░░░░   40%  1.2 GB of 3.0 GB  1 min left  12,345 files  35 MB/s"},
		"80 columns":         {receiving, 80, "Receiving files   40%  1.2 GB of 3.0 GB  1 min left  12,345 files  35 MB/s"},
		"64 columns":         {receiving, 64, "Receiving files ████░░░░░░░░   40%  1.2 GB of 3.0 GB  1 min left"},
		"40 columns":         {receiving, 40, "Receiving files   40%  1.2 GB of 3.0 GB"},
		"20 columns":         {receiving, 20, "Receiving files"},
		"10 columns":         {receiving, 10, "Receiving…"},
		"total unknown":      {unknown, 80, "Receiving files  4.1 kB  1:23  9 files"},
		"nothing known":      {waiting, 40, "Waiting for the passcode  0:05"},
		"nothing known, new": {view{text: "Waiting"}, 40, "Waiting"},
		"fraction only":      {view{text: "Verifying", counters: Counters{Fraction: 0.5}}, 40, "Verifying ████████████░░░░░░░░░░░░   50%"},
		"more than all":      {view{text: "Verifying", counters: Counters{Files: 3, FilesTotal: 2}}, 80, "Verifying ████████████████████████  100%  3 of 2 files"},
	} {
		t.Run(name, func(t *testing.T) {
			got := c.view.line(c.width)
			if got != c.want {
				t.Errorf("line(%d)\n got %q\nwant %q", c.width, got, c.want)
			}
			if n := utf8.RuneCountInString(got); n > c.width {
				t.Errorf("%d columns, at most %d", n, c.width)
			}
		})
	}
}

func TestMeter(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	var m meter
	m.reset(start)
	const total = 100_000_000
	for s := range 20 {
		m.update(Counters{Bytes: int64(s) * 2_000_000, BytesTotal: total}, start.Add(time.Duration(s)*time.Second))
	}
	now := start.Add(19 * time.Second)
	if got := m.rate(now); got < 1_900_000 || got > 2_100_000 {
		t.Errorf("rate = %v, want about 2,000,000", got)
	}
	if got := m.left(now); got < 29*time.Second || got > 33*time.Second {
		t.Errorf("left = %v, want about 31 s", got)
	}
	m.update(Counters{Fraction: 0.5}, now.Add(time.Second))
	if got := m.left(now.Add(time.Second)); got != 20*time.Second {
		t.Errorf("left at half = %v, want as long as it took: 20 s", got)
	}
	m.reset(now)
	if r, l := m.rate(now), m.left(now); r != 0 || l != 0 {
		t.Errorf("after reset: rate %v, left %v, want nothing known", r, l)
	}
}
