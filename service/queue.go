package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"reflect"

	"github.com/keepsake-backup/keepsake/catalog"
)

const (
	// maxQueued bounds how many jobs may wait.
	maxQueued = 2000
	// maxUpkeep is how many jobs that no phone waits for run at a time.
	maxUpkeep = 2
	// defaultParallel is how many phones are worked on at a time.
	defaultParallel = 2
)

// lane says what a kind of job needs.
type lane struct {
	phone    bool // the phone: one job at a time has it
	transfer bool // counts towards the phones at once
	stored   bool // reads or writes a repository
	alone    bool // nobody else may use that repository
}

var lanes = map[JobKind]lane{
	BackupJob:     {phone: true, transfer: true, stored: true},
	MediaJob:      {phone: true, transfer: true, stored: true},
	RestoreJob:    {phone: true, transfer: true, stored: true},
	PairJob:       {phone: true},
	EncryptionJob: {phone: true},
	RehearseJob:   {stored: true},
	CheckJob:      {stored: true},
	CopyJob:       {stored: true},
	HandOverJob:   {stored: true},
	ForgetJob:     {stored: true, alone: true},
}

// running is a job that runs.
type running struct {
	id   int64
	kind JobKind
	udid string
	repo string // key of its repository
	live *live
	args any // as in wish
}

// wish is a job that somebody, or the service itself, wants.
type wish struct {
	kind    JobKind
	udid    string
	target  string
	trigger string
	account int64
	version string
	full    bool // of a BackupJob
	args    any  // what only this process knows: passwords, and what was chosen with them
}

// request is what of a wish is kept in the catalog beside its kind and its phone.
type request struct {
	Version string `json:"version,omitempty"`
	Full    bool   `json:"full,omitempty"`
}

func (w wish) request() json.RawMessage {
	if w.version == "" && !w.full {
		return nil
	}
	b, err := json.Marshal(request{w.version, w.full})
	if err != nil {
		panic("service: " + err.Error()) // two plain values
	}
	return b
}

// asked is what a job was asked for.
func asked(j catalog.Job) (r request) {
	if len(j.Request) > 0 && json.Unmarshal(j.Request, &r) != nil {
		return request{}
	}
	return r
}

// enqueue adds a job, or finds the one of its kind that waits or runs already.
func (s *Service) enqueue(ctx context.Context, w wish) (int64, error) {
	waiting, err := s.waiting(ctx)
	if err != nil {
		return 0, err
	}
	if len(waiting) >= maxQueued {
		return 0, hinted("wait until some are done, or cancel some", "start %s: %d jobs are waiting", w.kind, len(waiting))
	}
	id, existing, err := s.enqueued(ctx, w)
	if err != nil {
		return 0, fmt.Errorf("start %s: %w", w.kind, err)
	}
	if !existing {
		if err := s.readQueue(ctx); err != nil {
			return id, err
		}
		s.tellJob(ctx, id)
	}
	s.nudge()
	return id, nil
}

