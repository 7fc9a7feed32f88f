package progress

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

const redraw = 200 * time.Millisecond

// Terminal redraws one line in place. It uses carriage returns and spaces
// only, which every terminal understands.
type Terminal struct {
	w       io.Writer
	width   func() int
	verbose bool
	stop    chan struct{}
	stopped sync.WaitGroup

	mu    sync.Mutex // guards what is below and writes to w
	text  string
	meter meter
	drawn int // columns that the line on the screen fills
}

// NewTerminal draws on w, which is width() columns wide at the moment of the
// call. verbose shows details too. Close must be called.
func NewTerminal(w io.Writer, width func() int, verbose bool) *Terminal {
	t := &Terminal{w: w, width: width, verbose: verbose, stop: make(chan struct{})}
	t.stopped.Go(t.run)
	return t
}

func (t *Terminal) run() {
	tick := time.NewTicker(redraw)
	defer tick.Stop()
	for {
		select {
		case <-t.stop:
			return
		case now := <-tick.C:
			t.mu.Lock()
			t.drawLocked(now)
			t.mu.Unlock()
		}
	}
}

// Phase starts the line anew.
func (t *Terminal) Phase(_, text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	t.text = text
	t.meter.reset(now)
	if text == "" {
		t.clearLocked()
	}
	t.drawLocked(now)
}

// Update is drawn a few times a second.
func (t *Terminal) Update(c Counters) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.meter.update(c, time.Now())
}

// Say prints a line that stays, above the one that redraws itself.
func (t *Terminal) Say(kind Kind, text string) {
	if kind == Detail && !t.verbose {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.clearLocked()
	fmt.Fprintln(t.w, Wrap(text, t.columns()))
	t.drawLocked(time.Now())
}

// Close removes the line.
func (t *Terminal) Close() {
	close(t.stop)
	t.stopped.Wait()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.clearLocked()
}

// columns leaves the last one free: some terminals wrap when it is written.
func (t *Terminal) columns() int { return max(t.width()-1, 10) }

func (t *Terminal) drawLocked(now time.Time) {
	if t.text == "" {
		return
	}
	v := view{text: t.text, counters: t.meter.last, rate: t.meter.rate(now), left: t.meter.left(now), elapsed: now.Sub(t.meter.started)}
	line := v.line(t.columns())
	n := utf8.RuneCountInString(line)
	fmt.Fprint(t.w, "\r"+line+strings.Repeat(" ", max(min(t.drawn, t.columns())-n, 0)))
	t.drawn = n
}

func (t *Terminal) clearLocked() {
	if t.drawn > 0 {
		fmt.Fprint(t.w, "\r"+strings.Repeat(" ", min(t.drawn, t.columns()))+"\r")
		t.drawn = 0
	}
}

// Wrap breaks text between words so that no line is longer than width, where
// words allow. Line ends in text stay.
func Wrap(text string, width int) string {
	var b strings.Builder
	for i, paragraph := range strings.Split(text, "\n") {
		if i > 0 {
			b.WriteByte('\n')
		}
		column := 0
		for j, word := range strings.Split(paragraph, " ") {
			n := utf8.RuneCountInString(word)
			switch {
			case j == 0:
			case column+1+n > width:
				b.WriteByte('\n')
				column = 0
			default:
				b.WriteByte(' ')
				column++
			}
			b.WriteString(word)
			column += n
		}
	}
	return b.String()
}
