package cli

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/keepsake-backup/keepsake/internal/place"
	"github.com/keepsake-backup/keepsake/internal/spooldir"

	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/backup"
	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/internal/station"
	"github.com/keepsake-backup/keepsake/media"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend/location"
)

// backupRun is one run of "keepsake backup" into a place.
type backupRun struct {
	*app
	f       backupFlags
	home    *place.Home
	station *station.Station
	runs    string // the folder of unfinished runs
	limit   int64  // of the spool

	asking sync.Mutex // one question at a time
}

// backup does what is to be finished, and then backs up.
func (a *app) backup(cmd *cobra.Command, f backupFlags) (err error) {
	ctx := cmd.Context()
	run := &backupRun{app: a, f: f}
	if f.spoolLimit != "" {
		if run.limit, err = parseSize(f.spoolLimit); err != nil {
			return err
		}
	}
	if run.station, err = a.station(); err != nil {
		return err
	}
	if run.runs, err = run.station.Folder("runs"); err != nil {
		return err
	}
	if f.finish {
		return run.finishAll(cmd)
	}
	if run.home, err = a.openHome(ctx, a.repo.where(a), &a.repo); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, run.home.Close()) }()
	if f.all {
		return run.all(ctx)
	}
	var done *done
	err = a.work(func(say progress.Reporter) error {
		d, err := a.open(ctx, say, f.wait || a.atTerminal())
		if err != nil {
			return err
		}
		defer d.Close()
		prepared, err := run.prepare(ctx, d, say)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, run.home.Release(prepared.repo)) }()
		done, err = run.one(ctx, prepared, say)
		return err
	})
	return errors.Join(a.showDone(done), err)
}

// atTerminal tells whether there is somebody to wait for and to ask.
func (a *app) atTerminal() bool {
	_, isTerminal := terminal(a.Stdin)
	return isTerminal && !a.json
}

// all backs up every phone at once: most of the time goes by waiting for a phone
// or its owner. One that fails does not stop the others. What is asked is asked
// before, of one phone after the other.
func (run *backupRun) all(ctx context.Context) error {
	phones, err := run.discover(ctx)
	if err != nil {
		return err
	}
	results, errs := make([]*done, len(phones)), make([]error, len(phones))
	all := make([]*prepared, len(phones))
	err = run.work(func(say progress.Reporter) error {
		for i, d := range phones {
			defer d.Close()
			all[i], errs[i] = run.prepare(ctx, d, say)
			if all[i] != nil {
				defer run.home.Release(all[i].repo)
			}
		}
		group := progress.NewGroup(say, "Backing up", len(phones))
		var running sync.WaitGroup
		for i, p := range all {
			if errs[i] != nil {
				continue
			}
			running.Go(func() {
				member := group.Member(p.name, p.phone.UDID().String())
				defer member.Close()
				results[i], errs[i] = run.one(ctx, p, member)
			})
		}
		running.Wait()
		return nil
	})
	if err != nil {
		return err
	}
	return run.tellAll(ctx, phones, errs, func(i int) error { return run.showDone(results[i]) })
}

// prepared is a phone that can be backed up: it trusts us, its repository is
// open, and what had to be asked was asked.
type prepared struct {
	phone *device.Device
	name  string
	repo  *repository.Repository
	made  bool // the repository, just now
	last  lastVersion
	words *backupWords
}

// prepare gets so far, and says what to expect.
func (run *backupRun) prepare(ctx context.Context, d *device.Device, say progress.Reporter) (p *prepared, err error) {
	if err := trust(ctx, d, say); err != nil {
		return nil, err
	}
	p = &prepared{phone: d, name: nameOf(ctx, d)}
	if p.repo, p.made, err = run.home.Of(ctx, d.UDID(), say); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, run.home.Release(p.repo))
			p = nil
		}
	}()
	if p.made {
		say.Phase("", "")
		run.showNew(run.home.At(), p.repo)
	}
	if p.last, err = lastVersionOf(ctx, p.repo, d.UDID().String()); err != nil {
		return p, err
	}
	p.words = &backupWords{run: run, repo: p.repo, udid: d.UDID().String(), name: p.name, last: p.last}
	encrypts, err := run.encryption(ctx, p, say)
	if err != nil {
		return p, err
	}
	run.predict(ctx, p, encrypts, say)
	return p, nil
}

// encryption says whether the phone encrypts its backups; at its first backup
// the choice is explained and offered. The password of an encrypted one is asked
// now, when somebody is there: it is needed at the end.
func (run *backupRun) encryption(ctx context.Context, p *prepared, say progress.Reporter) (encrypts bool, err error) {
	state, err := p.phone.BackupState(ctx)
	if err != nil {
		return false, nil // the backup will say what is wrong with the phone
	}
	first := !p.last.known
	switch {
	case state.WillEncrypt && (first || p.last.meta.Sealed):
		return true, p.words.early(ctx, say)
	case state.WillEncrypt:
		say.Say(progress.Notice, fmt.Sprintf("%s encrypts this backup.", p.name))
		return true, nil
	case first && run.atTerminal():
		return run.offerEncryption(ctx, p, say)
	}
	say.Say(progress.Notice, fmt.Sprintf("%s does not encrypt this backup: it will lack %s. To change that: keepsake encryption on", p.name, onlyEncrypted))
	return false, nil
}

