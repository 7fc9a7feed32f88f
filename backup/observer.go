package backup

import (
	"path"
	"sync"
	"time"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/mobilebackup2"
)

// phaseText says the phases of a job to people.
var phaseText = map[mobilebackup2.Phase]string{
	mobilebackup2.Waiting:   "Waiting for the iPhone",
	mobilebackup2.Preparing: "The iPhone prepares the backup",
	mobilebackup2.Receiving: "Receiving files",
	mobilebackup2.Moving:    "Putting files in place",
	mobilebackup2.Removing:  "Removing what the iPhone no longer has",
	mobilebackup2.Verifying: "The iPhone checks the backup",
	mobilebackup2.Sending:   "Sending files",
}

// updateEvery keeps the hot path away from the reporter's lock.
const updateEvery = 50 * time.Millisecond

// observer turns events of a job into progress, and takes the time of phases.
type observer struct {
	mobilebackup2.Nobody
	rep progress.Reporter

	counters progress.Counters
	updated  time.Time

	mu      sync.Mutex // guards what is below, which other goroutines ask for
	phase   mobilebackup2.Phase
	since   time.Time
	order   []mobilebackup2.Phase
	elapsed map[mobilebackup2.Phase]time.Duration
}

func newObserver(rep progress.Reporter) *observer {
	return &observer{rep: rep, elapsed: map[mobilebackup2.Phase]time.Duration{}}
}

// Phase begins a phase; phases return, such as Receiving for a Status.plist.
func (o *observer) Phase(p mobilebackup2.Phase) {
	o.mu.Lock()
	now := time.Now()
	o.closePhase(now)
	o.phase, o.since = p, now
	if _, seen := o.elapsed[p]; !seen {
		o.order = append(o.order, p)
	}
	o.elapsed[p] += 0
	o.mu.Unlock()
	o.counters = progress.Counters{Fraction: o.counters.Fraction}
	o.rep.Phase(string(p), phaseText[p])
}

func (o *observer) closePhase(now time.Time) {
	if o.phase != "" {
		o.elapsed[o.phase] += now.Sub(o.since)
	}
}

func (o *observer) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closePhase(time.Now())
	o.phase = ""
}

// waiting tells whether the phone has not begun yet.
func (o *observer) waiting() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.phase == "" || o.phase == mobilebackup2.Waiting
}

func (o *observer) times() (list []PhaseTime) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range o.order {
		list = append(list, PhaseTime{string(p), o.elapsed[p]})
	}
	return list
}

// Progress is the phone's own estimate, which never goes back.
func (o *observer) Progress(percent float64) {
	o.counters.Fraction = max(o.counters.Fraction, percent/100)
	o.update()
}

func (o *observer) FileBegin(f mobilebackup2.File) {
	o.counters.Current = f.DevicePath
	if f.DevicePath == "" {
		o.counters.Current = path.Base(f.Path)
	}
}

func (o *observer) FileBytes(n int64) {
	o.counters.Bytes += n
	o.update()
}

func (o *observer) FileEnd(f mobilebackup2.File, _ int64, err error) {
	if err != nil {
		o.rep.Say(progress.Warn, err.Error())
		return
	}
	o.counters.Files++
	o.update()
}

func (o *observer) Moved(n int) {
	o.counters.Files += int64(n)
	o.update()
}

func (o *observer) Removed(n int) {
	o.counters.Files += int64(n)
	o.update()
}

func (o *observer) update() {
	if now := time.Now(); now.Sub(o.updated) >= updateEvery {
		o.updated = now
		o.rep.Update(o.counters)
	}
}
