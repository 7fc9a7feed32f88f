package restore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/internal/plist"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/internal/syncsession"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/mobilebackup2"
	"github.com/keepsake-backup/keepsake/notificationproxy"
)

const (
	appsFolder = "/iTunesRestore"
	appsFile   = appsFolder + "/RestoreApplications.plist"
)

// CancelledError says that the owner stopped the restore on the phone.
type CancelledError struct{}

func (e *CancelledError) Error() string { return "cancelled on the phone" }

// Hint says that nothing has happened.
func (e *CancelledError) Hint() string {
	return "Nothing on the phone has changed: files were only staged. Start again when you like."
}

// Is makes it equal to the phone's own answer to the same wish.
func (e *CancelledError) Is(target error) bool {
	d, ok := target.(*mobilebackup2.DeviceError)
	return ok && d.Code == mobilebackup2.CodeCancelled
}

// ErrNoPlace: Options.CopyFirst was asked for and the backup lies in no folder
// beside which the phone could have a copy made.
var ErrNoPlace = errors.New("only a backup in a folder of this computer can be copied first")

// FromFS restores the backup in fsys, which looks like an iTunes folder and is
// only read: names and bytes as the phone sent them. Its files are read by
// several goroutines at once and must be io.ReaderAt. source is the UDID of the
// phone that the backup is of; the phone gets to see the folder by that name.
//
// It begins with the pre-flight, whose report is returned with every error
// behind it. A blocker in the report ends the restore with a [BlockedError].
// After a nil error the phone restarts and commits what it has received
// (protocol.md 11.7), unless the report was all that was asked for. When fsys is
// a [Prover], the pre-flight asks it too. Options.Source is not looked at.
func FromFS(ctx context.Context, dev Phone, fsys fs.FS, source string, opt Options, rep progress.Reporter) (*Report, error) {
	rep.Phase("preflight", "Looking at the backup and the iPhone")
	report, err := run(ctx, dev, origin{fsys: fsys, name: source}, opt, rep)
	if err != nil {
		return report, fmt.Errorf("restore %s: %w", dev.Name(), err)
	}
	return report, nil
}

// origin is where a backup comes from.
type origin struct {
	fsys     fs.FS
	name     string  // of the folder, normally the UDID
	folder   string  // its path on this computer; "" when it has none
	previous bool    // shows the backup before an interrupted run
	disk     *copier // for copies beside it; nil when there can be none
}

func run(ctx context.Context, dev Phone, from origin, opt Options, rep progress.Reporter) (*Report, error) {
	if opt.CopyFirst && from.disk == nil {
		return nil, ErrNoPlace
	}
	p := &preflight{dev: dev, opt: opt, rep: rep, fsys: from.fsys,
		report: &Report{Folder: from.folder, Source: from.name}}
	err := errors.Join(p.run(ctx, from.previous), p.close())
	report := p.report
	if err != nil {
		return report, err
	}
	if b := report.blocker(); b != nil {
		return report, &BlockedError{*b, causes[b.Check]}
	}
	if opt.DryRun {
		return report, nil
	}
	defer dev.KeepAwake(ctx, func(err error) {
		rep.Say(progress.Detail, fmt.Sprintf("The iPhone may fall asleep during the restore: %v", err))
	})()
	store := &fsStore{fsys: p.fsys, name: report.Source}
	defer store.Close()
	if !opt.CopyFirst {
		return report, send(ctx, dev, store, report, p.info, opt, rep)
	}
	from.disk.name, store.place = report.Source, from.disk
	return report, send(ctx, dev, copyingStore{store, from.disk}, report, p.info, opt, rep)
}

// send takes the sync lock, leaves the list of apps and hands the backup over.
func send(ctx context.Context, dev Phone, store mobilebackup2.Store, report *Report, info itunesbackup.InfoPlist, opt Options, rep progress.Reporter) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	session, err := syncsession.Open(ctx, dev, func(name string) {
		switch name {
		case notificationproxy.SyncCancelRequest:
			cancel(&CancelledError{})
		case notificationproxy.AuthenticationPresented:
			rep.Say(progress.Action, "The iPhone shows its passcode screen: enter the passcode there.")
		}
	})
	if err != nil {
		return err
	}
	defer session.Close()
	conn, err := dev.StartService(ctx, mobilebackup2.Service, device.WithEscrow())
	if err != nil {
		return err
	}
	client, err := mobilebackup2.New(ctx, conn)
	if err != nil {
		return err
	}
	defer client.Close()
	if err := session.Lock(ctx); err != nil {
		return err
	}
	if err := leaveApps(ctx, session, info); err != nil {
		// One report of a phone that would not have it (protocol.md 13.1): the
		// data matter more.
		rep.Say(progress.Warn, fmt.Sprintf("The iPhone did not take the list of apps, so they may not come back by themselves: %v", err))
	}
	job := mobilebackup2.Job{Target: dev.UDID().String(), Source: report.Source, Limits: opt.Limits}
	_, err = client.Restore(ctx, job, wireOptions(report, opt), store, newObserver(rep, report))
	if err != nil {
		// The phone may be gone, and takes no harm from the file.
		_ = session.AFC.Remove(context.WithoutCancel(ctx), appsFile)
	}
	if errors.Is(err, &mobilebackup2.DeviceError{Code: mobilebackup2.CodeCancelled}) {
		return &CancelledError{} // told twice, and either may come first
	}
	return err
}

func wireOptions(report *Report, opt Options) mobilebackup2.RestoreOptions {
	c, dontCopy := report.Choice, !opt.CopyFirst
	w := mobilebackup2.RestoreOptions{
		SystemFiles:            &c.SystemFiles,
		PreserveSettings:       &c.PreserveSettings,
		RemoveItemsNotRestored: &c.RemoveItemsNotRestored,
		ShouldReboot:           &c.Reboot,
		DontCopyBackup:         &dontCopy,
	}
	if report.Encrypted {
		w.Password = mobilebackup2.WirePassword(opt.Password.Reveal())
	}
	return w
}

// leaveApps writes the list from which the phone fetches its apps: the
// Applications of Info.plist as they are (protocol.md 13.1).
func leaveApps(ctx context.Context, session *syncsession.Session, info itunesbackup.InfoPlist) error {
	if len(info.Applications) == 0 {
		return nil
	}
	data, err := plist.Marshal(info.Applications, plist.XML)
	if err != nil {
		return err
	}
	if err := session.AFC.MakeDir(ctx, appsFolder); err != nil {
		return err
	}
	return session.AFC.WriteFile(ctx, appsFile, data)
}
