package service

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/keepsake-backup/keepsake/catalog"
	"github.com/keepsake-backup/keepsake/schedule"
)

// upkeep is when the stored backups of a phone were looked after.
type upkeep struct {
	Rehearsed   time.Time `json:"rehearsed,omitzero"`
	RehearsedOK bool      `json:"rehearsed_ok,omitempty"`
	Checked     time.Time `json:"checked,omitzero"`
	CheckedOK   bool      `json:"checked_ok,omitempty"`
	Forgot      time.Time `json:"forgot,omitzero"`
	// Unpruned: versions were removed whose room was not freed yet.
	Unpruned bool `json:"unpruned,omitempty"`
	// Damage is how many damaged things the last check found.
	Damage int `json:"damage,omitempty"`
	// KnowsPassword: the backup password is remembered, and opened the newest version.
	KnowsPassword bool `json:"knows_password,omitempty"`
	// Reminded is when somebody was told that it is overdue; Ailing that the last
	// backup failed, and people were told.
	Reminded time.Time `json:"reminded,omitzero"`
	Ailing   bool      `json:"ailing,omitempty"`
	// Pinned are IDs of versions that stay.
	Pinned []string `json:"pinned,omitempty"`
}

// upkeepIn reads it from a phone of the catalog. One that cannot be read begins anew.
func upkeepIn(p catalog.Phone) (u upkeep) {
	if len(p.State) > 0 && json.Unmarshal(p.State, &u) != nil {
		return upkeep{}
	}
	return u
}

// upkeepOf is the upkeep of a phone.
func (s *Service) upkeepOf(udid string) upkeep {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.upkeeps[udid]
}

// noteUpkeep changes it. That it is not written is logged: the work is done.
func (s *Service) noteUpkeep(ctx context.Context, udid string, fn func(*upkeep)) {
	err := s.update(context.WithoutCancel(ctx), udid, func(p *catalog.Phone) error {
		u := upkeepIn(*p)
		fn(&u)
		b, err := json.Marshal(u)
		p.State = b
		return err
	})
	if err != nil {
		s.log.Error("what was done for a phone was not noted", "phone", udid, "err", err)
	}
}

const (
	// jobsKept is how long ended jobs stay in the list, maxJobsKept how many.
	jobsKept    = 400 * 24 * time.Hour
	maxJobsKept = 20_000
)

// trimmed is when old jobs were removed last; now they are again.
func (s *Service) trimmed() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := s.looked.trim
	if s.o.Now().Sub(last) >= 24*time.Hour {
		s.looked.trim = s.o.Now()
	}
	return last
}

// upkeepAll starts what is due for what is stored.
func (s *Service) upkeepAll(ctx context.Context, phones []catalog.Phone) error {
	now := s.o.Now()
	s.mu.Lock()
	due := now.Sub(s.looked.upkeep) >= s.o.Pace.Look
	if due {
		s.looked.upkeep = now
	}
	s.mu.Unlock()
	if !due || s.ready() != nil || s.placeTrouble() != nil {
		return nil
	}
	set, err := s.settings(ctx)
	if err != nil {
		return err
	}
	var errs []error
	if now.Sub(s.trimmed()) >= 24*time.Hour {
		errs = append(errs, s.db.TrimJobs(ctx, now.Add(-jobsKept), maxJobsKept))
	}
	for _, p := range phones {
		errs = append(errs, s.upkeepFor(ctx, p, set, now), s.remindOf(ctx, p))
	}
	return errors.Join(errs...)
}

func (s *Service) upkeepFor(ctx context.Context, p catalog.Phone, set Settings, now time.Time) error {
	s.mu.Lock()
	sum := s.sums[p.UDID]
	s.mu.Unlock()
	if sum.last.IsZero() {
		return nil
	}
	u := s.upkeepOf(p.UDID)
	state := schedule.Upkeep{Now: now, First: sum.first, Newest: sum.last}
	isDue := func(at time.Time) bool { return !at.IsZero() && !at.After(now) }
	start := func(w wish) error {
		w.udid = p.UDID
		_, err := s.enqueue(ctx, w)
		return err
	}
	var errs []error
	state.Last, state.OK = later(u.Rehearsed, sum.rehearsal), u.RehearsedOK
	if sum.rehearsal.After(u.Rehearsed) {
		state.OK = sum.rehearsalOK
	}
	first := state.Last.IsZero()
	// A sealed version without its password proves nothing.
	if isDue(schedule.RehearseDue(state)) && (set.RehearseMonthly || first) && !(sum.newestSealed && !u.KnowsPassword) {
		trigger := "monthly rehearsal"
		if first {
			trigger = "rehearsal of the first backup"
		}
		errs = append(errs, start(wish{kind: RehearseJob, version: sum.newest, trigger: trigger}))
	}
	state.Last, state.OK = u.Checked, u.CheckedOK
	if set.CheckWeekly > 0 && isDue(schedule.CheckDue(state)) {
		errs = append(errs, start(wish{kind: CheckJob, trigger: "weekly check"}))
	}
	if keep := retentionOf(p); (!keep.IsZero() || u.Unpruned) && now.Sub(u.Forgot) >= 24*time.Hour && sum.count > 1 {
		errs = append(errs, start(wish{kind: ForgetJob, trigger: "as many versions are kept as the settings say"}))
	}
	return errors.Join(errs...)
}

