package progress

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dustin/go-humanize"
)

// view is what the redrawn line shows.
type view struct {
	text     string // the phase in words
	counters Counters
	rate     float64
	left     time.Duration
	elapsed  time.Duration
}

const (
	barFull, barEmpty = '█', '░'
	barMin, barMax    = 8, 24
)

// line draws v within width columns, the least important parts left out first.
// It never ends in a space and holds one rune a column.
func (v view) line(width int) string {
	c := v.counters
	percent, bar := "", 0.0
	done, known := c.fraction()
	if known {
		percent, bar = fmt.Sprintf("%3d%%", int(done*100)), done
	}
	// In the order of the line; weight says what is given up last.
	parts := []part{
		{v.text, 9},
		{percent, 8},
		{v.bytes(), 7},
		{v.timeLeft(), 6},
		{v.files(), 5},
		{v.speed(), 4},
	}
	for lowest := 1; joined(parts) > width && lowest < 9; lowest++ {
		for i := range parts {
			if parts[i].weight == lowest {
				parts[i].text = ""
			}
		}
	}
	if room := width - joined(parts) - 1; known && room >= barMin {
		parts[0].text += " " + drawBar(bar, min(room, barMax))
	}
	var texts []string
	for _, p := range parts {
		if p.text != "" {
			texts = append(texts, p.text)
		}
	}
	return cut(strings.Join(texts, "  "), width)
}

type part struct {
	text   string
	weight int
}

func joined(parts []part) int {
	n := -2
	for _, p := range parts {
		if p.text != "" {
			n += utf8.RuneCountInString(p.text) + 2
		}
	}
	return max(n, 0)
}

func (v view) bytes() string {
	switch c := v.counters; {
	case c.Bytes == 0 && c.BytesTotal == 0:
		return ""
	case c.BytesTotal > 0:
		return Size(c.Bytes) + " of " + Size(c.BytesTotal)
	default:
		return Size(c.Bytes)
	}
}

func (v view) files() string {
	switch c := v.counters; {
	case c.Files == 0 && c.FilesTotal == 0:
		return ""
	case c.FilesTotal > 0:
		return fmt.Sprintf("%s of %s files", humanize.Comma(c.Files), humanize.Comma(c.FilesTotal))
	default:
		return Count(c.Files, "file", "files")
	}
}

func (v view) speed() string {
	if v.rate <= 0 {
		return ""
	}
	return Size(int64(v.rate)) + "/s"
}

// timeLeft is the time left, or, where nobody can know it and the wait is
// long, the time waited: silence must not look like a hang.
func (v view) timeLeft() string {
	if v.left > 0 {
		return left(v.left)
	}
	if _, known := v.counters.fraction(); !known && v.elapsed >= 2*time.Second {
		return fmt.Sprintf("%d:%02d", int(v.elapsed.Minutes()), int(v.elapsed.Seconds())%60)
	}
	return ""
}

func drawBar(done float64, width int) string {
	full := int(done * float64(width))
	return strings.Repeat(string(barFull), full) + strings.Repeat(string(barEmpty), width-full)
}

// cut shortens s to width runes, with an ellipsis where something is missing.
func cut(s string, width int) string {
	if utf8.RuneCountInString(s) <= width {
		return strings.TrimRight(s, " ")
	}
	if width <= 1 {
		return ""
	}
	return strings.TrimRight(string([]rune(s)[:width-1]), " ") + "…"
}
