package service

import (
	"errors"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/catalog"
	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/mobilebackup2"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/schedule"
)

// TestFits holds what may run beside what.
func TestFits(t *testing.T) {
	job := func(id int64, kind JobKind, udid, target string) catalog.Job {
		return catalog.Job{ID: id, Kind: string(kind), UDID: udid, Target: target}
	}
	runs := func(id int64, kind JobKind, udid string) *running {
		return &running{id: id, kind: kind, udid: udid, repo: udid, live: newLive(Job{}, "", time.Now, func(Job) {}, func([]LogLine) {})}
	}
	for _, c := range []struct {
		name    string
		running []*running
		job     catalog.Job
		waiting []catalog.Job
		shared  bool
		want    fit
	}{
		{"nothing runs", nil, job(9, BackupJob, "A", ""), nil, false, fitsNow},
		{"its phone is busy", []*running{runs(1, MediaJob, "A")}, job(9, BackupJob, "A", ""), nil, false, fitsLater},
		{"another phone is busy", []*running{runs(1, BackupJob, "B")}, job(9, BackupJob, "A", ""), nil, false, fitsNow},
		{"two phones are", []*running{runs(1, BackupJob, "B"), runs(2, BackupJob, "C")}, job(9, BackupJob, "A", ""), nil, false, fitsLater},
		{"pairing needs no turn", []*running{runs(1, BackupJob, "B"), runs(2, BackupJob, "C")}, job(9, PairJob, "A", ""), nil, false, fitsNow},
		{"upkeep beside a backup", []*running{runs(1, BackupJob, "A")}, job(9, RehearseJob, "A", ""), nil, false, fitsNow},
		{"one rehearsal at a time", []*running{runs(1, RehearseJob, "B")}, job(9, RehearseJob, "A", ""), nil, false, fitsLater},
		{"two of upkeep at a time", []*running{runs(1, RehearseJob, "B"), runs(2, CheckJob, "B")}, job(9, CopyJob, "", "usb"), nil, false, fitsLater},
		{"removal beside a backup", []*running{runs(1, BackupJob, "A")}, job(9, ForgetJob, "A", ""), nil, false, fitsLater},
		{"removal beside another's backup", []*running{runs(1, BackupJob, "B")}, job(9, ForgetJob, "A", ""), nil, false, fitsNow},
		{"the same in one repository", []*running{runs(1, BackupJob, "B")}, job(9, ForgetJob, "A", ""), nil, true, fitsLater},
		{"a backup wants the repository", nil, job(9, ForgetJob, "A", ""), []catalog.Job{job(10, BackupJob, "A", "")}, false, fitsLater},
		{"removal makes way", []*running{runs(1, ForgetJob, "A")}, job(9, BackupJob, "A", ""), nil, false, fitsAlone},
		{"and for a restore from there", []*running{runs(1, ForgetJob, "A")}, job(9, RestoreJob, "B", "A"), nil, false, fitsAlone},
		{"a rehearsal waits for a removal", []*running{runs(1, ForgetJob, "A")}, job(9, RehearseJob, "A", ""), nil, false, fitsLater},
		{"a removal waits for a copy", []*running{runs(1, CopyJob, "")}, job(9, ForgetJob, "A", ""), nil, false, fitsLater},
	} {
		s := &Service{running: map[int64]*running{}, shared: c.shared}
		for _, r := range c.running {
			if c.shared {
				r.repo = ""
			}
			s.running[r.id] = r
		}
		if got := s.fits(c.job, append(c.waiting, c.job), 2); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
		if c.want == fitsAlone {
			s.makeWay(c.job)
			if r := c.running[0]; !errors.Is(r.live.why, errMadeWay) {
				t.Errorf("%s: %v", c.name, r.live.why)
			}
		}
	}
}

func TestOutcomeOf(t *testing.T) {
	phone := func(code mobilebackup2.Code) error { return &mobilebackup2.DeviceError{Code: code, Text: "no"} }
	for _, c := range []struct {
		name       string
		err, cause error
		state      JobState
		as         schedule.Outcome
		again      bool
	}{
		{"well", nil, nil, Done, schedule.Good, false},
		{"stopped", errors.New("x"), errStopped, Cancelled, schedule.Stopped, true},
		{"made way", errors.New("x"), errMadeWay, Cancelled, schedule.Stopped, true},
		{"cancelled here", errors.New("x"), errCancelled, Cancelled, schedule.Cancelled, false},
		{"cancelled on the phone", phone(mobilebackup2.CodeCancelled), nil, Cancelled, schedule.Cancelled, false},
		{"no passcode", phone(mobilebackup2.CodeLocked), nil, Refused, schedule.Refused, false},
		{"locked", device.ErrLocked, nil, Refused, schedule.Refused, false},
		{"unplugged", &mobilebackup2.LinkError{}, nil, FailedJob, schedule.Broke, false},
		{"gone", device.ErrNoDevice, nil, FailedJob, schedule.Broke, false},
		{"somebody else works there", repository.ErrLocked, nil, FailedJob, schedule.Broke, false},
		{"no disk", errPlaceAway, nil, FailedJob, schedule.Broke, false},
		{"no room", phone(mobilebackup2.CodeNoSpaceOnHost), nil, FailedJob, schedule.Failed, false},
	} {
		got := outcomeOf(c.err, c.cause)
		if got.state != c.state || got.as != c.as || got.again != c.again {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

func TestMeter(t *testing.T) {
	var m meter
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	m.take(at, 0, 0)
	var rate float64
	var left time.Duration
	for i := int64(1); i <= 20; i++ {
		rate, left = m.take(at.Add(time.Duration(i)*time.Second), i*1000, float64(i)/100)
	}
	if rate < 990 || rate > 1010 || left < 79*time.Second || left > 81*time.Second {
		t.Errorf("%f, %v", rate, left)
	}
}
