package restore

import (
	"path"
	"time"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/mobilebackup2"
)

// observer turns events of a restore into progress. How much there is to send
// is known from the pre-flight.
type observer struct {
	mobilebackup2.Nobody
	rep      progress.Reporter
	total    progress.Counters
	counters progress.Counters
	updated  time.Time
}

func newObserver(rep progress.Reporter, report *Report) *observer {
	return &observer{rep: rep, total: progress.Counters{FilesTotal: report.Files, BytesTotal: report.Bytes}}
}

var phaseText = map[mobilebackup2.Phase]string{
	mobilebackup2.Waiting:   "Waiting for the iPhone",
	mobilebackup2.Preparing: "The iPhone looks at the backup",
	mobilebackup2.Receiving: "The iPhone sets the old backup aside",
	mobilebackup2.Sending:   "Sending files",
}

// Phase begins a phase.
func (o *observer) Phase(p mobilebackup2.Phase) {
	text, ok := phaseText[p]
	if !ok {
		text = "The iPhone works on the backup"
	}
	o.rep.Phase(string(p), text)
	o.counters = progress.Counters{}
	if p == mobilebackup2.Sending {
		o.counters = o.total
	}
}

func (o *observer) FileBegin(f mobilebackup2.File) { o.counters.Current = path.Base(f.Path) }

func (o *observer) FileBytes(n int64) {
	o.counters.Bytes += n
	o.update()
}

func (o *observer) FileEnd(_ mobilebackup2.File, _ int64, err error) {
	if err != nil {
		o.rep.Say(progress.Warn, err.Error())
		return
	}
	o.counters.Files++
	o.update()
}

func (o *observer) update() {
	if now := time.Now(); now.Sub(o.updated) >= 50*time.Millisecond {
		o.updated = now
		o.rep.Update(o.counters)
	}
}
