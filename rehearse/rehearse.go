package rehearse

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/rehearse/receipt"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/snapshot"
)

// Options of a rehearsal.
type Options struct {
	// Password is the owner's backup password. Zero: the keys that the snapshot
	// keeps are used, and the receipt says so. A sealed snapshot needs it.
	Password secret.BackupPassword
	// Program is the name and version of this program, for the receipt.
	Program string
	// Dir is where the virtual phone has its folder for as long as it lives, some
	// kilobytes, and encrypted scratch files for large databases; "" is the
	// system's folder for temporary files.
	Dir string
	// DontStore keeps the receipt out of the repository.
	DontStore bool
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

var (
	// ErrNeedsPassword: the snapshot is sealed, so that only the backup password
	// can tell what is in it.
	ErrNeedsPassword = errors.New("the snapshot is sealed: its rehearsal needs the backup password")
	// ErrTooOld: the backup is of iOS 4 to 9, which no phone of today takes.
	ErrTooOld = errors.New("a backup of iOS 9 or older cannot be restored by this program, and so not rehearsed")
)

// Result is a rehearsal that was carried out, passed or not.
type Result struct {
	*receipt.Receipt
	// Stored is the receipt's own snapshot; zero with Options.DontStore.
	Stored repository.Snapshot
}

// Snapshot rehearses a snapshot. What is wrong with it is in the receipt; an error
// means that it could not be rehearsed at all: ctx has ended, the repository
// cannot be reached, the password is needed. rep is told how far it is.
func Snapshot(ctx context.Context, p *snapshot.Snapshot, opt Options, rep progress.Reporter) (*Result, error) {
	r := newRehearsal(p.Session(), p.Info(), opt, rep)
	r.p = p
	return r.conclude(ctx)
}

// Named is [Snapshot] for one that may be too damaged to be opened.
func Named(ctx context.Context, s *repository.Session, info snapshot.Info, opt Options, rep progress.Reporter) (*Result, error) {
	r := newRehearsal(s, info, opt, rep)
	p, err := snapshot.Open(ctx, s, info.Snapshot)
	switch {
	case errors.Is(err, snapshot.ErrNotPhone) && info.Kind != snapshot.Backup, err != nil && ctx.Err() != nil:
		return nil, fmt.Errorf("rehearse: %w", err)
	case err != nil:
		r.fail("keepsake.json", err.Error())
	}
	r.p = p
	return r.conclude(ctx)
}

// rehearsal is one at work.
type rehearsal struct {
	s    *repository.Session
	p    *snapshot.Snapshot // nil when it cannot be opened
	info snapshot.Info
	opt  Options
	rep  progress.Reporter
	out  *receipt.Receipt
	told map[receipt.Finding]bool
}

func newRehearsal(s *repository.Session, info snapshot.Info, opt Options, rep progress.Reporter) *rehearsal {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	return &rehearsal{s: s, info: info, opt: opt, rep: rep, told: map[receipt.Finding]bool{}, out: &receipt.Receipt{
		Layout: receipt.Layout, Snapshot: info.ID, Tree: *info.Tree, Original: original(info), Taken: info.Time.UTC(), UDID: info.UDID, Name: info.Name,
		IOS: info.IOS, Program: opt.Program, Phone: "virtual phone", Began: opt.Now().UTC().Truncate(time.Second), Passed: true, Sealed: info.Sealed,
	}}
}

// fail notes something because of which the snapshot does not pass, once.
func (r *rehearsal) fail(path, text string) { r.note(receipt.Failure, path, text) }

func (r *rehearsal) warn(path, text string) { r.note(receipt.Warning, path, text) }

func (r *rehearsal) note(level receipt.Level, path, text string) {
	f := receipt.Finding{Level: level, Path: path, Text: text}
	if !r.told[f] {
		r.told[f] = true
		r.out.Add(level, path, text)
	}
}

// conclude rehearses and stores the receipt.
func (r *rehearsal) conclude(ctx context.Context) (*Result, error) {
	work := r.run
	if r.p == nil {
		work = r.readAll
	}
	if err := work(ctx); err != nil {
		return nil, fmt.Errorf("rehearse snapshot %s: %w", r.info.ID.Short(), err)
	}
	r.out.Ended = r.opt.Now().UTC().Truncate(time.Second)
	res := &Result{Receipt: r.out}
	if r.opt.DontStore {
		return res, nil
	}
	w, err := r.s.Writer(ctx)
	if err != nil {
		return res, fmt.Errorf("store receipt: %w", err)
	}
	res.Stored, err = receipt.Save(ctx, w, r.out)
	return res, errors.Join(err, w.Close())
}

// readAll names what cannot be read of a snapshot that cannot be opened.
func (r *rehearsal) readAll(ctx context.Context) error {
	r.rep.Phase("verify", "Looking for what is damaged")
	return newComparison(ctx, r, nil, &snapshot.Meta{}).read(*r.info.Tree)
}

// labels looks whether the snapshot's tags say what it is, since versions are found,
// kept and forgotten by them, and names what the phone could not give at the time.
func (r *rehearsal) labels(meta *snapshot.Meta) {
	if r.info.Sealed != meta.Sealed {
		r.fail("", fmt.Sprintf("its tags say sealed: %t, and keepsake.json %t", r.info.Sealed, meta.Sealed))
	}
	if r.info.IOS != meta.ProductVersion {
		r.fail("", fmt.Sprintf("its tags say iOS %s, and keepsake.json %s", r.info.IOS, meta.ProductVersion))
	}
	for _, u := range meta.Unread {
		r.warn(u.Path, "could not be read when the backup was made, and is missing, damaged or of an earlier time: "+u.Why)
	}
}

// run is the rehearsal: what lies beside the files, the restore, the comparison.
func (r *rehearsal) run(ctx context.Context) (err error) {
	meta := r.p.Meta()
	if meta.Sealed && r.opt.Password.IsZero() {
		return ErrNeedsPassword
	}
	r.rep.Phase("lists", "Looking at the lists of the snapshot")
	b, err := r.lists(ctx, &meta)
	if err != nil {
		return err
	}
	r.labels(&meta)
	var got phoneContents
	if b != nil {
		dir, err := os.MkdirTemp(r.opt.Dir, "keepsake-rehearsal-*")
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		phone, err := r.restore(ctx, dir, b)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, phone.close()) }()
		got = phone.contents()
	}
	return r.compare(ctx, &meta, got)
}
