package backup

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"time"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/mobilebackup2"
	"github.com/keepsake-backup/keepsake/mobilebackup2/dirstore"
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
	j := newJob(dev, opt.Full, opt.Limits, rep)
	udid := j.udid
	started := time.Now()
	if err := j.preflight(ctx); err != nil {
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

	sum, s, err := j.serve(ctx, disk)
	if err != nil {
		return nil, err
	}
	return &Result{
		Folder: filepath.Join(dir, udid), Full: s.wasFull, Encrypted: j.encrypted,
		Files: sum.Files, Bytes: sum.Bytes, Removed: s.removed(sum),
		Started: started, Duration: time.Since(started), Phases: j.observer.times(), Unread: unread(sum),
	}, nil
}

// unread tells what the phone itself could not read.
func unread(sum *mobilebackup2.Summary) (list []UnreadFile) {
	for _, u := range sum.Unread {
		list = append(list, UnreadFile{u.DevicePath, path.Base(u.HostPath), u.Text})
	}
	return list
}