const encryptionOffer = `%s does not encrypt its backups. What is stored here is encrypted in any case; but the phone keeps back from such a backup what it thinks too precious: %s.
With a backup password it hands those out, too. The password counts for backups on every computer, the phone keeps it, and nobody can recover it: write it down as well.
Set a backup password now? [Y/n]`

func (run *backupRun) offerEncryption(ctx context.Context, p *prepared, say progress.Reporter) (bool, error) {
	say.Phase("", "")
	run.asking.Lock()
	defer run.asking.Unlock()
	fmt.Fprint(run.Stderr, progress.Wrap(fmt.Sprintf(encryptionOffer, p.name, onlyEncrypted), helpColumns), " ")
	answer, err := readLine(ctx, run.app)
	if err != nil {
		return false, err
	}
	if !yes(answer, true) {
		return false, nil
	}
	password, err := newPassword().choose(ctx, run.app)
	if err != nil {
		return false, err
	}
	p.words.typed = password
	return true, backup.SetEncryption(ctx, p.phone, secret.BackupPassword{}, password, say)
}

// one backs up one phone.
func (run *backupRun) one(ctx context.Context, p *prepared, say progress.Reporter) (result *done, err error) {
	opt, err := run.options(p.repo, p.words)
	if err != nil {
		return nil, err
	}
	opt.Full = run.f.full
	res, err := backup.ToRepository(ctx, p.phone, p.repo, opt, say)
	if err != nil {
		return nil, err
	}
	run.tidy(p.repo, res.UDID)
	if !res.Sealed {
		if err := p.words.remember(ctx, res.Snapshot); err != nil {
			say.Say(progress.Warn, err.Error())
		}
	}
	result = &done{run: run, res: res, repo: p.repo, home: run.home.At(), first: !p.last.known, wrong: p.words.wrong(ctx, res)}
	if !run.f.noMedia {
		result.media = run.copyMediaOf(ctx, p, say)
	}
	return result, nil
}

// copyMediaOf copies what no backup carries, if there is any. Whatever happens, the
// backup is done: it is told and no more.
func (run *backupRun) copyMediaOf(ctx context.Context, p *prepared, say progress.Reporter) *mediaSummary {
	took := stopwatch()
	m := &mediaSummary{MessageType: "summary", Command: "media", UDID: p.phone.UDID().String(), Name: p.name}
	there, err := media.Available(ctx, p.phone)
	if err == nil && !there.Synced {
		return nil
	}
	var res *media.Result
	if err == nil {
		var opt media.Options
		if opt, err = (mediaFlags{}).options(run.app); err == nil {
			res, err = media.Copy(ctx, p.phone, p.repo, opt, say)
		}
	}
	if err != nil {
		say.Say(progress.Warn, fmt.Sprintf("The backup is done, but music and other media were not copied: %v. \"keepsake media\" tries again.", err))
		return nil
	}
	m.result(res)
	m.Seconds = took()
	return m
}

// options are where an unfinished run is kept. What waits to be stored waits on
// the disk of the repository, if that is one of this computer: there is the room
// that it is going to need.
func (run *backupRun) options(r *repository.Repository, words *backupWords) (backup.RepositoryOptions, error) {
	opt := backup.RepositoryOptions{State: run.runs, Spool: run.f.spool, SpoolLimit: run.limit, Passwords: words.get, Limits: run.Limits, Wait: run.repo.retryLock}
	if opt.Spool != "" {
		return opt, place.MakeFolder(opt.Spool)
	}
	opt.Spool = spooldir.Of(r)
	return opt, nil
}

// tidy removes what a finished run left of a spool of ours.
func (run *backupRun) tidy(r *repository.Repository, udid string) {
	if run.f.spool == "" {
		spooldir.Tidy(r, udid)
	}
}

// finishAll completes what phones have finished sending, in every repository of
// the place.
func (run *backupRun) finishAll(cmd *cobra.Command) error {
	var shown error
	n := 0
	p := wish{all: true, untold: true}
	err := run.withRepositories(cmd, &run.repo, p, func(ctx context.Context, r *repository.Repository) error {
		words := &backupWords{run: run, repo: r}
		opt, err := run.options(r, words)
		if err != nil {
			return err
		}
		var finished []*backup.RepositoryResult
		err = run.work(func(say progress.Reporter) (err error) {
			finished, err = backup.FinishPending(ctx, r, opt, say)
			return err
		})
		for _, res := range finished {
			n++
			run.tidy(r, res.UDID)
			at, _ := location.Parse(r.Location())
			shown = errors.Join(shown, run.showDone(&done{run: run, res: res, repo: r, home: at}))
		}
		return err
	})
	if n == 0 && err == nil {
		run.printf("There is nothing to complete.\n")
	}
	return errors.Join(err, shown)
}
