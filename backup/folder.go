package backup

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"time"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/internal/syncsession"
	"github.com/keepsake-backup/keepsake/mobilebackup2"
	"github.com/keepsake-backup/keepsake/mobilebackup2/dirstore"
	"github.com/keepsake-backup/keepsake/notificationproxy"

	"github.com/keepsake-backup/keepsake/device"
)

// Options of ToFolder; the zero value is right for most people.
type Options struct {
	// Full sends every file again; the last backup stays until the new one is complete.
	Full bool
	// SyncEachFile makes every file durable by itself: slower, for comparison.
	SyncEachFile bool
	// Limits are the patience of the phases; zero means the defaults.
	Limits mobilebackup2.Limits
}

// Result of a finished backup.
type Result struct {
	Folder    string // the phone's folder: DIR/<UDID>
	Full      bool   // the phone sent everything, because it was asked to or had to
	Encrypted bool
	Files     int64 // received from the phone
	Bytes     int64
	Removed   int64 // files that the phone no longer has
	Started   time.Time
	Duration  time.Duration
	Phases    []PhaseTime
	Unread    []UnreadFile // what the phone itself could not read
}

// PhaseTime is how long one phase took, over all its turns.
type PhaseTime struct {
	Name     string
	Duration time.Duration
}

// UnreadFile is a file that the phone could not read; the backup lacks it.
type UnreadFile struct{ DevicePath, FileID, Text string }

// ToFolder backs dev up into the folder dir/<UDID>; dir must exist. What the
// package comment says of interruptions holds for every error. Errors that a
// person can do something about have a method Hint() string; see device.Hint.
//
// rep is told what happens, and what the owner has to do on the phone.
func ToFolder(ctx context.Context, dev Phone, dir string, opt Options, rep progress.Reporter) (*Result, error) {
	res, err := toFolder(ctx, dev, dir, opt, rep)
	if err != nil {
		return nil, fmt.Errorf("back up %s: %w", dev.Name(), err)
	}
	return res, nil
}

func toFolder(ctx context.Context, dev Phone, dir string, opt Options, rep progress.Reporter) (_ *Result, err error) {
	udid := dev.UDID().String()
	r := &run{phone: dev, udid: udid, opt: opt, rep: rep, observer: newObserver(rep)}
	r.result = Result{Folder: filepath.Join(dir, udid), Started: time.Now()}
	rep.Phase("connecting", "Talking to the iPhone")
	if err := r.preflight(ctx); err != nil {
		return nil, err
	}

	disk, err := dirstore.Open(dir, dirstore.Options{SyncEachFile: opt.SyncEachFile})
	if err != nil {
		return nil, &mobilebackup2.HostError{Op: "open", Path: dir, Err: err}
	}
	defer func() { err = errors.Join(err, disk.Close()) }()
	dropped, err := disk.Lock(udid, false)
	var busy *dirstore.LockedError
	switch {
	case errors.As(err, &busy):
		return nil, err
	case err != nil:
		return nil, &mobilebackup2.HostError{Op: "use", Path: dir, Err: err}
	}
	if dropped > 0 {
		rep.Say(progress.Detail, fmt.Sprintf("The last run was cut off: %s that may be incomplete are received again.", progress.Count(int64(dropped), "file", "files")))
	}

	defer dev.KeepAwake(ctx, func(err error) {
		rep.Say(progress.Detail, fmt.Sprintf("The iPhone may fall asleep during the backup: %v", err))
	})()
	if err := r.serve(ctx, disk); err != nil {
		return nil, err
	}
	r.result.Duration = time.Since(r.result.Started)
	return &r.result, nil
}

// run is one backup on its way.
type run struct {
	phone    Phone
	udid     string
	opt      Options
	rep      progress.Reporter
	observer *observer
	values   map[string]any // of the phone
	prompt   bool           // the phone will ask for its passcode
	result   Result
}

// preflight asks the phone what would stop the backup, before anything is
// touched. What the phone does not say stops nothing: it refuses itself.
func (r *run) preflight(ctx context.Context) error {
	var err error
	if r.values, err = r.phone.Values(ctx, ""); err != nil {
		return err
	}
	setup, err := r.phone.SetupState(ctx)
	if err != nil {
		return err
	}
	if setup == device.SetupNew || setup == device.InSetup {
		return &SetupError{setup}
	}
	state, err := r.phone.BackupState(ctx)
	if err != nil {
		return err
	}
	r.result.Encrypted = state.WillEncrypt
	if state.RequiresEncryption && !state.WillEncrypt {
		return &EncryptionPolicyError{}
	}
	version, _ := r.values["ProductVersion"].(string)
	r.prompt = asksForPasscode(ctx, r.phone, version)
	return nil
}

// serve opens the services, takes the sync lock and lets the phone do its work.
func (r *run) serve(ctx context.Context, disk *dirstore.Store) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	session, err := syncsession.Open(ctx, r.phone, r.hear(cancel))
	if err != nil {
		return err
	}
	defer session.Close()
	client, err := openService(ctx, r.phone)
	if err != nil {
		return err
	}
	defer client.Close()
	if err := session.Lock(ctx); err != nil {
		return err
	}

	info := gather(ctx, r.phone, session.AFC, r.values, func(text string) { r.rep.Say(progress.Detail, text) })
	defer info.stop()
	store := &store{Store: disk, status: r.udid + "/Status.plist", infoPath: r.udid + "/Info.plist", info: info, full: r.opt.Full}
	if r.prompt {
		r.rep.Say(progress.Action, "Enter the passcode on the iPhone when it asks: it does so at every backup.")
	}
	sum, err := client.Backup(ctx, mobilebackup2.Job{Target: r.udid, Limits: r.opt.Limits}, mobilebackup2.BackupOptions{ForceFull: r.opt.Full}, store, r.observer)
	r.observer.end()
	if errors.Is(err, &mobilebackup2.DeviceError{Code: mobilebackup2.CodeCancelled}) {
		return &CancelledError{} // told twice, and either may come first
	}
	if err == nil {
		err = store.finish(ctx)
	}
	if err != nil {
		return err
	}
	r.conclude(sum, store)
	return nil
}

// hear passes on what happens on the phone's screen.
func (r *run) hear(cancel context.CancelCauseFunc) func(string) {
	return func(name string) {
		switch name {
		case notificationproxy.SyncCancelRequest:
			cancel(&CancelledError{})
		case notificationproxy.AuthenticationPresented:
			if r.observer.waiting() {
				r.rep.Say(progress.Action, "The iPhone shows its passcode screen: enter the passcode there to start the backup.")
			}
		case notificationproxy.AuthenticationDismissed:
			if r.observer.waiting() {
				r.rep.Say(progress.Notice, "The passcode screen is gone; waiting for the iPhone to begin.")
			}
		}
	}
}

func (r *run) conclude(sum *mobilebackup2.Summary, store *store) {
	res := &r.result
	res.Full = store.wasFull
	res.Files, res.Bytes, res.Removed = sum.Files, sum.Bytes, max(sum.Removed-store.scaffold, 0)
	res.Phases = r.observer.times()
	for _, u := range sum.Unread {
		res.Unread = append(res.Unread, UnreadFile{u.DevicePath, path.Base(u.HostPath), u.Text})
	}
}
