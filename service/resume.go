package service

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/keepsake-backup/keepsake/schedule"
	"github.com/keepsake-backup/keepsake/usbmux"
)

// pulseKey is the setting that tells when the service looked last, and when it did
// not in the days before.
const pulseKey = "pulse"

// offKept is how far the schedule looks back.
const offKept = 48 * time.Hour

type pulse struct {
	Last time.Time       `json:"last,omitzero"`
	Off  []schedule.Span `json:"off,omitempty"`
}

// beat notes that the service looks, and when it did not.
func (s *Service) beat(ctx context.Context, now time.Time) error {
	s.mu.Lock()
	p := s.pulse
	if now.Sub(p.Last) < s.o.Pace.Look/2 && !now.Before(p.Last) {
		s.mu.Unlock()
		return nil
	}
	if !p.Last.IsZero() && now.Sub(p.Last) > s.o.Pace.Look+slept {
		p.Off = append(slices.Clone(p.Off), schedule.Span{Start: p.Last, End: now})
	}
	p.Last = now
	p.Off = slices.DeleteFunc(slices.Clone(p.Off), func(off schedule.Span) bool { return now.Sub(off.End) > offKept })
	s.pulse = p
	s.mu.Unlock()
	return s.db.Set(ctx, pulseKey, p)
}

// resume goes on with what the service left when it ended: backups that phones had
// finished sending are completed before these phones are asked for anything.
func (s *Service) resume() {
	if s.ready() != nil {
		return
	}
	held := s.holdUnfinished()
	if !s.spawn(func(ctx context.Context) {
		_, unreachable := s.reach(ctx) // the reason is told when the loop looks
		for udid, id := range held {
			if unreachable != nil {
				s.letGo(id)
				continue
			}
			if err := s.stockOf(ctx, s.repositoryKey(udid)); err != nil && ctx.Err() == nil {
				s.log.Warn("an unfinished backup was not looked at", "phone", udid, "err", err)
			}
			s.letGo(id)
			s.nudge()
		}
		s.takeStock(ctx)
	}) {
		for _, id := range held {
			s.letGo(id)
		}
	}
}

// holdUnfinished keeps the phones that have unfinished backups here from being
// backed up meanwhile.
func (s *Service) holdUnfinished() (held map[string]int64) {
	held = map[string]int64{}
	found, err := filepath.Glob(filepath.Join(s.station.Dir(), "runs", "*", "*"))
	if err != nil {
		return held // the pattern is right
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, dir := range found {
		udid := filepath.Base(dir)
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			continue
		}
		if _, err := usbmux.ParseUDID(udid); err != nil {
			continue
		}
		id := -int64(i) - 1
		job := Job{Kind: BackupJob, UDID: udid, State: Running, Text: "Completing what the phone had sent", Fraction: -1}
		s.running[id] = &running{id: id, kind: BackupJob, udid: udid, repo: udid, live: newLive(job, "", s.o.Now, func(Job) {}, func([]LogLine) {})}
		held[udid] = id
	}
	return held
}

func (s *Service) letGo(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.running, id)
}

// readQueue notes which phones have a job that waits.
func (s *Service) readQueue(ctx context.Context) error {
	waiting, err := s.waiting(ctx)
	if err != nil {
		return err
	}
	queue := map[string]Job{}
	for _, j := range waiting {
		old, there := queue[j.UDID]
		if j.UDID == "" || there && (lanes[old.Kind].phone || !lanes[JobKind(j.Kind)].phone) {
			continue
		}
		queue[j.UDID] = s.shown(j, s.nameOf(ctx, j.UDID))
	}
	s.mu.Lock()
	s.queue = queue
	s.mu.Unlock()
	return nil
}
