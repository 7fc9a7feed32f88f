package fake

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/keepsake-backup/keepsake/service"
)

// job is a job and the parts it consists of.
type job struct {
	service.Job
	account int64
	parts   []part
	onEnd   func() // under the lock
}

// part is one phase of a job; all take as long.
type part struct {
	text, do string
	log      []string
	moves    bool // bytes are counted
}

func (j *job) running() bool { return j.State == service.Running || j.State == service.Queued }

func parts(kind service.JobKind, name string) []part {
	switch kind {
	case service.BackupJob:
		return []part{
			{text: "Connecting", log: []string{"Found " + name + " by cable", "Session is up"}},
			{text: "Waiting for the passcode", do: "Enter the passcode on " + name + ".", log: []string{"The phone asks for its passcode"}},
			{text: "The phone prepares the backup", log: []string{"Passcode was entered"}},
			{text: "Copying", moves: true, log: []string{"12,041 files to send"}},
			{text: "Copying", moves: true},
			{text: "Copying", moves: true},
			{text: "Verifying", log: []string{"Everything arrived", "Reading back what is new"}},
		}
	case service.PairJob:
		return []part{
			{text: "Looking for the phone", log: []string{"Found by cable"}},
			{text: "Waiting for Trust", do: "Unlock the phone, tap Trust, and enter its passcode.", log: []string{"The phone asks whether to trust this computer"}},
			{text: "Pairing", log: []string{"Trusted"}},
			{text: "Switching on Wi-Fi", log: []string{"Wi-Fi is on"}},
		}
	case service.EncryptionJob:
		return []part{
			{text: "Connecting"},
			{text: "Waiting for the passcode", do: "Enter the passcode on " + name + ".", log: []string{"The phone asks for its passcode"}},
			{text: "Setting the password"},
		}
	case service.RestoreJob:
		return []part{
			{text: "Checking", log: []string{"All files of this version are there"}},
			{text: "Waiting for the passcode", do: "Enter the passcode on " + name + "."},
			{text: "Sending", moves: true}, {text: "Sending", moves: true}, {text: "Sending", moves: true},
			{text: "The phone restarts", do: "Leave it plugged in. It shows a progress bar and then its home screen."},
		}
	case service.CopyJob, service.CheckJob, service.RehearseJob, service.MediaJob:
		return []part{{text: "Reading"}, {text: "Comparing", moves: true}, {text: "Comparing", moves: true}}
	}
	return []part{{text: "Working"}}
}

