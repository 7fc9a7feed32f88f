package progress

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// Plain writes a line for each phase and for every step of progress that is
// worth one, for logs and pipes.
type Plain struct {
	w       io.Writer
	every   time.Duration
	verbose bool

	mu      sync.Mutex // guards what is below and writes to w
	text    string
	meter   meter
	printed time.Time
}

// NewPlain writes to w, at most one line of counters in every.
func NewPlain(w io.Writer, every time.Duration, verbose bool) *Plain {
	return &Plain{w: w, every: every, verbose: verbose}
}

// Phase prints the name of the phase.
func (p *Plain) Phase(_, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if text != p.text && text != "" {
		fmt.Fprintln(p.w, text)
	}
	p.text, p.printed = text, time.Now()
	p.meter.reset(p.printed)
}

// Update prints the counters now and then.
func (p *Plain) Update(c Counters) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.meter.update(c, now)
	if p.text == "" || now.Sub(p.printed) < p.every {
		return
	}
	p.printed = now
	v := view{text: p.text, counters: c, rate: p.meter.rate(now), left: p.meter.left(now), elapsed: now.Sub(p.meter.started)}
	fmt.Fprintln(p.w, v.sentence())
}

// sentence is the view without a bar and of any width.
func (v view) sentence() string {
	var parts []string
	if done, known := v.counters.fraction(); known {
		parts = append(parts, fmt.Sprintf("%d%%", int(done*100)))
	}
	for _, part := range []string{v.bytes(), v.files(), v.speed(), v.timeLeft()} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return v.text + ": " + strings.Join(parts, ", ")
}

// Say prints the sentence.
func (p *Plain) Say(kind Kind, text string) {
	if kind == Detail && !p.verbose {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintln(p.w, text)
}

// Close does nothing: what was printed stays.
func (p *Plain) Close() {}

// Quiet prints only what somebody must act on or must not miss.
type Quiet struct {
	w  io.Writer
	mu sync.Mutex // guards writes to w
}

// NewQuiet writes to w.
func NewQuiet(w io.Writer) *Quiet { return &Quiet{w: w} }

// Phase is not shown.
func (q *Quiet) Phase(string, string) {}

// Update is not shown.
func (q *Quiet) Update(Counters) {}

// Say prints requests and warnings.
func (q *Quiet) Say(kind Kind, text string) {
	if kind != Action && kind != Warn {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	fmt.Fprintln(q.w, text)
}

// Close does nothing.
func (q *Quiet) Close() {}
