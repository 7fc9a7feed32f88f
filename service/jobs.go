package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"slices"
	"time"

	"github.com/keepsake-backup/keepsake/backup"
	"github.com/keepsake-backup/keepsake/catalog"
	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/mobilebackup2"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/schedule"
)

// result is how a job ended, for the schedule.
type result struct {
	Outcome schedule.Outcome `json:"outcome,omitempty"`
}

func outcomeIn(j catalog.Job) schedule.Outcome {
	var r result
	if len(j.Result) > 0 && json.Unmarshal(j.Result, &r) != nil {
		return schedule.Failed
	}
	return r.Outcome
}

// interrupted closes the jobs that ran when the process died, and those that wait
// for what only that process knew.
func (s *Service) interrupted(ctx context.Context) error {
	cut, err := s.db.Interrupted(ctx)
	if err != nil {
		return err
	}
	for _, j := range cut {
		if !lanes[JobKind(j.Kind)].phone {
			continue // it begins again by itself
		}
		if err := s.close(ctx, j, outcome{state: Cancelled, text: "Keepsake was stopped while it ran. What had arrived is kept; it goes on from there.", as: schedule.Stopped}); err != nil {
			return err
		}
	}
	waiting, err := s.waiting(ctx)
	if err != nil {
		return err
	}
	for _, j := range waiting {
		if k := JobKind(j.Kind); k == RestoreJob || k == EncryptionJob {
			if err := s.close(ctx, j, outcome{state: Cancelled, err: errForgotten.Error(), hint: errForgotten.Hint(), as: schedule.Stopped}); err != nil {
				return err
			}
		}
	}
	return nil
}

// outcome says how a job ended.
type outcome struct {
	state           JobState
	text, err, hint string
	as              schedule.Outcome
	version         string
	again           bool // it is to begin again, if nobody but the service is concerned
}

// outcomeOf sorts the error of a job; cause is that of its context, which tells
// who ended it.
func outcomeOf(err, cause error) outcome {
	cancelled := func(as schedule.Outcome, text string) outcome { return outcome{state: Cancelled, as: as, text: text} }
	switch {
	case err == nil:
		return outcome{state: Done, as: schedule.Good}
	case errors.Is(cause, errStopped):
		out := cancelled(schedule.Stopped, "Keepsake was stopped. What has arrived is kept; it goes on from there.")
		out.again = true
		return out
	case errors.Is(cause, errMadeWay):
		return outcome{state: Cancelled, as: schedule.Stopped, again: true}
	case errors.Is(cause, errCancelled):
		return cancelled(schedule.Cancelled, "It was cancelled here. What has arrived is kept.")
	case errors.Is(err, &mobilebackup2.DeviceError{Code: mobilebackup2.CodeCancelled}), errors.As(err, new(*backup.CancelledError)):
		return cancelled(schedule.Cancelled, "It was cancelled on the phone. What has arrived is kept.")
	}
	out := outcome{state: FailedJob, as: schedule.Failed, err: err.Error(), hint: device.Hint(err)}
	switch {
	case refused(err):
		out.state, out.as, out.text = Refused, schedule.Refused, "The passcode was not entered."
	case broke(err):
		out.as = schedule.Broke
	}
	return out
}

// refused tells whether the owner did not enter the passcode, or said no.
func refused(err error) bool {
	return errors.Is(err, device.ErrLocked) || errors.Is(err, device.ErrRefused) || errors.Is(err, device.ErrTrustPending) ||
		errors.Is(err, &mobilebackup2.DeviceError{Code: mobilebackup2.CodeLocked})
}

// broke tells whether the phone or the place, or the way to it, was lost: it may go
// well the next time.
func broke(err error) bool {
	return errors.As(err, new(*mobilebackup2.LinkError)) || errors.Is(err, device.ErrNoDevice) || errors.Is(err, device.ErrClosed) ||
		errors.Is(err, errPlaceAway) || errors.Is(err, repository.ErrLocked) || errors.Is(err, repository.ErrLockLost) || isNet(err)
}

