package importer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/keybag"
	"github.com/keepsake-backup/keepsake/mobilebackup2/dirstore"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/snapshot"
)

// Options of an import.
type Options struct {
	// Password is asked for the backup password of an encrypted backup, until it
	// is right; wrong counts how often it was not. The zero password, like a nil
	// func, stores the backup sealed.
	Password func(ctx context.Context, f Found, wrong int) (secret.BackupPassword, error)
	// SkipDamaged imports a backup of which files are missing, or are not what the
	// phone noted, too. The snapshot names them; a phone may refuse to be restored
	// from it.
	SkipDamaged bool
	// Workers read files at the same time; 0 chooses.
	Workers int
}

// Imported is what became of one backup.
type Imported struct {
	Found
	// Snapshot is the version that was made, or with Known the one that was there
	// already. It is the zero value when Err is set.
	Snapshot snapshot.Info
	Known    bool
	Sealed   bool
	Why      string // it is sealed, in words; "" when nobody gave a password
	Files    int64  // stored files read
	Bytes    int64  // of them
	Added    int64  // to the repository, as stored there
	Notices  []string
	// Unread are the files that are missing or not what the phone noted, as
	// "domain/path: why", sorted. There are some only with SkipDamaged.
	Unread []string
	// Err hides Found.Err, and is what kept this backup out.
	Err  error
	Took time.Duration
}

// Result tells of every backup that was found, in the order of the work.
type Result struct{ Backups []Imported }

// Folder imports the backup in dir, or every backup below it: [Find] and [Backups].
// What is wrong with a single one is the error.
func Folder(ctx context.Context, s *repository.Session, dir string, o Options, rep progress.Reporter) (*Result, error) {
	rep.Phase("look", "Looking for backups in "+dir)
	found, err := Find(ctx, dir)
	if err != nil {
		return nil, err
	}
	result, err := Backups(ctx, s, found, o, rep)
	if err == nil && len(found) == 1 {
		err = result.Backups[0].Err
	}
	return result, err
}

// Backups imports what [Find] found, in that order. What is wrong with one is told
// in its Err, and the others are imported all the same. Errors of the repository
// end it.
func Backups(ctx context.Context, s *repository.Session, found []Found, o Options, rep progress.Reporter) (*Result, error) {
	r := &run{session: s, opts: o, rep: rep}
	result := &Result{}
	var err error
	if r.infos, err = snapshot.List(ctx, s); err != nil {
		return result, err
	}
	for i, f := range found {
		if len(found) > 1 {
			rep.Say(progress.Detail, fmt.Sprintf("Backup %d of %d: %s", i+1, len(found), f.Path))
		}
		one, err := r.one(ctx, f)
		if err != nil {
			return result, err
		}
		result.Backups = append(result.Backups, one)
	}
	return result, nil
}

// run is one import of one or more backups.
type run struct {
	session *repository.Session
	opts    Options
	rep     progress.Reporter
	infos   []snapshot.Info // of the repository, those made here included
	// original is the snapshot that is unsealed; nil when a folder is imported.
	original *format.ID
	tags     []string // more of them
}

// one imports a backup. An error ends the whole run; what concerns this backup
// alone is in Err.
func (r *run) one(ctx context.Context, f Found) (one Imported, err error) {
	began := time.Now()
	one = Imported{Found: f, Err: f.Err}
	if one.Err != nil {
		return one, nil
	}
	fsys, previous, err := dirstore.Previous(f.Path)
	if err != nil {
		return one, fmt.Errorf("import %s: %w", f.Path, err)
	}
	defer func() { err = errors.Join(err, fsys.Close()) }()
	if previous != f.Previous {
		one.Err = fmt.Errorf("import %s: somebody else is writing into it", f.Path)
		return one, nil
	}
	if previous {
		one.Notices = append(one.Notices, "The last run into this folder was interrupted. What is imported is the backup before it, which was kept.")
	}
	err = r.take(ctx, fsys, &one)
	var damaged *DamagedError
	var changed *ChangedError
	switch one.Took = time.Since(began); {
	case err == nil:
	case ctx.Err() != nil:
		return one, err
	case errors.As(err, &damaged), errors.As(err, &changed), errors.Is(err, keybag.ErrWrongPassword), errors.Is(err, itunesbackup.ErrMalformed):
		one.Err, err = err, nil
	}
	return one, err
}

