package restore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/keybag"
)

// Words for the checks, in the order in which they are made.
const (
	checkState    = "backup_state"
	checkPassword = "password"
	checkFiles    = "backup_files"
	checkVersion  = "ios_version"
	checkFindMy   = "find_my"
	checkSetup    = "setup"
	checkRemove   = "remove_items"
	checkSpace    = "free_space"
	checkManaged  = "supervision"
	checkApps     = "apps"
	checkLeftOut  = "left_out"
)

// causes are the errors that callers know to tell apart.
var causes = map[string]error{checkPassword: keybag.ErrWrongPassword}

// Prover is a file system that can tell without reading them that contents are
// lost: that of a snapshot whose repository lacks a part of them.
type Prover interface {
	// Lacking gives the files whose content is not all there, by their names in
	// the folder ("ab/ab12…", "Manifest.db"), and what each lacks. With an empty
	// name the error means that it could not look, and ends the sequence.
	Lacking(ctx context.Context) iter.Seq2[string, error]
}

// preflight looks at everything that can be known before the phone is asked
// (protocol.md 11.10).
type preflight struct {
	dev    Phone
	opt    Options
	rep    progress.Reporter
	report *Report

	fsys    fs.FS // what the phone will see
	backup  *itunesbackup.Backup
	info    itunesbackup.InfoPlist
	infoErr error
	lacks   map[string]string // what a Prover says, by file ID or name
}

// run fills the report. Its error means that it could not look.
func (p *preflight) run(ctx context.Context, previous bool) error {
	r := p.report
	if err := p.prove(ctx); err != nil || r.Blocked() {
		return err
	}
	if err := p.open(ctx); err != nil {
		return err
	}
	r.Encrypted = p.backup.Encrypted()
	if p.infoErr != nil {
		r.add(checkFiles, Warning, fmt.Sprintf("Info.plist cannot be read: %v", p.infoErr), "The iOS version cannot be compared and apps will not come back by themselves.")
	}
	p.nameSource()
	if previous {
		r.add(checkState, Warning, "the last run was interrupted; what is restored is the backup before it", "")
	} else {
		r.checkState(p.backup)
	}
	if err := r.checkPassword(ctx, p.backup, p.opt); err != nil {
		return err
	}
	if err := p.leaveOut(ctx); err != nil {
		return err
	}
	if err := p.checkFiles(ctx); err != nil {
		return err
	}
	r.Apps = AppsToFetch(p.info)
	return r.checkPhone(ctx, p.dev, p.info, p.opt)
}

// open opens p.fsys, closing what was open.
func (p *preflight) open(ctx context.Context) error {
	b, err := itunesbackup.OpenFS(ctx, p.fsys)
	if err != nil {
		return fmt.Errorf("open backup: %w", err)
	}
	if err := p.close(); err != nil {
		return errors.Join(err, b.Close())
	}
	p.backup = b
	p.info, p.infoErr = b.InfoPlist()
	return nil
}

func (p *preflight) close() error {
	if p.backup == nil {
		return nil
	}
	err := p.backup.Close()
	p.backup = nil
	return err
}

// nameSource: the phone asks for a UDID, whatever the folder is called.
func (p *preflight) nameSource() {
	if _, err := device.ParseUDID(p.report.Source); err == nil {
		return
	}
	if _, err := device.ParseUDID(p.info.TargetIdentifier); err == nil {
		p.report.Source = p.info.TargetIdentifier
	}
}

