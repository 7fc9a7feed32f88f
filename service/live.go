package service

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/keepsake-backup/keepsake/internal/progress"
)

const (
	// tellEvery is how often counters of a job reach those who watch.
	tellEvery = 400 * time.Millisecond
	// maxLines bounds the log of one job.
	maxLines = 2000
	// flushLines is how many lines wait to be written at most.
	flushLines = 50
	// flushEvery is how long one waits at most.
	flushEvery = 2 * time.Second
)

// live is a job that runs: the progress.Reporter of the work, and what is shown
// of it meanwhile.
type live struct {
	name string // of the phone, for sentences
	now  func() time.Time
	tell func(Job)             // may be called often; not concurrently
	save func(lines []LogLine) // to the catalog

	// prompted is called once when the work has asked the phone's owner for the
	// passcode, begun when the phone goes on after that.
	prompted func()
	begun    func()

	mu     sync.Mutex
	job    Job
	phase  string
	asked  bool
	went   bool
	meter  meter
	told   time.Time // counters, by the real clock: it protects real watchers
	lines  []LogLine
	count  int
	flush  time.Time
	cancel context.CancelCauseFunc
	why    error // it was cancelled, set with cancel
}

// newLive begins to show a job.
func newLive(job Job, name string, now func() time.Time, tell func(Job), save func([]LogLine)) *live {
	job.Fraction = -1
	return &live{name: name, now: now, tell: tell, save: save, job: job, flush: time.Now()}
}

// snapshot is the job as it is now.
func (l *live) snapshot() Job {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.job
}

// waiting are the phases in which a phone may still wait for its owner.
var waitingPhases = map[string]bool{"": true, "connecting": true, "waiting": true, "preflight": true}

// Phase implements progress.Reporter.
func (l *live) Phase(name, text string) {
	l.mu.Lock()
	var begun func()
	if !waitingPhases[name] {
		l.job.Do = ""
		if l.asked && !l.went {
			l.went, begun = true, l.begun
		}
	}
	if text != "" {
		text = l.named(text)
		l.job.Text = text
		if name != l.phase {
			l.note(LogLine{Kind: "phase", Text: text})
		}
	}
	l.phase = name
	l.job.Files, l.job.FilesTotal, l.job.Bytes, l.job.BytesTotal, l.job.Rate, l.job.Left = 0, 0, 0, 0, 0, 0
	l.meter = meter{}
	l.push(true)
	l.mu.Unlock()
	if begun != nil {
		begun()
	}
}

// Update implements progress.Reporter.
func (l *live) Update(c progress.Counters) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.job.Files, l.job.FilesTotal, l.job.Bytes, l.job.BytesTotal = c.Files, c.FilesTotal, c.Bytes, c.BytesTotal
	switch {
	case c.Fraction > 0:
		l.job.Fraction = min(c.Fraction, 1)
	case c.BytesTotal > 0:
		l.job.Fraction = min(float64(c.Bytes)/float64(c.BytesTotal), 1)
	case c.FilesTotal > 0:
		l.job.Fraction = min(float64(c.Files)/float64(c.FilesTotal), 1)
	}
	l.job.Rate, l.job.Left = l.meter.take(time.Now(), c.Bytes, l.job.Fraction)
	l.push(false)
}

// Say implements progress.Reporter.
func (l *live) Say(kind progress.Kind, text string) {
	l.mu.Lock()
	text = l.named(text)
	l.note(LogLine{Kind: string(kind), Text: text})
	var prompted func()
	switch {
	case kind == progress.Action && strings.Contains(text, "passcode"):
		l.job.Do = "Enter the passcode on " + l.name + "."
		if !l.asked {
			l.asked, prompted = true, l.prompted
		}
	case kind == progress.Action:
		l.job.Do = text
	}
	l.push(true)
	l.mu.Unlock()
	if prompted != nil {
		prompted()
	}
}

// Close implements progress.Reporter.
func (l *live) Close() {}

// named says a sentence about "the iPhone" with the phone's own name.
func (l *live) named(text string) string {
	if l.name == "" {
		return text
	}
	return strings.NewReplacer("The iPhone", l.name, "the iPhone", l.name).Replace(text)
}

// note adds a line to the log; the caller holds the lock.
func (l *live) note(line LogLine) {
	l.count++
	switch {
	case l.count == maxLines:
		line.Kind, line.Text = string(progress.Notice), "There is more; it is not kept."
	case l.count > maxLines:
		return
	}
	line.Time = l.now()
	l.lines = append(l.lines, line)
	if len(l.lines) >= flushLines || time.Since(l.flush) > flushEvery {
		l.flushLocked()
	}
}

func (l *live) flushLocked() {
	if len(l.lines) == 0 {
		return
	}
	l.save(l.lines)
	l.lines, l.flush = nil, time.Now()
}

// end writes what is left of the log.
func (l *live) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flushLocked()
}

// push tells watchers; the caller holds the lock.
func (l *live) push(now bool) {
	if t := time.Now(); now || t.Sub(l.told) >= tellEvery {
		l.told = t
		l.tell(l.job)
	}
}

// stop cancels the job: why tells what is said of it.
func (l *live) stop(why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.why == nil {
		l.why = why
	}
	if l.cancel != nil {
		l.cancel(why)
	}
}

// meter estimates rates from counters.
type meter struct {
	began, at time.Time
	fraction  float64 // at began
	bytes     int64   // at at
	rate      float64
}

// take gives bytes a second, smoothed over about ten seconds, and what is left at
// the pace so far; 0 is unknown.
func (m *meter) take(now time.Time, bytes int64, fraction float64) (rate float64, left time.Duration) {
	if m.began.IsZero() {
		m.began, m.at, m.bytes, m.fraction = now, now, bytes, max(fraction, 0)
		return 0, 0
	}
	if d := now.Sub(m.at); d >= time.Second {
		r := float64(bytes-m.bytes) / d.Seconds()
		if m.rate == 0 {
			m.rate = r
		} else {
			weight := min(d.Seconds()/10, 1)
			m.rate += (r - m.rate) * weight
		}
		m.at, m.bytes = now, bytes
	}
	took, done := now.Sub(m.began), fraction-m.fraction
	if took > 3*time.Second && done > 0.01 && fraction < 1 {
		left = time.Duration(float64(took) * (1 - fraction) / done).Round(time.Second)
	}
	return max(m.rate, 0), left
}

var _ progress.Reporter = (*live)(nil)