// isNet tells whether a connection failed.
func isNet(err error) bool {
	var failed net.Error
	return errors.As(err, &failed) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)
}

// finish writes down how the job ended, and starts what follows from it.
func (t *task) finish(err, cause error) {
	out := outcomeOf(err, cause)
	if out.state == Refused && t.r.kind == PairJob {
		out.text = "The phone was not told to trust this computer."
	}
	if out.state == Done {
		out.text, out.version = t.text, t.version
	}
	if out.err != "" {
		t.rep.Say(progress.Warn, out.err)
	}
	t.rep.end()
	ctx := context.WithoutCancel(t.ctx)
	if out.again && !lanes[t.r.kind].phone {
		t.backIntoQueue(ctx)
		return
	}
	t.written(ctx, "the end of a job", func() error { return t.close(ctx, t.job, out) })
	t.mu.Lock()
	delete(t.running, t.job.ID)
	t.mu.Unlock()
	if out.state == FailedJob && lanes[t.r.kind].stored {
		t.vault.tidy(true) // its disk may have been away: what is open there is worth nothing
	}
	t.count(func(c *Counts) {
		if c.Jobs[t.r.kind] == nil {
			c.Jobs[t.r.kind] = map[JobState]int64{}
		}
		c.Jobs[t.r.kind][out.state]++
	})
	if out.state == FailedJob {
		t.log.Warn("job failed", "job", t.job.ID, "kind", t.job.Kind, "phone", t.job.UDID, "err", err)
	}
	t.follow(ctx, out)
	t.tellJob(ctx, t.job.ID)
	if t.job.UDID != "" {
		t.tellPhone(t.job.UDID)
	}
	t.nudge()
}

// written writes something about the job into the catalog, and tries again until it
// is written: a job that seems to run for ever would keep its phone from all others.
func (t *task) written(ctx context.Context, what string, write func() error) {
	err := write()
	if err == nil || isMissing(err) {
		return
	}
	t.log.Error(what+" was not written down", "job", t.job.ID, "err", err)
	t.spawn(func(ctx context.Context) {
		for err != nil && !isMissing(err) {
			select {
			case <-ctx.Done(): // at the next start nothing runs
				return
			case <-t.o.After(t.o.Pace.Look):
			}
			err = write()
		}
		t.nudge()
	})
}

// backIntoQueue lets the job begin again later.
func (t *task) backIntoQueue(ctx context.Context) {
	t.written(ctx, "that a job goes back into the queue", func() error { return t.db.Requeue(ctx, t.job.ID) })
	t.mu.Lock()
	delete(t.running, t.job.ID)
	t.mu.Unlock()
	if err := t.readQueue(ctx); err != nil {
		t.log.Error("the queue was not read", "err", err)
	}
	t.tellJob(ctx, t.job.ID)
	t.nudge()
}

// close writes the end of a job.
func (s *Service) close(ctx context.Context, j catalog.Job, out outcome) error {
	b, err := json.Marshal(result{out.as})
	if err != nil {
		return err
	}
	if err := s.db.Finish(ctx, j.ID, catalog.End{State: string(out.state), Text: out.text, Error: out.err, Hint: out.hint, Version: out.version, Result: b}); err != nil {
		return fmt.Errorf("end job %d: %w", j.ID, err)
	}
	return errors.Join(s.readPast(ctx, j.UDID), s.readQueue(ctx))
}

// waiting are the jobs that wait, oldest first.
func (s *Service) waiting(ctx context.Context) ([]catalog.Job, error) {
	list, err := s.db.Jobs(ctx, catalog.JobFilter{State: string(Queued), Limit: maxQueued})
	if err != nil {
		return nil, fmt.Errorf("read the queue: %w", err)
	}
	slices.SortFunc(list, func(a, b catalog.Job) int { return int(a.ID - b.ID) })
	return list, nil
}