// enqueue starts a job, or gives the one that runs already. Under the lock.
func (h *Household) enqueue(who service.Who, kind service.JobKind, p *phone, target string, onEnd func()) int64 {
	j := &job{Job: service.Job{Kind: kind, Target: target, State: service.Running, Fraction: -1, Queued: h.o.Now(), Started: h.o.Now()}, account: who.Account, onEnd: onEnd}
	if p != nil {
		j.UDID, j.Name = p.UDID, p.Name
	}
	for _, other := range h.jobs {
		if other.running() && other.Kind == kind && other.UDID == j.UDID && other.Target == target {
			return other.ID
		}
	}
	j.ID = int64(len(h.jobs) + 1)
	j.Trigger = "by itself"
	if who.Account != 0 {
		j.Trigger = cmpOr(accounts[who.Account], who.Name) + " asked for it"
	}
	j.parts = parts(kind, j.Name)
	h.jobs = append(h.jobs, j)
	h.advance()
	e := j.Job
	h.tell(service.Event{Kind: "job", UDID: j.UDID, Job: &e})
	return j.ID
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// advance moves every job to where the clock is. Under the lock.
func (h *Household) advance() {
	now := h.o.Now()
	for _, j := range h.jobs {
		if j.running() && len(j.parts) > 0 {
			j.advance(now, h.o.Step)
			if !j.running() {
				if j.onEnd != nil {
					j.onEnd()
				}
				e := j.Job
				h.tell(service.Event{Kind: "job", UDID: j.UDID, Job: &e})
			}
		}
	}
}

func (j *job) advance(now time.Time, step time.Duration) {
	gone := now.Sub(j.Started)
	n := min(int(gone/step), len(j.parts))
	j.Log = []service.LogLine{{Time: j.Started, Kind: "phase", Text: "Started: " + j.Trigger}}
	moving, moved := 0, 0.
	for i, p := range j.parts {
		if p.moves {
			moving++
			moved += min(max(float64(gone-time.Duration(i)*step)/float64(step), 0), 1)
		}
		if i > n || i == len(j.parts) {
			continue
		}
		at := j.Started.Add(time.Duration(i) * step)
		j.Log = append(j.Log, service.LogLine{Time: at, Kind: "phase", Text: p.text})
		for _, text := range p.log {
			j.Log = append(j.Log, service.LogLine{Time: at, Kind: "info", Text: text})
		}
	}
	j.FilesTotal, j.BytesTotal = 12_041, 9_400*mib
	if moving > 0 {
		j.Fraction = moved / float64(moving)
	}
	j.Files, j.Bytes = int64(j.Fraction*12_041), int64(j.Fraction*9_400*mib)
	if n == len(j.parts) {
		j.State, j.Text, j.Do, j.Fraction, j.Ended, j.Rate, j.Left = service.Done, done[j.Kind], "", 1, j.Started.Add(time.Duration(n)*step), 0, 0
		j.Log = append(j.Log, service.LogLine{Time: j.Ended, Kind: "phase", Text: j.Text})
		return
	}
	j.Text, j.Do = j.parts[n].text, j.parts[n].do
	j.Rate, j.Left = 0, 0
	if j.parts[n].moves {
		j.Rate, j.Left = 31*mib, time.Duration(len(j.parts)-n)*step
	} else if j.Fraction <= 0 {
		j.Fraction = -1
	}
}

var done = map[service.JobKind]string{
	service.BackupJob: "Backed up and verified.", service.MediaJob: "Pictures and music copied.", service.RestoreJob: "Restored.",
	service.PairJob: "Paired.", service.EncryptionJob: "The phone encrypts its backups with the new password.",
	service.RehearseJob: "Restored onto a virtual phone and compared: all files are the same.", service.CheckJob: "Everything that was read is as it was stored.",
	service.ForgetJob: "Removed, and the room given back.", service.CopyJob: "Copied and verified.", service.HandOverJob: "New photos handed over.",
}

// past makes the jobs of the last weeks, of each phone one for each version.
func (h *Household) past() {
	var all []*job
	for i, udid := range h.order {
		p := h.phones[udid]
		for n, v := range p.versions {
			if n > 80 {
				break
			}
			kind := service.BackupJob
			if v.Media {
				kind = service.MediaJob
			}
			j := &job{Job: service.Job{Kind: kind, UDID: p.UDID, Name: p.Name, Trigger: "nightly", State: service.Done, Text: done[kind], Fraction: 1, Files: v.Files, FilesTotal: v.Files, Bytes: v.Added, BytesTotal: v.Added, Version: v.ID,
				Queued: v.Time.Add(-21 * time.Minute), Started: v.Time.Add(-20 * time.Minute), Ended: v.Time}}
			if n%9 == 4 {
				r := *j
				r.Job.ID, r.State, r.Text, r.Version = 0, service.Refused, "Nobody entered the passcode.", ""
				r.Hint = "Keepsake asks again in the next window, or when you press Back Up Now."
				r.Started, r.Ended = v.Time.Add(5*time.Hour), v.Time.Add(5*time.Hour+3*time.Minute)
				all = append(all, &r)
			}
			all = append(all, j)
		}
		if i == 5 {
			at := h.o.Now().Add(-14 * time.Hour)
			all = append(all, &job{Job: service.Job{Kind: service.BackupJob, UDID: p.UDID, Name: p.Name, Trigger: "on its charger", State: service.FailedJob, Text: "Failed while checking the password",
				Error: "open keybag of the backup: the backup password is wrong", Hint: "The password was changed on the phone. Type the new one on the phone’s page, under “Encrypt backup”.", Fraction: -1, Queued: at, Started: at, Ended: at.Add(4 * time.Minute)}})
		}
	}
	slices.SortFunc(all, func(a, b *job) int { return a.Started.Compare(b.Started) })
	for i, j := range all {
		j.ID = int64(i + 1)
		if j.Queued.IsZero() {
			j.Queued = j.Started
		}
		j.Log = []service.LogLine{{Time: j.Started, Kind: "phase", Text: "Started: " + j.Trigger}, {Time: j.Started.Add(2 * time.Second), Kind: "info", Text: "Session is up"}, {Time: j.Ended, Kind: "phase", Text: j.Text}}
	}
	h.jobs = all
}

// present starts what runs at this moment: a backup of Ben's phone.
func (h *Household) present() {
	p, ok := h.phones[Ben]
	if !ok {
		return
	}
	id := h.enqueue(service.System, service.BackupJob, p, "", h.newVersion(p))
	h.jobs[id-1].Trigger = "plugged in"
	h.jobs[id-1].Started = h.o.Now().Add(-4 * h.o.Step)
	h.advance()
}

// newVersion is what happens when a backup of p is done.
func (h *Household) newVersion(p *phone) func() {
	return func() {
		now := h.o.Now().UTC().Truncate(time.Second)
		v := service.Version{ID: versionID(p.UDID, -len(p.versions)), UDID: p.UDID, Time: now, Name: p.Name, IOS: p.IOS, Files: 41_204, Size: 38 * gib, Added: 612 * mib, Encrypted: p.Encrypted, Verified: now}
		p.versions = append([]service.Version{v}, p.versions...)
		p.fresh = false
		p.State = service.State{Mood: service.Good, Text: "Backed up just now and verified."}
		p.sum()
	}
}

// Jobs implements server.Looker.
func (h *Household) Jobs(_ context.Context, who service.Who, udid string, before int64, limit int) ([]service.Job, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.advance()
	var all []service.Job
	for _, j := range slices.Backward(h.jobs) {
		if before > 0 && j.ID >= before || udid != "" && j.UDID != udid || !h.seesJob(who, j) {
			continue
		}
		v := j.Job
		v.Log = nil
		if all = append(all, v); len(all) == limit {
			break
		}
	}
	return all, nil
}

// Job implements server.Looker.
func (h *Household) Job(_ context.Context, who service.Who, id int64) (service.Job, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.advance()
	if id < 1 || id > int64(len(h.jobs)) || !h.seesJob(who, h.jobs[id-1]) {
		return service.Job{}, fs.ErrNotExist
	}
	v := h.jobs[id-1].Job
	v.Log = slices.Clone(v.Log)
	return v, nil
}

func (h *Household) seesJob(who service.Who, j *job) bool {
	p, ok := h.phones[j.UDID]
	return !ok && who.Admin || ok && sees(who, p)
}

// Cancel implements server.Doer.
func (h *Household) Cancel(_ context.Context, who service.Who, id int64) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if id < 1 || id > int64(len(h.jobs)) || !h.seesJob(who, h.jobs[id-1]) {
		return fs.ErrNotExist
	}
	j := h.jobs[id-1]
	if who.ReadOnly {
		return service.ErrForbidden
	}
	if !j.running() {
		return &hintError{fmt.Sprintf("job %d is over", id), "There is nothing to cancel any more."}
	}
	j.State, j.Text, j.Do, j.Ended, j.Fraction = service.Cancelled, "Cancelled. What has arrived is used the next time.", "", h.o.Now(), -1
	return nil
}
