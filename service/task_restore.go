package service

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/discovery"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/restore"
)

// restoreArgs are what a RestoreJob was asked for.
type restoreArgs struct {
	request  RestoreRequest
	password secret.BackupPassword
}

// options are what the phone is told; nil leaves it to its state.
func (r RestoreRequest) options(inSetup bool) restore.Options {
	var opt restore.Options
	if inSetup {
		return opt // what Finder sends; anything else brings the phone up as new, or without its apps
	}
	keep := !r.Settings
	opt.PreserveSettings, opt.SystemFiles, opt.RemoveItemsNotRestored = &keep, &r.System, &r.RemoveOthers
	return opt
}

// Preflight tells what a restore would do, and what stands in its way.
func (s *Service) Preflight(ctx context.Context, who Who, q RestoreRequest) (Preflight, error) {
	v, err := s.restorable(ctx, who, q)
	if err != nil {
		return Preflight{}, err
	}
	p := Preflight{Files: v.Files, Bytes: v.Size}
	d, err := s.open(ctx, q.UDID, discovery.Any)
	if err != nil {
		p.Findings = append(p.Findings, Finding{Blocks: true, Text: s.nameOf(ctx, q.UDID) + " cannot be reached.", Do: "Plug it in here."})
		return p, nil
	}
	defer d.Close()
	if c, err := meet(ctx, d, s.o.Now()); err == nil && !c.paired {
		return s.preflightUnpaired(p, c), nil
	}
	report, password, err := s.preflight(ctx, d, q)
	if report != nil {
		p.of(report)
	}
	p.NeedsPassword = v.Encrypted && password.IsZero()
	var blocked *restore.BlockedError
	switch {
	case err == nil:
	case errors.As(err, &blocked):
		if report == nil || !report.Blocked() {
			p.Findings = append(p.Findings, Finding{Blocks: true, Text: blocked.Error(), Do: device.Hint(err)})
		}
	default:
		return p, err
	}
	p.settle()
	return p, nil
}

// preflightUnpaired is about a phone that does not trust this computer: one in
// set-up does as soon as the restore begins.
func (s *Service) preflightUnpaired(p Preflight, c contact) Preflight {
	if !c.cable {
		p.Findings = append(p.Findings, Finding{Blocks: true, Text: "The phone does not trust this computer.", Do: "Plug it in here by cable."})
	} else {
		p.Findings = append(p.Findings, Finding{Text: "The phone does not trust this computer yet; it is paired first.", Do: "If the phone asks, tap Trust."})
	}
	p.settle()
	return p
}

func (p *Preflight) settle() {
	p.Ready = true
	for _, f := range p.Findings {
		p.Ready = p.Ready && !f.Blocks
	}
}

// of takes over what the pre-flight of package restore found.
func (p *Preflight) of(r *restore.Report) {
	p.Files, p.Bytes = r.Files, r.Bytes
	for _, f := range r.Findings {
		// The password is asked for beside the others; without it there is more to know.
		if f.Check == "password" && f.Level == restore.Blocker {
			continue
		}
		p.Findings = append(p.Findings, Finding{Blocks: f.Level == restore.Blocker, Text: f.Text, Do: f.Remedy})
	}
	for _, a := range r.Apps {
		name := a.Name
		if name == "" {
			name = a.BundleID
		}
		if a.ByHand {
			p.AppsByHand = append(p.AppsByHand, name)
		} else {
			p.AppsBack = append(p.AppsBack, name)
		}
	}
}

// preflight is the dry run of a restore, with the password if it is remembered.
func (s *Service) preflight(ctx context.Context, d *device.Device, q RestoreRequest) (report *restore.Report, password secret.BackupPassword, err error) {
	v, err := s.views.take(ctx, q.Source, q.Version)
	if err != nil {
		return nil, password, err
	}
	defer s.views.give(v)
	setup, err := d.SetupState(ctx)
	if err != nil {
		return nil, password, err
	}
	if v.phone.Meta().Encrypted {
		password, _, err = s.recall(ctx, v.session, v.info)
		if err != nil {
			s.log.Warn("a remembered backup password cannot be used", "phone", q.Source, "err", err)
		}
	}
	opt := q.options(setup == device.SetupNew || setup == device.InSetup)
	opt.DryRun, opt.Password, opt.Limits = true, password, s.o.Limits
	report, err = restore.FromSnapshot(ctx, d, v.phone, opt, silent{})
	return report, password, err
}