// checkState: in "uploading" the last finished backup is still whole, in
// "removing" the new one is; in between only the phone knows (protocol.md 4.14).
func (r *Report) checkState(b *itunesbackup.Backup) {
	st, err := b.StatusPlist()
	switch {
	case err != nil:
		r.add(checkState, Blocker, fmt.Sprintf("Status.plist cannot be read: %v", err), "Without it the phone takes the backup for empty. Restore another one.")
	case st.SnapshotState == itunesbackup.SnapshotFinished:
		r.add(checkState, OK, fmt.Sprintf("the backup of %s is finished", st.Date.Local().Format("2 January 2006, 15:04")), "")
	case st.BackupState == itunesbackup.BackupEmpty && st.SnapshotState == itunesbackup.SnapshotUploading:
		r.add(checkState, Blocker, "this first backup was never finished", "Finish it: back the phone up once more.")
	case st.SnapshotState == itunesbackup.SnapshotUploading:
		r.add(checkState, Warning, "the last run was interrupted; what is restored is the backup before it", "")
	case st.SnapshotState == itunesbackup.SnapshotRemoving:
		r.add(checkState, Warning, "the last run was interrupted at its very end; its backup is complete", "")
	default:
		r.add(checkState, Blocker, fmt.Sprintf("the last run was interrupted while it put files in place (%s)", st.SnapshotState), "Back the phone up once more: that takes minutes and nothing is received twice.")
	}
}

func (r *Report) checkPassword(ctx context.Context, b *itunesbackup.Backup, opt Options) error {
	if !r.Encrypted {
		r.add(checkPassword, OK, "the backup is not encrypted", "")
		return nil
	}
	const remedy = "It is the backup password, set when encryption was switched on, perhaps years ago on another computer; not the passcode."
	if opt.Password.IsZero() {
		r.add(checkPassword, Blocker, "the backup is encrypted and no password was given", remedy)
		return nil
	}
	switch err := b.Unlock(ctx, opt.Password); {
	case err == nil:
		r.add(checkPassword, OK, "the backup password is right", "")
	case errors.Is(err, keybag.ErrWrongPassword):
		r.add(checkPassword, Blocker, "the backup password is wrong", remedy)
	case errors.Is(err, itunesbackup.ErrMalformed):
		r.add(checkFiles, Blocker, fmt.Sprintf("the backup cannot be unlocked: %v", err), "Restore another version if there is one.")
	default:
		return fmt.Errorf("unlock backup: %w", err)
	}
	return nil
}

// prove asks a Prover.
func (p *preflight) prove(ctx context.Context) error {
	prover, ok := p.fsys.(Prover)
	if !ok {
		return nil
	}
	p.rep.Phase("prove", "Checking that the repository has every part of the backup")
	p.lacks = map[string]string{}
	for name, err := range prover.Lacking(ctx) {
		if name == "" && err != nil {
			return fmt.Errorf("check backup: %w", err)
		}
		if _, notID := itunesbackup.ParseFileID(path.Base(name)); notID == nil {
			name = path.Base(name)
		}
		p.lacks[name] = fmt.Sprint(err)
	}
	// Without these nothing else can be looked at.
	for _, name := range []string{itunesbackup.ManifestName, itunesbackup.ManifestListName} {
		if why, lost := p.lacks[name]; lost {
			p.report.add(checkFiles, Blocker, fmt.Sprintf("the backup is damaged: %s: %s", name, why), "Nothing can be restored without it. Restore another version; \"keepsake repair\" may find the lost part in a copy of the repository.")
		}
	}
	return nil
}

