package cli

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/internal/recall"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/internal/station"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/restore"
	"github.com/keepsake-backup/keepsake/snapshot"
)

// restorable is a backup that can be put onto a phone, wherever it lies.
type restorable struct {
	id        string // of the snapshot; "" for a folder
	title     string // the phone's name
	when      time.Time
	encrypted bool
	recall    func() (password secret.BackupPassword, ok bool, err error) // nil: nothing is remembered
	restore   func(context.Context, *device.Device, restore.Options, progress.Reporter) (*restore.Report, error)
	close     func() error
}

func (a *app) restorableFolder(f restoreFlags, found []stored, udid string) (*restorable, error) {
	source, err := choose(found, f.source, udid)
	if err != nil {
		return nil, err
	}
	from := &restorable{title: source.title(), when: source.info.LastBackupDate, close: func() error { return nil }}
	if from.encrypted, err = source.encrypted(); err != nil {
		return nil, err
	}
	from.restore = func(ctx context.Context, d *device.Device, opt restore.Options, say progress.Reporter) (*restore.Report, error) {
		opt.Source = source.name
		return restore.FromFolder(ctx, d, f.folder, opt, say)
	}
	return from, nil
}

// restorableSnapshot opens a version of a phone, which need not be the one that
// receives it.
func (a *app) restorableSnapshot(cmd *cobra.Command, text string, target device.UDID) (*restorable, error) {
	// --udid is the phone that receives the backup; text says whose it is.
	phone := a.phone
	defer func() { a.phone = phone }()
	var err error
	if a.phone, err = a.latestOf(cmd, text, target); err != nil {
		return nil, err
	}
	r, s, info, closeAll, err := a.openSnapshot(cmd.Context(), cmd, text)
	if err != nil {
		return nil, err
	}
	p, err := openVersion(s, info, text, target)
	if err != nil {
		return nil, errors.Join(err, closeAll())
	}
	meta, info := p.Meta(), p.Info()
	from := &restorable{id: info.ID.String(), title: info.Name, when: info.Time, encrypted: meta.Encrypted, close: closeAll}
	if from.title == "" {
		from.title = info.UDID
	}
	from.recall = func() (secret.BackupPassword, bool, error) { return a.recall(s.Context(), r, s, info) }
	from.restore = func(_ context.Context, d *device.Device, opt restore.Options, say progress.Reporter) (*restore.Report, error) {
		// That of the session, which ends with the lock, too.
		return restore.FromSnapshot(s.Context(), d, p, opt, say)
	}
	return from, nil
}

// recall looks for the password of a version among those that were remembered.
func (a *app) recall(ctx context.Context, r *repository.Repository, s *repository.Session, info snapshot.Info) (secret.BackupPassword, bool, error) {
	none := secret.BackupPassword{}
	st, err := a.station()
	if err != nil {
		return none, false, err
	}
	bag, err := recall.Keybag(ctx, s, info)
	if err != nil {
		return none, false, err
	}
	id := bag.UUID()
	return st.Recall(station.Remembered{Repository: r.ID().String(), UDID: info.UDID, Keybag: hex.EncodeToString(id[:])}, r)
}

// latestOf says in which phone's repository of a location "latest" is looked
// for: that of the target if it has one.
func (a *app) latestOf(cmd *cobra.Command, text string, target device.UDID) (_ string, err error) {
	if text != latestSnapshot {
		return "", nil
	}
	p, _, err := a.place(cmd, &a.repo)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	var phones []string
	for _, m := range p.Members {
		if m.UDID == target {
			return target.String(), nil
		}
		phones = append(phones, m.UDID.String())
	}
	return "", onlyOne(phones, p.At.String())
}

// openVersion opens what was found, or, for "latest" in a repository of several
// phones, the latest of the target.
func openVersion(s *repository.Session, info snapshot.Info, text string, target device.UDID) (*snapshot.Snapshot, error) {
	ctx := s.Context()
	if text == latestSnapshot {
		own, err := snapshot.Find(ctx, s, latestSnapshot+":"+target.String())
		switch {
		case err == nil:
			info = own
		case !errors.Is(err, snapshot.ErrNotFound):
			return nil, err
		default:
			if err := onlyPhone(ctx, s); err != nil {
				return nil, err
			}
		}
	}
	p, err := snapshot.Open(ctx, s, info.Snapshot)
	if errors.Is(err, snapshot.ErrNotPhone) {
		return nil, &hintError{err: err, hint: "\"keepsake snapshots\" lists what there is; \"keepsake restore-files\" restores other snapshots into a folder"}
	}
	return p, err
}

// onlyPhone refuses to guess whose backup is meant.
func onlyPhone(ctx context.Context, s *repository.Session) error {
	list, err := snapshot.List(ctx, s)
	if err != nil {
		return err
	}
	var phones []string
	for _, info := range list {
		if info.Kind == snapshot.Backup && !slices.Contains(phones, info.UDID) {
			phones = append(phones, info.UDID)
		}
	}
	return onlyOne(phones, s.Repository().Location())
}

func onlyOne(phones []string, where string) error {
	if len(phones) < 2 {
		return nil
	}
	return &usageError{fmt.Errorf("restore latest: there are %d phones in %s, and none of them is the one that is connected", len(phones), where),
		"say whose backup: latest:UDID with one of " + strings.Join(phones, ", ")}
}