// restorable makes sure that who may restore so, and finds the version.
func (s *Service) restorable(ctx context.Context, who Who, q RestoreRequest) (Version, error) {
	if _, err := s.may(ctx, who, toOpen, q.Source); err != nil {
		return Version{}, err
	}
	if _, err := s.may(ctx, who, toWrite, q.UDID); err != nil {
		return Version{}, err
	}
	v, err := s.version(ctx, q.Source, q.Version)
	if err == nil && v.Media {
		err = fs.ErrNotExist
	}
	if err == nil && len(q.Domains) > 0 {
		err = hinted("restore everything, or download single files", "restore: parts of a backup cannot be chosen yet")
	}
	return v, err
}

// Restore puts a version onto a phone.
func (s *Service) Restore(ctx context.Context, who Who, q RestoreRequest, password secret.BackupPassword) (int64, error) {
	v, err := s.restorable(ctx, who, q)
	if err != nil {
		return 0, err
	}
	if err := s.ready(); err != nil {
		return 0, err
	}
	if err := s.reachable(ctx, q.UDID); err != nil {
		return 0, err
	}
	s.audit(ctx, who, "restore", q.UDID, fmt.Sprintf("version %s of %s", v.ID, q.Source))
	return s.enqueue(ctx, wish{kind: RestoreJob, udid: q.UDID, target: q.Source, version: q.Version, account: who.Account,
		trigger: who.Name + " restores the backup of " + v.Time.In(s.zone()).Format("2 January 2006, 15:04"), args: restoreArgs{q, password}})
}

func (t *task) restore(ctx context.Context) error {
	a, ok := t.args.(restoreArgs)
	if !ok {
		return errForgotten
	}
	d, err := t.phone(ctx, discovery.Any)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := t.trust(ctx, d); err != nil {
		return err
	}
	setup, err := d.SetupState(ctx)
	if err != nil {
		return err
	}
	v, err := t.views.take(ctx, a.request.Source, a.request.Version)
	if err != nil {
		return err
	}
	defer t.views.give(v)
	opt := a.request.options(setup == device.SetupNew || setup == device.InSetup)
	opt.Limits, opt.Password = t.o.Limits, a.password
	if opt.Password.IsZero() && v.phone.Meta().Encrypted {
		if opt.Password, _, err = t.recall(ctx, v.session, v.info); err != nil {
			t.rep.Say(progress.Warn, fmt.Sprintf("A remembered backup password cannot be used: %v", err))
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(v.session.Context(), func() { cancel(context.Cause(v.session.Context())) })()
	report, err := restore.FromSnapshot(ctx, d, v.phone, opt, t.rep)
	if err != nil {
		return err
	}
	byHand := 0
	for _, app := range report.Apps {
		if app.ByHand {
			byHand++
		}
	}
	t.text = fmt.Sprintf("%s restored. The phone restarts; its apps come back from the App Store when it has network.", progress.Count(report.Files, "file", "files"))
	if byHand > 0 {
		t.text += fmt.Sprintf(" %s must be installed by hand.", progress.Count(int64(byHand), "app", "apps"))
	}
	return nil
}

// errForgotten: what the job needs was known to the process only, which has ended.
var errForgotten = &HintError{errors.New("the service was restarted before it began"), "start it again"}

// trustTime is how long the owner has to tap Trust.
const trustTime = 5 * time.Minute

// trust makes sure that the phone trusts this computer.
func (t *task) trust(ctx context.Context, d *device.Device) error {
	ctx, cancel := context.WithTimeout(ctx, trustTime)
	defer cancel()
	err := d.Pair(ctx, device.PairOptions{Renew: true, HostName: t.o.HostName, Prompt: func(device.Prompt) {
		t.rep.Say(progress.Action, "Unlock the iPhone, tap Trust, and enter its code there.")
	}})
	if err != nil {
		return err
	}
	return t.met(ctx, d)
}