// enqueued adds a job with what only this process knows of it. One that is open
// already is the answer, unless it is about something else: who asks for another
// version or password must not take that job for theirs.
func (s *Service) enqueued(ctx context.Context, w wish) (id int64, existing bool, err error) {
	s.turn.Lock()
	defer s.turn.Unlock()
	id, existing, err = s.db.Enqueue(ctx, catalog.Job{Kind: string(w.kind), UDID: w.udid, Target: w.target, Trigger: w.trigger, Account: w.account, Request: w.request()})
	if err != nil || w.args == nil {
		return id, existing, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !existing {
		s.args[id] = w.args
		return id, false, nil
	}
	open := s.args[id]
	if r := s.running[id]; r != nil {
		open = r.args
	}
	if !reflect.DeepEqual(open, w.args) {
		return 0, false, hinted("wait until it has ended, or cancel it", "something else was asked for already and has not ended")
	}
	return id, true, nil
}

// dispatch starts what may run now, the oldest first.
func (s *Service) dispatch(ctx context.Context) error {
	waiting, err := s.waiting(ctx)
	if err != nil {
		return err
	}
	parallel := s.parallel(ctx)
	for _, j := range waiting {
		switch s.fits(j, waiting, parallel) {
		case fitsNow:
			if err := s.start(ctx, j); err != nil && !errors.Is(err, fs.ErrNotExist) { // cancelled just now
				return err
			}
		case fitsAlone:
			s.makeWay(j)
		}
	}
	return nil
}

type fit int

const (
	fitsLater fit = iota
	fitsNow
	// fitsAlone: it could run if maintenance made way.
	fitsAlone
)

// fits tells whether a waiting job may run beside those that run.
func (s *Service) fits(j catalog.Job, waiting []catalog.Job, parallel int) fit {
	l := lanes[JobKind(j.Kind)]
	repo := s.repositoryKey(s.storedAt(j))
	s.mu.Lock()
	defer s.mu.Unlock()
	transfers, upkeep, blocked := 0, 0, false
	for _, r := range s.running {
		other := lanes[r.kind]
		switch {
		case r.id == j.ID:
			return fitsLater
		case l.phone && other.phone && r.udid == j.UDID:
			return fitsLater
		case !l.phone && !other.phone && r.kind == JobKind(j.Kind):
			return fitsLater // one of a kind
		}
		if other.transfer {
			transfers++
		}
		if !other.phone {
			upkeep++
		}
		if l.stored && other.stored && s.sameStore(repo, j, r) && (l.alone || other.alone) {
			blocked = true
		}
	}
	switch {
	case l.transfer && transfers >= parallel, !l.phone && upkeep >= maxUpkeep:
		return fitsLater
	case blocked && l.alone:
		return fitsLater
	case blocked && l.transfer:
		return fitsAlone
	case blocked:
		return fitsLater
	}
	if l.alone && s.wanted(repo, waiting) {
		return fitsLater
	}
	return fitsNow
}

// sameStore tells whether two jobs use one repository; a copy uses all.
func (s *Service) sameStore(repo string, j catalog.Job, r *running) bool {
	return repo == r.repo || JobKind(j.Kind) == CopyJob || r.kind == CopyJob
}

// wanted tells whether a phone waits to be backed up into a repository; the
// caller holds the lock.
func (s *Service) wanted(repo string, waiting []catalog.Job) bool {
	for _, j := range waiting {
		if lanes[JobKind(j.Kind)].transfer && (s.shared || s.storedAt(j) == repo) {
			return true
		}
	}
	return false
}

// storedAt is the phone whose repository a job uses.
func (s *Service) storedAt(j catalog.Job) string {
	if JobKind(j.Kind) == RestoreJob && j.Target != "" {
		return j.Target
	}
	return j.UDID
}

// makeWay stops maintenance that keeps a phone waiting.
func (s *Service) makeWay(j catalog.Job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.running {
		if lanes[r.kind].alone && (s.shared || r.udid == s.storedAt(j)) {
			r.live.stop(errMadeWay)
		}
	}
}

// start lets a job run.
func (s *Service) start(ctx context.Context, j catalog.Job) error {
	name := s.nameOf(ctx, j.UDID)
	job := s.shown(j, name)
	job.State, job.Started = Running, s.o.Now()
	r := &running{id: j.ID, kind: job.Kind, udid: j.UDID, repo: s.repositoryKey(s.storedAt(j))}
	r.live = newLive(job, name, s.o.Now, func(job Job) { s.hub.tell(Event{Kind: "job", UDID: job.UDID, Job: &job}) }, func(lines []LogLine) { s.saveLog(j.ID, lines) })
	jobCtx, cancel := context.WithCancelCause(s.ctx)
	r.live.cancel = cancel
	if err := s.begin(ctx, r); err != nil {
		cancel(nil)
		return fmt.Errorf("start job %d: %w", j.ID, err)
	}
	if err := s.readQueue(ctx); err != nil {
		s.log.Error("the queue was not read", "err", err)
	}
	ok := s.spawn(func(context.Context) {
		defer cancel(nil)
		t := &task{Service: s, r: r, job: j, rep: r.live, args: r.args}
		err := t.run(jobCtx)
		t.finish(err, context.Cause(jobCtx))
	})
	if !ok {
		cancel(errStopped)
		s.mu.Lock()
		delete(s.running, j.ID)
		s.mu.Unlock()
	}
	return nil
}

// begin takes a job out of the queue, here and in the catalog.
func (s *Service) begin(ctx context.Context, r *running) error {
	s.turn.Lock()
	defer s.turn.Unlock()
	if err := s.db.Start(ctx, r.id); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r.args = s.args[r.id]
	delete(s.args, r.id)
	s.running[r.id] = r
	return nil
}

// run does the work of a job.
func (t *task) run(ctx context.Context) error {
	switch t.r.kind {
	case BackupJob:
		return t.backup(ctx)
	case MediaJob:
		return t.copyMedia(ctx)
	case RestoreJob:
		return t.restore(ctx)
	case PairJob:
		return t.pair(ctx)
	case EncryptionJob:
		return t.setEncryption(ctx)
	case RehearseJob:
		return t.rehearse(ctx)
	case CheckJob:
		return t.check(ctx)
	case ForgetJob:
		return t.forget(ctx)
	case CopyJob:
		return t.copyTo(ctx)
	case HandOverJob:
		return t.handOver(ctx)
	}
	return fmt.Errorf("start job: there is no kind %q", t.r.kind)
}

// task is the work of one job.
type task struct {
	*Service
	r    *running
	job  catalog.Job
	rep  *live
	args any

	text    string // how it ended, when it did well
	version string // that it made
}