// checkFiles compares the index with the folder; contents are read only when
// that was asked for.
func (p *preflight) checkFiles(ctx context.Context) error {
	r, b := p.report, p.backup
	if r.Encrypted && !b.Unlocked() {
		return nil // nothing can be said, and there is a blocker
	}
	read := p.opt.VerifyData && !p.opt.SkipDamaged // that has read everything already
	v, err := p.verify(ctx, read)
	if err != nil {
		return err
	}
	r.Files, r.Bytes = v.Files, v.StoredBytes
	var failures []string
	for _, problem := range v.Problems {
		// What Status.plist says has been judged already.
		if problem.Severity == itunesbackup.Failure && problem.Path != itunesbackup.StatusName {
			failures = append(failures, problem.Path+": "+problem.What)
		}
	}
	lost, err := p.lost(ctx)
	if err != nil {
		return err
	}
	failures = append(failures, lost...)
	if len(failures) == 0 {
		text := fmt.Sprintf("all %s of the index are there, %s", progress.Count(r.Files, "file", "files"), progress.Size(r.Bytes))
		if p.opt.VerifyData {
			text += ", and were read to their ends"
		}
		r.add(checkFiles, OK, text, "")
		return nil
	}
	text := fmt.Sprintf("the backup is damaged or incomplete: %s", strings.Join(failures[:min(len(failures), 3)], "; "))
	if more := max(v.Failures, int64(len(failures))) - 3; more > 0 && len(failures) > 3 {
		text += fmt.Sprintf("; and %d more", more)
	}
	r.add(checkFiles, Blocker, text, "The phone would refuse it. \"keepsake check\" lists everything. Restore another version; or back the phone up once more: what is missing is then sent again; or restore the rest with --skip-damaged.")
	return nil
}

// verify checks the backup as the phone will see it; read also reads all files.
func (p *preflight) verify(ctx context.Context, read bool) (*itunesbackup.Report, error) {
	text := "Checking that the backup is complete"
	opt := itunesbackup.VerifyOptions{}
	if read {
		text = "Reading the whole backup"
		opt.Digests, opt.Decrypt = true, true
		opt.Progress = func(v itunesbackup.VerifyProgress) {
			p.rep.Update(progress.Counters{Files: v.Files, FilesTotal: v.FilesTotal, Bytes: v.Bytes})
		}
	}
	p.rep.Phase("verify", text)
	v, err := p.backup.Verify(ctx, opt)
	if err != nil {
		return nil, fmt.Errorf("check backup: %w", err)
	}
	return v, nil
}

// lost gives in words what the Prover said of files that are not left out.
func (p *preflight) lost(ctx context.Context) ([]string, error) {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(p.lacks)) {
		id, err := itunesbackup.ParseFileID(name)
		if err != nil {
			list = append(list, name+": "+p.lacks[name])
			continue
		}
		if p.report.LeftOut.has(id) {
			continue
		}
		r, found, err := p.backup.Get(ctx, id)
		var row *itunesbackup.RowError
		switch {
		case err != nil && !errors.As(err, &row):
			return nil, fmt.Errorf("check backup: %w", err)
		case err == nil && found:
			name = r.Key()
		}
		list = append(list, name+": "+p.lacks[id.String()])
	}
	return list, nil
}

// checkPhone looks at the phone. What it does not say blocks nothing.
func (r *Report) checkPhone(ctx context.Context, dev Phone, info itunesbackup.InfoPlist, opt Options) error {
	phone, err := dev.Info(ctx)
	if err != nil {
		return err
	}
	r.checkVersion(info.ProductVersion, phone.ProductVersion)
	state, err := dev.SetupState(ctx)
	if err != nil {
		return err
	}
	r.Choice = opt.Choose(state)
	if err := r.checkFindMy(ctx, dev, state); err != nil {
		return err
	}
	r.checkSetup(state)
	r.checkRemove(state, phone.ProductVersion)
	r.checkLeftOut(state, phone.ProductVersion)
	if err := r.checkSpace(ctx, dev); err != nil {
		return err
	}
	if on, known, err := dev.Supervised(ctx); err != nil {
		return err
	} else if known && on {
		r.add(checkManaged, Warning, "the phone is supervised; it takes only backups of supervised phones", "If it refuses, ask its administrator.")
	}
	r.checkApps()
	return nil
}

func (r *Report) checkVersion(backup, phone string) {
	switch {
	case backup == "" || phone == "":
		r.add(checkVersion, Warning, "the versions of iOS cannot be compared", "")
	case device.CompareVersions(backup, phone) > 0:
		r.add(checkVersion, Blocker, fmt.Sprintf("the backup was made with iOS %s, the phone has %s", backup, phone), "Update the phone first: Settings → General → Software Update. During set-up the phone offers the update by itself.")
	default:
		r.add(checkVersion, OK, fmt.Sprintf("the phone's iOS %s is no older than the backup's %s", phone, backup), "")
	}
}

