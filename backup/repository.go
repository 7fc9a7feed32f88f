package backup

import (
	"context"
	"fmt"
	"time"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/mobilebackup2"
	"github.com/keepsake-backup/keepsake/repository"
)

// RepositoryOptions of ToRepository and FinishPending.
type RepositoryOptions struct {
	// State is this station's folder for unfinished runs; it is made when it is
	// missing, and so is <State>/<repository ID>/<UDID> in it. Needed.
	State string
	// Spool is the folder for the bytes that have arrived and are not in the
	// repository yet; "" is State. Of an encrypted phone everything that is new
	// waits there until the phone has sent its list.
	Spool string
	// SpoolLimit is how many bytes may wait, 0 what the disk has. When it is
	// reached the phone waits for the repository; what an encrypted phone sends is
	// stored as it comes from then on.
	SpoolLimit int64
	// Passwords gives the backup password for a keybag, by its UUID. The zero
	// password says that it is not known. It is asked once in a run, when the
	// phone's list has arrived, unless the last version has the keys; nil knows none.
	Passwords func(ctx context.Context, bag [16]byte) (secret.BackupPassword, error)
	// Full sends every file again; the last version stays.
	Full bool
	// Limits are the patience of the phases; zero means the defaults.
	Limits mobilebackup2.Limits
	// Wait is how long to wait for others who need the repository alone.
	Wait time.Duration
	// Now is the clock that dates versions; nil is time.Now.
	Now func() time.Time

	wrap func(*overlayStore) mobilebackup2.Store // for tests
}

// now is the time by opt.Now.
func (opt RepositoryOptions) now() time.Time {
	if opt.Now == nil {
		return time.Now()
	}
	return opt.Now()
}

// RepositoryResult of a finished backup.
type RepositoryResult struct {
	Snapshot repository.Snapshot
	UDID     string
	Name     string // of the phone
	Full     bool   // the phone sent everything, because it was asked to or had to

	Encrypted bool
	// Sealed: the contents are stored as the phone encrypted them; Why tells why.
	Sealed bool
	Why    string

	Files   int64 // received from the phone in the last run
	Bytes   int64
	Kept    int64 // files that earlier, interrupted runs had received
	Removed int64 // files that the phone no longer has

	Added     repository.WriterStats // what went into the repository, in this process
	SpoolPeak int64                  // most bytes that waited at a time

	Started  time.Time
	Duration time.Duration
	Phases   []PhaseTime
	Unread   []UnreadFile // what the phone itself could not read
}

// ToRepository backs dev up into repo, as a new version: what the package comment
// says of spool and journal. A run that the phone had finished is completed
// first, and its version is there before the new one.
//
// After any error what had arrived is kept, in opt.State; the next run, with the
// same State, goes on from there. The last version is never touched. Errors that
// a person can do something about have a method Hint() string; see device.Hint.
// When the lock of the repository is lost, the error wraps repository.ErrLockLost.
// When the phone's files are not what its list says, it is a
// *snapshot.IncompleteError, and the next run is a full one.
//
// rep is told what happens, and what the owner has to do on the phone.
func ToRepository(ctx context.Context, dev Phone, repo *repository.Repository, opt RepositoryOptions, rep progress.Reporter) (*RepositoryResult, error) {
	res, err := toRepository(ctx, dev, repo, opt, rep)
	if err != nil {
		return nil, fmt.Errorf("back up %s: %w", dev.Name(), err)
	}
	return res, nil
}

// FinishPending completes the runs in opt.State that a phone has finished and
// that are no version yet, without the phone: of all phones that were backed up
// into repo from here. The results of those that could be completed are given
// even with an error.
func FinishPending(ctx context.Context, repo *repository.Repository, opt RepositoryOptions, rep progress.Reporter) ([]*RepositoryResult, error) {
	list, err := finishPending(ctx, repo, opt, rep)
	if err != nil {
		return list, fmt.Errorf("complete backups: %w", err)
	}
	return list, nil
}
