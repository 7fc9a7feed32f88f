package backup

import (
	"context"
	"errors"
	"fmt"

	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/internal/syncsession"
	"github.com/keepsake-backup/keepsake/mobilebackup2"
	"github.com/keepsake-backup/keepsake/notificationproxy"
)

// job is one backup on its way, wherever it goes.
type job struct {
	phone     Phone
	udid      string
	full      bool // to be asked for
	limits    mobilebackup2.Limits
	rep       progress.Reporter
	observer  *observer
	values    map[string]any // of the phone
	prompt    bool           // the phone will ask for its passcode
	encrypted bool           // as far as it says
}

func newJob(dev Phone, full bool, limits mobilebackup2.Limits, rep progress.Reporter) *job {
	return &job{phone: dev, udid: dev.UDID().String(), full: full, limits: limits, rep: rep, observer: newObserver(rep)}
}

// preflight asks the phone what would stop the backup, before anything is
// touched. What the phone does not say stops nothing: it refuses itself.
func (j *job) preflight(ctx context.Context) error {
	j.rep.Phase("connecting", "Talking to the iPhone")
	var err error
	if j.values, err = j.phone.Values(ctx, ""); err != nil {
		return err
	}
	setup, err := j.phone.SetupState(ctx)
	if err != nil {
		return err
	}
	if setup == device.SetupNew || setup == device.InSetup {
		return &SetupError{setup}
	}
	state, err := j.phone.BackupState(ctx)
	if err != nil {
		return err
	}
	j.encrypted = state.WillEncrypt
	if state.RequiresEncryption && !state.WillEncrypt {
		return &EncryptionPolicyError{}
	}
	version, _ := j.values["ProductVersion"].(string)
	j.prompt = asksForPasscode(ctx, j.phone, version)
	return nil
}

// serve opens the services, takes the sync lock and lets the phone do its work in
// disk.
func (j *job) serve(ctx context.Context, disk mobilebackup2.Store) (*mobilebackup2.Summary, *store, error) {
	defer j.phone.KeepAwake(ctx, func(err error) {
		j.rep.Say(progress.Detail, fmt.Sprintf("The iPhone may fall asleep during the backup: %v", err))
	})()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	session, err := syncsession.Open(ctx, j.phone, j.hear(cancel))
	if err != nil {
		return nil, nil, err
	}
	defer session.Close()
	client, err := openService(ctx, j.phone)
	if err != nil {
		return nil, nil, err
	}
	defer client.Close()
	if err := session.Lock(ctx); err != nil {
		return nil, nil, err
	}

	info := gather(ctx, j.phone, session.AFC, j.values, func(text string) { j.rep.Say(progress.Detail, text) })
	defer info.stop()
	s := &store{Store: disk, status: j.udid + "/Status.plist", infoPath: j.udid + "/Info.plist", info: info, full: j.full}
	if j.prompt {
		j.rep.Say(progress.Action, "Enter the passcode on the iPhone when it asks: it does so at every backup.")
	}
	sum, err := client.Backup(ctx, mobilebackup2.Job{Target: j.udid, Limits: j.limits}, mobilebackup2.BackupOptions{ForceFull: j.full}, s.optional(), j.watch(disk))
	j.observer.end()
	if errors.Is(err, &mobilebackup2.DeviceError{Code: mobilebackup2.CodeCancelled}) {
		return nil, s, &CancelledError{} // told twice, and either may come first
	}
	if err == nil {
		err = s.finish(ctx)
	}
	if err != nil {
		return nil, s, err
	}
	return sum, s, nil
}

// fileWatcher is a store that wants to know where on the phone the next file is
// from.
type fileWatcher interface{ incoming(mobilebackup2.File) }

// watch gives the observer of the run.
func (j *job) watch(disk mobilebackup2.Store) mobilebackup2.Observer {
	if w, ok := disk.(fileWatcher); ok {
		return &watching{j.observer, w}
	}
	return j.observer
}

type watching struct {
	*observer
	store fileWatcher
}

// FileBegin tells both.
func (w *watching) FileBegin(f mobilebackup2.File) {
	w.store.incoming(f)
	w.observer.FileBegin(f)
}

// hear passes on what happens on the phone's screen.
func (j *job) hear(cancel context.CancelCauseFunc) func(string) {
	return func(name string) {
		switch name {
		case notificationproxy.SyncCancelRequest:
			cancel(&CancelledError{})
		case notificationproxy.AuthenticationPresented:
			if j.observer.waiting() {
				j.rep.Say(progress.Action, "The iPhone shows its passcode screen: enter the passcode there to start the backup.")
			}
		case notificationproxy.AuthenticationDismissed:
			if j.observer.waiting() {
				j.rep.Say(progress.Notice, "The passcode screen is gone; waiting for the iPhone to begin.")
			}
		}
	}
}