func (r *Report) checkFindMy(ctx context.Context, dev Phone, state device.SetupState) error {
	on, known, err := dev.FindMy(ctx)
	switch {
	case err != nil:
		return err
	case known && on:
		r.add(checkFindMy, Blocker, "Find My iPhone is on", "Switch it off for the restore: Settings → your name → Find My → Find My iPhone. Switch it on again afterwards.")
	case state == device.SetupNew || state == device.InSetup:
		r.add(checkFindMy, OK, "Find My iPhone is off on a phone in set-up", "")
	default:
		// Once a phone did not say and refused nevertheless (protocol.md 11.5).
		r.add(checkFindMy, OK, "the phone does not report Find My iPhone as on", "")
	}
	return nil
}

func (r *Report) checkSetup(state device.SetupState) {
	switch state {
	case device.SetupNew:
		r.add(checkSetup, Warning, "the phone is not activated yet", "If it refuses: go on in its set-up until it is connected to Wi-Fi, then start again.")
	case device.InSetup:
		r.add(checkSetup, OK, "the phone is in set-up and ready for a full restore", "")
	case device.SetUp:
		r.add(checkSetup, Warning, "the phone is in use; the restore goes over what is on it",
			"For an exact copy of the backup, apps included, erase the phone first (Settings → General → Transfer or Reset → Erase All Content and Settings) and restore during its set-up.")
	default:
		r.add(checkSetup, Warning, "the phone does not say whether it is set up; it is treated as in use", "")
	}
}

// checkRemove says what the choice about items that the backup lacks means.
func (r *Report) checkRemove(state device.SetupState, version string) {
	inUse := state != device.SetupNew && state != device.InSetup
	switch {
	case inUse && r.Choice.RemoveItemsNotRestored:
		r.add(checkRemove, Warning, "what is on the phone and not in the backup is removed, also passwords that no backup holds", "To keep it, restore with --keep.")
	case !r.Choice.RemoveItemsNotRestored && device.CompareVersions(version, "27") >= 0:
		r.add(checkRemove, Warning, "from iOS 27 on the phone removes files that the backup lacks in its home and camera roll all the same", "Back the phone up before you restore: pictures taken since this backup will be gone.")
	case !r.Choice.RemoveItemsNotRestored:
		r.add(checkRemove, Warning, "what is on the phone and not in the backup stays; apps do not come back by themselves", "Install missing apps from the App Store; their data is there then, or restore once more.")
	}
}

// checkSpace never blocks: the phone counts differently, and refuses in time.
func (r *Report) checkSpace(ctx context.Context, dev Phone) error {
	u, err := dev.DiskUsage(ctx)
	if err != nil {
		return err
	}
	free := int64(min(u.DataAvailable, 1<<62))
	switch {
	case free == 0 || r.Bytes == 0:
	case free < r.Bytes:
		r.add(checkSpace, Warning, fmt.Sprintf("the backup needs %s, the phone has %s free", progress.Size(r.Bytes), progress.Size(free)), "If the phone refuses, delete something on it, erase it, or take a larger one.")
	default:
		r.add(checkSpace, OK, fmt.Sprintf("the phone has %s free, the backup needs %s", progress.Size(free), progress.Size(r.Bytes)), "")
	}
	return nil
}

func (r *Report) checkApps() {
	byHand := 0
	for _, a := range r.Apps {
		if a.ByHand {
			byHand++
		}
	}
	if byHand > 0 {
		r.add(checkApps, Warning, fmt.Sprintf("%s must be installed by hand", progress.Count(int64(byHand), "app", "apps")), "")
	}
}
