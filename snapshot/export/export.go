package export

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/snapshot"
)

// Form is what the exported folder is like.
type Form uint8

// The forms.
const (
	// Exact is byte for byte what the phone sent.
	Exact Form = iota
	// NewPassword is encrypted under [Options.NewPassword]. Of an encrypted backup
	// only Manifest.plist changes, for which [Options.Password] is needed; without
	// it everything is encrypted with new keys, and what the keychain holds is lost.
	// A backup that is not encrypted is encrypted.
	NewPassword
	// Decrypted is not encrypted. The keychain's contents, which a phone only takes
	// from an encrypted backup, are lost to a restore.
	Decrypted
)

func (f Form) String() string {
	switch f {
	case NewPassword:
		return "new password"
	case Decrypted:
		return "decrypted"
	}
	return "exact"
}

// Options of an export.
type Options struct {
	Form Form
	// Password is the backup password of the snapshot. It is needed for a new
	// password, and for every form but Exact of a sealed snapshot.
	Password secret.BackupPassword
	// NewPassword is what Form NewPassword asks for.
	NewPassword secret.BackupPassword
	// Rounds and Iterations are those of keybag.Options: what the new password costs.
	Rounds, Iterations int
	// Verify reads everything back and compares it.
	Verify bool
	// Checkpoint is how many bytes an interruption may cost; 0 is 1 GiB.
	Checkpoint int64
	// Workers write files at the same time; 0 chooses.
	Workers int
}

// Result tells what was written.
type Result struct {
	Folder    string // DIR/<UDID>, absolute
	Form      Form
	Encrypted bool  // the folder is
	Files     int64 // stored files, without lists and index
	Bytes     int64 // of everything
	Resumed   int64 // files that an interrupted run had left
	Verified  int64 // files read back and compared; lists and index included
	// KeychainLost: the keys of the keychain's contents could not be taken along.
	KeychainLost bool
	Took         time.Duration
}

// ErrPasswordNeeded: the form asked for needs the backup password of the snapshot.
var ErrPasswordNeeded = errors.New("the backup password is needed")

// Folder writes the snapshot p to dir/<UDID>. dir is made if only it itself is
// missing.
//
// Errors: *OccupiedError, *SpaceError, ErrPasswordNeeded, keybag.ErrWrongPassword,
// *dirstore.LockedError, *VerifyError, those of the repository and of the disk.
func Folder(ctx context.Context, p *snapshot.Snapshot, dir string, o Options, rep progress.Reporter) (*Result, error) {
	r, err := export(ctx, p, dir, o, rep)
	if err != nil {
		return nil, fmt.Errorf("export snapshot %s: %w", p.Info().ID.Short(), disk(err))
	}
	return r, nil
}

func export(ctx context.Context, p *snapshot.Snapshot, dir string, o Options, rep progress.Reporter) (_ *Result, err error) {
	began := time.Now()
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	e := &exporter{p: p, opts: o, rep: rep, udid: p.Meta().UDID}
	e.result = Result{Folder: filepath.Join(abs, e.udid), Form: o.Form, Encrypted: p.Meta().Encrypted}
	rep.Phase("open", "Opening snapshot "+p.Info().ID.Short())
	if e.folder, err = p.Folder(ctx); err != nil {
		return nil, err
	}
	if err := e.prepare(ctx); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.close()) }()
	// Stored files are the same in every form but those with new keys, which are
	// new each time.
	of := p.Info().ID.String()
	if e.source != nil {
		of += " " + began.String()
	}
	if e.t, err = openTarget(abs, e.udid, of); err != nil {
		return nil, err
	}
	if err := e.write(ctx); err != nil {
		return nil, err
	}
	rep.Phase("sync", "Making everything durable")
	if err := e.t.finish(); err != nil {
		return nil, err
	}
	e.result.Took = time.Since(began)
	return &e.result, nil
}

// exporter is one export.
type exporter struct {
	p      *snapshot.Snapshot
	folder *snapshot.Folder
	opts   Options
	rep    progress.Reporter
	udid   string
	t      *target
	result Result

	manifest []byte               // Manifest.plist under the new password; nil when that of the snapshot is kept
	source   *itunesbackup.Backup // in clear, when files get other keys or none; nil when they are copied as they are

	mu   sync.Mutex
	sums map[string][sha256.Size]byte // of what was written, by name; guarded by mu
}

func (e *exporter) close() error {
	var errs []error
	if e.source != nil {
		errs = append(errs, e.source.Close())
	}
	if e.t != nil {
		errs = append(errs, e.t.close())
	}
	return errors.Join(errs...)
}