// shown is a job as people see it.
func (s *Service) shown(j catalog.Job, name string) Job {
	out := Job{ID: j.ID, Kind: JobKind(j.Kind), UDID: j.UDID, Name: name, Trigger: j.Trigger, State: JobState(j.State), Text: j.Text, Fraction: -1,
		Error: j.Error, Hint: j.Hint, Version: j.Version, Queued: j.Queued, Started: j.Started, Ended: j.Ended}
	if out.Kind == CopyJob {
		out.Target = j.Target
	}
	s.mu.Lock()
	r := s.running[j.ID]
	s.mu.Unlock()
	if r != nil && out.Ended.IsZero() {
		now := r.live.snapshot()
		now.Log = nil
		return now
	}
	return out
}

// tellJob tells watchers of a job.
func (s *Service) tellJob(ctx context.Context, id int64) {
	j, err := s.db.Job(ctx, id)
	if err != nil {
		s.log.Error("a job was not read", "job", id, "err", err)
		return
	}
	job := s.shown(j, s.nameOf(ctx, j.UDID))
	s.hub.tell(Event{Kind: "job", UDID: j.UDID, Job: &job})
}

// saveLog writes lines of a job's log.
func (s *Service) saveLog(id int64, lines []LogLine) {
	out := make([]catalog.LogLine, len(lines))
	for i, l := range lines {
		out[i] = catalog.LogLine{Time: l.Time, Kind: l.Kind, Text: l.Text}
	}
	if err := s.db.AppendLog(context.WithoutCancel(s.ctx), id, out); err != nil {
		s.log.Error("the log of a job was not written", "job", id, "err", err)
	}
}

// maxJobs bounds a page of jobs.
const maxJobs = 500

// Jobs are the newest before the job with ID before, of a phone or of all.
func (s *Service) Jobs(ctx context.Context, who Who, udid string, before int64, limit int) ([]Job, error) {
	if limit <= 0 || limit > maxJobs {
		limit = maxJobs
	}
	if udid != "" {
		if _, err := s.may(ctx, who, toSee, udid); err != nil {
			return nil, err
		}
	}
	names, seen, err := s.visible(ctx, who)
	if err != nil {
		return nil, err
	}
	list, err := s.db.Jobs(ctx, catalog.JobFilter{UDID: udid, UDIDs: seen, Before: before, Limit: limit})
	if err != nil {
		return nil, fmt.Errorf("read jobs: %w", err)
	}
	out := make([]Job, len(list))
	for i, j := range list {
		out[i] = s.shown(j, names[j.UDID])
	}
	return out, nil
}

// visible gives the names of phones, and the UDIDs of those whose jobs who may see;
// "" among them is the service itself.
func (s *Service) visible(ctx context.Context, who Who) (names map[string]string, seen []string, err error) {
	phones, err := s.db.Phones(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("read phones: %w", err)
	}
	names, seen = map[string]string{}, []string{}
	if who.Admin && who.Phones == nil {
		seen = append(seen, "")
	}
	for _, p := range phones {
		names[p.UDID] = nameOr(p)
		if allowed(who, toSee, rightsOf(p)) == nil {
			seen = append(seen, p.UDID)
		}
	}
	return names, seen, nil
}

// Job is a job with its log. Those who may not look into the phone get no lines
// that may name files.
func (s *Service) Job(ctx context.Context, who Who, id int64) (Job, error) {
	j, inside, err := s.job(ctx, who, toSee, id)
	if err != nil {
		return Job{}, err
	}
	out := s.shown(j, s.nameOf(ctx, j.UDID))
	lines, err := s.db.Log(ctx, id)
	if err != nil {
		return Job{}, fmt.Errorf("read log of job %d: %w", id, err)
	}
	for _, l := range lines {
		if inside || l.Kind == "phase" || l.Kind == string(progress.Action) {
			out.Log = append(out.Log, LogLine{Time: l.Time, Kind: l.Kind, Text: l.Text})
		}
	}
	return out, nil
}