// follow starts what follows from a job that has ended.
func (t *task) follow(ctx context.Context, out outcome) {
	done := out.state == Done
	udid := t.job.UDID
	switch t.r.kind {
	case BackupJob:
		t.afterBackup(ctx, out)
	case RehearseJob:
		if done || out.state == FailedJob {
			t.noteUpkeep(ctx, udid, func(u *upkeep) { u.Rehearsed, u.RehearsedOK = t.o.Now(), done })
		}
	case CheckJob:
		if done || out.state == FailedJob {
			t.noteUpkeep(ctx, udid, func(u *upkeep) { u.Checked, u.CheckedOK = t.o.Now(), done })
		}
	case ForgetJob:
		if out.state == FailedJob {
			t.noteUpkeep(ctx, udid, func(u *upkeep) { u.Forgot = t.o.Now() })
		}
	}
	if !done && out.state == FailedJob && t.r.kind != BackupJob {
		t.tellFailed(ctx, out)
	}
	if done && (t.r.kind == BackupJob || t.r.kind == MediaJob || t.r.kind == RehearseJob) {
		t.lookForTargetsSoon()
	}
}

// afterBackup does what the settings want after a backup.
func (t *task) afterBackup(ctx context.Context, out outcome) {
	udid := t.job.UDID
	u := t.upkeepOf(udid)
	if out.state == Done {
		if u.Ailing {
			t.tellWell(ctx)
		}
		t.noteUpkeep(ctx, udid, func(u *upkeep) { u.Ailing, u.Reminded = false, time.Time{} })
		t.handOverLater(ctx)
		t.ping(ctx)
	} else if out.state == FailedJob && out.as == schedule.Failed {
		t.tellFailed(ctx, out)
		t.noteUpkeep(ctx, udid, func(u *upkeep) { u.Ailing = true })
		t.pingFailed(ctx, out)
	}
	t.runAfter(ctx, out)
}

// handOverLater starts the hand-over of new photos, for phones whose photos the
// admin, who chose the folder, may see.
func (t *task) handOverLater(ctx context.Context) {
	set, err := t.settings(ctx)
	if err != nil || set.HandOver == "" || t.version == "" {
		return
	}
	p, err := t.db.Phone(ctx, t.job.UDID)
	if err == nil && t.photosAreShared(ctx, p) {
		_, err = t.enqueue(ctx, wish{kind: HandOverJob, udid: t.job.UDID, version: t.version, trigger: "after the backup"})
	}
	if err != nil {
		t.log.Error("new photos are not handed over", "phone", t.job.UDID, "err", err)
	}
}

// photosAreShared tells whether the photos of a phone may go into the folder that
// an admin chose: the phone is an admin's own, or its owner lets admins in.
func (s *Service) photosAreShared(ctx context.Context, p catalog.Phone) bool {
	if p.Granted {
		return true
	}
	a, err := s.db.Account(ctx, p.Owner)
	return err == nil && a.Admin
}

// checkPart is how much of the stored data a check reads, in percent: a week's
// share, or a tenth if somebody asks for a check where none is made by itself.
func (t *task) checkPart(ctx context.Context) int {
	set, err := t.settings(ctx)
	if err != nil || set.CheckWeekly <= 0 {
		return 10
	}
	return min(set.CheckWeekly, 100)
}

// closeViews closes the versions of a phone that nobody looks at now, so that the
// repository can be worked in alone; busy are those still looked at.
func (s *Service) closeViews(udid string) (busy int) {
	shared := s.repositoryKey(udid) == ""
	return s.views.tidy(func(k viewKey, _ time.Time) bool { return shared || k.udid == udid })
}