func (r *run) take(ctx context.Context, fsys fs.FS, one *Imported) (err error) {
	b, err := itunesbackup.OpenFS(ctx, fsys)
	if err != nil {
		return &DamagedError{one.Path, []string{err.Error()}}
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	src := &source{Found: one.Found, fsys: fsys, backup: b}
	if err := src.readLists(); err != nil {
		return err
	}
	if known, ok, err := r.known(ctx, src); err != nil || ok {
		one.Snapshot, one.Known, one.Sealed = known, ok, known.Sealed
		return err
	}
	if err := r.unlock(ctx, src); err != nil {
		return err
	}
	sn, err := r.store(ctx, src, one)
	if err != nil {
		return err
	}
	one.Snapshot = snapshot.Describe(sn)
	r.infos = append(r.infos, one.Snapshot)
	return nil
}

// source is a backup folder that is open.
type source struct {
	Found
	fsys                   fs.FS
	backup                 *itunesbackup.Backup
	info, manifest, status []byte // the property lists; info is nil when there is none
	oldIndex               []byte // Manifest.mbdb; nil when there is a Manifest.db
}

func (src *source) readLists() (err error) {
	for _, l := range []struct {
		name     string
		to       *[]byte
		optional bool
	}{{itunesbackup.ManifestListName, &src.manifest, false}, {itunesbackup.StatusName, &src.status, false}, {itunesbackup.InfoName, &src.info, true}} {
		*l.to, err = readList(src.fsys, l.name)
		if err != nil && !(l.optional && errors.Is(err, fs.ErrNotExist)) {
			return &DamagedError{src.Path, []string{err.Error()}}
		}
	}
	if src.Old {
		if src.oldIndex, err = readBounded(src.fsys, oldIndexName, maxOldIndex); err != nil {
			return &DamagedError{src.Path, []string{err.Error()}}
		}
	}
	return nil
}

// unlock opens an encrypted backup, if there is a password.
func (r *run) unlock(ctx context.Context, src *source) error {
	if !src.Encrypted || r.opts.Password == nil {
		return nil
	}
	for wrong := 0; ; wrong++ {
		r.rep.Phase("", "")
		password, err := r.opts.Password(ctx, src.Found, wrong)
		if err != nil || password.IsZero() {
			return err
		}
		r.rep.Phase("unlock", "Trying the password (this takes a while by design)")
		err = src.backup.Unlock(ctx, password)
		if !errors.Is(err, keybag.ErrWrongPassword) {
			return err
		}
	}
}

// known finds the same backup in the repository, however it came there.
func (r *run) known(ctx context.Context, src *source) (snapshot.Info, bool, error) {
	r.rep.Phase("compare", "Looking whether the repository has it")
	for _, info := range r.infos {
		if info.Kind != snapshot.Backup || info.UDID != src.UDID {
			continue
		}
		same, err := r.same(ctx, src, info)
		if err != nil {
			return info, false, fmt.Errorf("compare with snapshot %s: %w", info.ID.Short(), err)
		}
		if same {
			return info, true, nil
		}
	}
	return snapshot.Info{}, false, nil
}

// listsDir is where a snapshot keeps the property lists, below /<UDID>.
const listsDir = "_ios/"

// same compares what tells one backup of a phone from any other: the state that
// the phone made, with its UUID and date; the keybag; the index.
func (r *run) same(ctx context.Context, src *source, info snapshot.Info) (bool, error) {
	p, err := snapshot.Open(ctx, r.session, info.Snapshot)
	if err != nil {
		return false, err
	}
	// Not through p.Folder, which loads an index: there may be hundreds of versions.
	lists := r.session.FS(ctx, p.Tree())
	for _, l := range []struct {
		name string
		want []byte
	}{{itunesbackup.StatusName, src.status}, {itunesbackup.ManifestListName, src.manifest}} {
		got, err := readList(lists, listsDir+l.name)
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		if err != nil || !bytes.Equal(got, l.want) {
			return false, err
		}
	}
	folder, err := p.Folder(ctx)
	if err != nil {
		return false, err
	}
	return r.sameIndex(ctx, src, folder)
}

func (r *run) sameIndex(ctx context.Context, src *source, folder fs.FS) (bool, error) {
	name := itunesbackup.ManifestName
	if src.Old {
		name = oldIndexName
	}
	theirs, err := folder.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer theirs.Close()
	info, err := theirs.Stat()
	if err != nil {
		return false, err
	}
	ours, size, done, err := src.openStoredIndex(ctx, name)
	if err != nil {
		return false, err
	}
	same := size == info.Size()
	if same {
		same, err = sameBytes(ours, theirs)
	}
	return same, errors.Join(err, done())
}

// openStoredIndex opens the index as it is stored, but for a log beside it.
func (src *source) openStoredIndex(ctx context.Context, name string) (io.Reader, int64, func() error, error) {
	if !src.Old && !src.Encrypted {
		x, err := openIndex(ctx, src.fsys, src.backup, false)
		if err != nil {
			return nil, 0, nil, err
		}
		return io.NewSectionReader(x, 0, x.size), x.size, x.Close, nil
	}
	f, err := src.fsys.Open(name)
	if err != nil {
		return nil, 0, nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, nil, errors.Join(err, f.Close())
	}
	return f, info.Size(), f.Close, nil
}

// sameBytes compares two readers of the same length.
func sameBytes(a, b io.Reader) (bool, error) {
	const piece = 1 << 20
	left, right := make([]byte, piece), make([]byte, piece)
	for {
		n, err := io.ReadFull(a, left)
		m, errB := io.ReadFull(b, right)
		if n != m || !bytes.Equal(left[:n], right[:m]) {
			return false, nil
		}
		ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !ended {
			return false, err
		}
		if errB != nil && !errors.Is(errB, io.EOF) && !errors.Is(errB, io.ErrUnexpectedEOF) {
			return false, errB
		}
		if ended {
			return true, nil
		}
	}
}