// job finds a job that who may do d with; inside tells whether who may look into
// its phone.
func (s *Service) job(ctx context.Context, who Who, d deed, id int64) (j catalog.Job, inside bool, err error) {
	if j, err = s.db.Job(ctx, id); err != nil {
		return j, false, err
	}
	if j.UDID == "" {
		if !who.Admin || who.Phones != nil {
			return j, false, fs.ErrNotExist
		}
		if d != toSee {
			err = s.mayHere(who, toManage)
		}
		return j, true, err
	}
	p, err := s.may(ctx, who, d, j.UDID)
	return j, err == nil && allowed(who, toOpen, rightsOf(p)) == nil, err
}

// Cancel stops a job, or takes it out of the queue.
func (s *Service) Cancel(ctx context.Context, who Who, id int64) error {
	j, _, err := s.job(ctx, who, toStart, id)
	if err != nil {
		return err
	}
	s.turn.Lock()
	defer s.turn.Unlock()
	s.mu.Lock()
	r := s.running[id]
	if r == nil {
		delete(s.args, id)
	}
	s.mu.Unlock()
	if r != nil {
		r.live.stop(errCancelled)
		return nil
	}
	if j, err = s.db.Job(ctx, id); err != nil || JobState(j.State) != Queued {
		return err // it has ended
	}
	err = s.close(ctx, j, outcome{state: Cancelled, as: schedule.Cancelled, text: "It was taken out of the queue."})
	s.tellJob(ctx, id)
	return err
}

// past is what jobs and prompts have shown of a phone.
type past struct {
	last, media schedule.Attempt
	prompts     []schedule.Prompt
	failed      catalog.Job // the newest backup, if it failed
}

// maxPast is how many jobs of a phone are looked at for how many failed in a row.
const maxPast = 50

// promptsKept is how far prompts are looked back at.
const promptsKept = 92 * 24 * time.Hour

// readPast reads what the schedule wants to know of a phone's jobs.
func (s *Service) readPast(ctx context.Context, udid string) error {
	if udid == "" {
		return nil
	}
	jobs, err := s.db.Jobs(ctx, catalog.JobFilter{UDID: udid, Limit: maxPast})
	if err != nil {
		return fmt.Errorf("read jobs: %w", err)
	}
	prompts, err := s.db.Prompts(ctx, udid, s.o.Now().Add(-promptsKept))
	if err != nil {
		return fmt.Errorf("read prompts: %w", err)
	}
	var p past
	p.last, p.failed = attempts(jobs, BackupJob)
	p.media, _ = attempts(jobs, MediaJob)
	for _, x := range prompts {
		p.prompts = append(p.prompts, schedule.Prompt{At: x.At, Answer: schedule.Answer(x.Answer)})
	}
	s.mu.Lock()
	s.past[udid] = p
	s.mu.Unlock()
	return nil
}

// attempts sums up the ended jobs of a kind, newest first.
func attempts(jobs []catalog.Job, kind JobKind) (a schedule.Attempt, failed catalog.Job) {
	for _, j := range jobs {
		if JobKind(j.Kind) != kind || j.Ended.IsZero() {
			continue
		}
		out := outcomeIn(j)
		if a.At.IsZero() {
			at := j.Started
			if at.IsZero() {
				at = j.Ended // it never began
			}
			a = schedule.Attempt{At: at, Ended: j.Ended, Outcome: out, Error: j.Error, Hint: j.Hint}
			if JobState(j.State) == FailedJob {
				failed = j
			}
		}
		if out == schedule.Good {
			break
		}
		a.Failures++
	}
	return a, failed
}

func newCounts() Counts {
	return Counts{Jobs: map[JobKind]map[JobState]int64{}, Prompts: map[string]map[string]int64{}}
}

// count changes what is counted.
func (s *Service) count(fn func(*Counts)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fn(&s.counts)
}

// Counts are what has happened since the service runs.
func (s *Service) Counts(context.Context) (Counts, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := newCounts()
	for k, v := range s.counts.Jobs {
		out.Jobs[k] = maps.Clone(v)
	}
	for k, v := range s.counts.Prompts {
		out.Prompts[k] = maps.Clone(v)
	}
	out.Received, out.Added = s.counts.Received, s.counts.Added
	return out, nil
}
