package service

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/keepsake-backup/keepsake/backup"
	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/discovery"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/internal/spooldir"
	"github.com/keepsake-backup/keepsake/media"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/schedule"
	"github.com/keepsake-backup/keepsake/usbmux"
)

// phone opens the phone of the task.
func (t *task) phone(ctx context.Context, via discovery.Via) (*device.Device, error) {
	udid, err := usbmux.ParseUDID(t.job.UDID)
	if err != nil {
		return nil, err
	}
	d, err := t.o.Phones.Open(ctx, udid, via)
	if errors.Is(err, device.ErrNoDevice) && device.Hint(err) == "" {
		err = &HintError{err, "plug it in, or bring it into this network and unlock it once"}
	}
	return d, err
}

// backup backs the phone up.
func (t *task) backup(ctx context.Context) (err error) {
	d, err := t.phone(ctx, discovery.Any)
	if err != nil {
		return err
	}
	defer d.Close()
	r, release, err := t.repository(ctx, t.job.UDID, true)
	if err != nil {
		return err
	}
	defer release()
	opt, words, err := t.backupOptions(r, t.job.UDID)
	if err != nil {
		return err
	}
	opt.Full = asked(t.job).Full
	ended := t.watchPrompt(ctx)
	defer func() { ended(err) }()
	res, err := backup.ToRepository(ctx, d, r, opt, t.rep)
	if err != nil {
		return err
	}
	return t.backedUp(ctx, r, res, words)
}

// backupOptions say where an unfinished backup of a phone is kept, and where its
// password comes from.
func (s *Service) backupOptions(r *repository.Repository, udid string) (backup.RepositoryOptions, *words, error) {
	runs, err := s.station.Folder("runs")
	if err != nil {
		return backup.RepositoryOptions{}, nil, err
	}
	w := &words{s: s, repo: r, udid: udid}
	return backup.RepositoryOptions{State: runs, Spool: spooldir.Of(r), Passwords: w.get, Limits: s.o.Limits, Wait: s.o.Pace.Lock, Now: s.o.Now}, w, nil
}

// backedUp does what belongs to a new version.
func (t *task) backedUp(ctx context.Context, r *repository.Repository, res *backup.RepositoryResult, w *words) error {
	t.version = res.Snapshot.ID.String()
	t.text = fmt.Sprintf("%s received, %s stored.", progress.Size(res.Bytes), progress.Size(res.Added.DataAddedPacked))
	if n := len(res.Unread); n > 0 {
		t.text += fmt.Sprintf(" The phone could not read %s.", progress.Count(int64(n), "file", "files"))
	}
	t.count(func(c *Counts) { c.Received += res.Bytes; c.Added += res.Added.DataAddedPacked })
	spooldir.Tidy(r, res.UDID)
	w.learn(ctx, res, t.rep)
	if err := t.refresh(ctx, r, res.UDID); err != nil {
		t.rep.Say(progress.Warn, fmt.Sprintf("The backup is done, but the list of versions was not read: %v", err))
	}
	t.measure(ctx, r, res.UDID, t.rep)
	return nil
}

// watchPrompt notes when the phone asks its owner for the passcode, and what came
// of it; call what it returns with the error of the backup when that has ended.
func (t *task) watchPrompt(ctx context.Context) (end func(error)) {
	var at time.Time
	var id int64
	answered := false
	t.rep.mu.Lock()
	defer t.rep.mu.Unlock()
	t.rep.prompted = func() {
		at = t.o.Now()
		id = t.addPrompt(ctx, t.job.UDID, at)
		t.remind(t.job.UDID, t.rep.name)
	}
	t.rep.begun = func() {
		answered = true
		t.answerPrompt(ctx, id, t.job.UDID, schedule.Yes)
	}
	return func(err error) {
		// When the connection broke nobody knows what became of the prompt, or whether
		// there was one.
		if at.IsZero() || answered || !refused(err) {
			return
		}
		// The phone gives the same answer to a no and to silence; a no is quick.
		answer := schedule.Ignored
		if t.o.Now().Sub(at) < quickNo {
			answer = schedule.No
		}
		t.answerPrompt(ctx, id, t.job.UDID, answer)
	}
}

// quickNo is how soon after the prompt its end is taken for a no.
const quickNo = 50 * time.Second

// copyMedia copies what no backup carries.
func (t *task) copyMedia(ctx context.Context) error {
	d, err := t.phone(ctx, discovery.Any)
	if err != nil {
		return err
	}
	defer d.Close()
	r, release, err := t.repository(ctx, t.job.UDID, true)
	if err != nil {
		return err
	}
	defer release()
	res, err := media.Copy(ctx, d, r, media.Options{State: filepath.Join(t.station.Dir(), "media"), Wait: t.o.Pace.Lock, Now: t.o.Now, ProgramVersion: t.o.Program}, t.rep)
	if err != nil {
		return err
	}
	for _, p := range res.Problems {
		t.rep.Say(progress.Warn, p.String())
	}
	if !res.Snapshot.ID.IsNull() {
		t.version = res.Snapshot.ID.String()
	}
	t.text = fmt.Sprintf("%s, %s of them new.", progress.Count(res.Files, "file", "files"), progress.Count(res.New+res.Changed, "file", "files"))
	t.count(func(c *Counts) { c.Received += res.ReadBytes; c.Added += res.Added })
	return t.refresh(ctx, r, t.job.UDID)
}

// finishPending completes, without any phone, what phones have finished sending
// into a repository before the service ended.
func (s *Service) finishPending(ctx context.Context, r *repository.Repository, udid string) error {
	opt, w, err := s.backupOptions(r, udid)
	if err != nil {
		return err
	}
	done, err := backup.FinishPending(ctx, r, opt, silent{})
	for _, res := range done {
		spooldir.Tidy(r, res.UDID)
		w.learn(ctx, res, silent{})
		err = errors.Join(err, s.refresh(ctx, r, res.UDID))
	}
	return err
}

// silent is a reporter of work that nobody looks at.
type silent struct{}

func (silent) Phase(string, string)      {}
func (silent) Update(progress.Counters)  {}
func (silent) Say(progress.Kind, string) {}
func (silent) Close()                    {}
