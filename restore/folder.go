package restore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/internal/plist"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/internal/syncsession"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/mobilebackup2"
	"github.com/keepsake-backup/keepsake/mobilebackup2/dirstore"
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

// FromFolder restores the backup dir/<Source> onto dev; dir may also be the
// backup's own folder. It begins with the pre-flight, whose report is returned
// with every error behind it. A blocker in the report ends the restore with a
// BlockedError. After a nil error the phone restarts and commits what it has
// received (protocol.md 11.7), unless the report was all that was asked for.
func FromFolder(ctx context.Context, dev Phone, dir string, opt Options, rep progress.Reporter) (*Report, error) {
	report, err := fromFolder(ctx, dev, dir, opt, rep)
	if err != nil {
		return report, fmt.Errorf("restore %s: %w", dev.Name(), err)
	}
	return report, nil
}

func fromFolder(ctx context.Context, dev Phone, dir string, opt Options, rep progress.Reporter) (_ *Report, err error) {
	rep.Phase("preflight", "Looking at the backup and the iPhone")
	folder, err := find(dir, opt.Source, dev.UDID().String())
	if err != nil {
		return nil, err
	}
	parent, name := filepath.Split(folder)
	disk, err := dirstore.Open(filepath.Clean(parent), dirstore.Options{})
	if err != nil {
		return nil, &mobilebackup2.HostError{Op: "open", Path: parent, Err: err}
	}
	defer func() { err = errors.Join(err, disk.Close()) }()
	// A copy beside the backup is written by the phone's command.
	var busy *dirstore.LockedError
	switch _, err := disk.Lock(name, !opt.CopyFirst); {
	case errors.As(err, &busy):
		return nil, err
	case err != nil:
		return nil, &mobilebackup2.HostError{Op: "use", Path: parent, Err: err}
	}
	if _, err := disk.UsePrevious(name); err != nil {
		return nil, fmt.Errorf("open backup: %w", err)
	}
	report, info, err := preflight(ctx, dev, folder, opt, rep)
	if err != nil || opt.DryRun && !report.Blocked() {
		return report, err
	}
	if b := report.blocker(); b != nil {
		return report, &BlockedError{*b, causes[b.Check]}
	}
	defer dev.KeepAwake(ctx, func(err error) {
		rep.Say(progress.Detail, fmt.Sprintf("The iPhone may fall asleep during the restore: %v", err))
	})()
	return report, send(ctx, dev, disk, report, info, opt, rep)
}

// send takes the sync lock, leaves the list of apps and hands the backup over.
func send(ctx context.Context, dev Phone, disk *dirstore.Store, report *Report, info itunesbackup.InfoPlist, opt Options, rep progress.Reporter) error {
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
	_, err = client.Restore(ctx, job, wireOptions(report, opt), alias(disk, report), newObserver(rep, report))
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

// NoBackupError says that there is no backup where one was looked for.
type NoBackupError struct {
	Dir, Source string
	Found       []string // names of the backups that are there
}

func (e *NoBackupError) Error() string {
	switch {
	case e.Source != "":
		return fmt.Sprintf("no backup %s in %s", e.Source, e.Dir)
	case len(e.Found) > 1:
		return fmt.Sprintf("%d backups in %s, none of them of this phone", len(e.Found), e.Dir)
	}
	return "no backup in " + e.Dir
}

// Hint lists what is there.
func (e *NoBackupError) Hint() string {
	if len(e.Found) == 0 {
		return "Name the folder that contains the backup's own folder, which is named like the phone's UDID and holds Manifest.plist."
	}
	text := "Say which one:"
	for _, name := range e.Found {
		text += " " + name
	}
	return text
}

// find gives the whole path of the backup's folder.
func find(dir, source, target string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find backup: %w", err)
	}
	if isBackup(abs) && (source == "" || source == filepath.Base(abs)) {
		return abs, nil
	}
	if source != "" {
		if filepath.Base(source) != source || source == "." || source == ".." || !isBackup(filepath.Join(abs, source)) {
			return "", &NoBackupError{Dir: dir, Source: source}
		}
		return filepath.Join(abs, source), nil
	}
	if isBackup(filepath.Join(abs, target)) {
		return filepath.Join(abs, target), nil
	}
	entries, err := os.ReadDir(abs)
	if err != nil {
		return "", fmt.Errorf("find backup: %w", err)
	}
	var found []string
	for _, e := range entries {
		if isBackup(filepath.Join(abs, e.Name())) {
			found = append(found, e.Name())
		}
	}
	if len(found) != 1 {
		return "", &NoBackupError{Dir: dir, Found: found}
	}
	return filepath.Join(abs, found[0]), nil
}

func isBackup(folder string) bool {
	info, err := os.Stat(filepath.Join(folder, "Manifest.plist"))
	return err == nil && info.Mode().IsRegular()
}
