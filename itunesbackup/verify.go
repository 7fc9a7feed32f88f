package itunesbackup

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"path"
	"strings"

	"golang.org/x/sync/errgroup"
	"golang.org/x/text/unicode/norm"
)

// VerifyOptions say how deep [Backup.Verify] looks beyond the structure.
type VerifyOptions struct {
	// Digests compares the SHA-1 of every stored file with its row, where the row
	// has one.
	Digests bool
	// Decrypt reads every file to its end and, in an unlocked encrypted backup,
	// checks that it opens with its key and ends as it should.
	Decrypt bool
	// Workers read files at the same time; 0 means as many as there are processors.
	Workers int
	// Progress is called after every file, never concurrently; nil is allowed.
	Progress func(VerifyProgress)
}

// VerifyProgress says how far a verification is. Bytes are stored bytes.
type VerifyProgress struct {
	Files, FilesTotal int64
	Bytes             int64
}

// Verify checks the backup: that the four files are there and Status.plist says
// finished; that the index is sound, every row well-formed, every file there,
// every parent directory a row, every ID the one of its name, no file without a
// row; and what opts asks for. Nothing is changed.
//
// What is wrong with the backup is in the report, a missing password is a
// statement there. An error means that the check could not be carried out: ctx
// ended or the folder could not be read.
func (b *Backup) Verify(ctx context.Context, opts VerifyOptions) (*Report, error) {
	v := &verifier{backup: b, opts: opts, seed: maphash.MakeSeed(),
		known: map[FileID]rowMark{}, dirs: map[uint64]struct{}{}, parents: map[uint64]string{}}
	if err := v.run(ctx); err != nil {
		return nil, fmt.Errorf("verify backup: %w", err)
	}
	return &v.out.report, nil
}

type verifier struct {
	backup *Backup
	opts   VerifyOptions
	out    collector
	seed   maphash.Seed

	known   map[FileID]rowMark  // every row
	stored  int64               // how many are rowStored
	dirs    map[uint64]struct{} // hash of every directory's address
	parents map[uint64]string   // hash of every parent needed, one child of it

	progress progressMeter
}

// rowMark is what is remembered of a row.
type rowMark uint8

const (
	rowOther  rowMark = iota // no file, so nothing is stored
	rowFile                  // a file that was not seen in the folder yet
	rowStored                // a file that was
	rowFaulty                // unreadable: a stored file of its ID is no stray
)

func (v *verifier) run(ctx context.Context) error {
	b := v.backup
	v.out.report.Encrypted, v.out.report.Unlocked = b.Encrypted(), b.Unlocked()
	v.checkLists()
	if b.currentIndex() == nil {
		v.out.report.Statement = "The backup is encrypted and no password was given: its index, and with it every file, could not be checked."
		return ctx.Err()
	}
	if !b.Unlocked() {
		v.out.report.Statement = "The backup is encrypted and no password was given: files were not decrypted."
	}
	if err := v.checkIndex(ctx); err != nil {
		return err
	}
	if err := v.checkRows(ctx); err != nil {
		return err
	}
	if err := v.checkFolder(ctx); err != nil {
		return err
	}
	return v.checkContents(ctx)
}

// checkLists looks at the property lists beside the index.
func (v *verifier) checkLists() {
	b := v.backup
	status, err := b.StatusPlist()
	switch {
	case err != nil:
		v.out.add(Failure, StatusName, "%v", err)
	case status.SnapshotState != SnapshotFinished:
		v.out.add(Failure, StatusName, "the backup is not finished: SnapshotState %q", status.SnapshotState)
	case status.IsFullBackup:
		v.out.add(Warning, StatusName, "IsFullBackup is set: the next run starts over")
	}
	if _, err := b.InfoPlist(); errors.Is(err, fs.ErrNotExist) {
		v.out.add(Warning, InfoName, "is missing: hosts will not list the backup")
	} else if err != nil {
		v.out.add(Warning, InfoName, "%v", err)
	}
	m := b.ManifestPlist()
	if m.Version == "" {
		v.out.add(Failure, ManifestListName, "has no Version")
	}
	if m.LockdownText("UniqueDeviceID") == "" {
		v.out.add(Warning, ManifestListName, "does not name the phone (Lockdown.UniqueDeviceID)")
	}
}

func (v *verifier) checkIndex(ctx context.Context) error {
	m, ok := v.backup.currentIndex().(*Manifest)
	if !ok {
		return nil
	}
	v.backup.mu.RLock()
	damage := v.backup.damage
	v.backup.mu.RUnlock()
	if damage != nil {
		v.out.add(Warning, ManifestName, "%v", damage)
	}
	if wal, err := fs.Stat(v.backup.fsys, manifestName+"-wal"); err == nil && wal.Size() > 0 && v.backup.indexLocked() {
		v.out.add(Warning, manifestName+"-wal", "lies beside an encrypted index and was not read")
	}
	if err := m.QuickCheck(ctx); errors.Is(err, ErrMalformed) {
		v.out.add(Failure, ManifestName, "%v", err)
	} else if err != nil {
		return err
	}
	return nil
}

// checkRows goes through the index once and remembers what the later steps need.
func (v *verifier) checkRows(ctx context.Context) error {
	for r, err := range v.backup.Records(ctx) {
		var rowErr *RowError
		switch {
		case errors.As(err, &rowErr):
			v.faultyRow(r, rowErr)
		case err != nil && errors.Is(err, ErrMalformed):
			v.out.add(Failure, ManifestName, "%v", err)
			return nil
		case err != nil:
			return err
		default:
			v.checkRow(r)
		}
	}
	for hash, child := range v.parents {
		if _, ok := v.dirs[hash]; !ok {
			v.out.add(Failure, path.Dir(child), "has no row of its own, but holds %s", path.Base(child))
		}
	}
	return ctx.Err()
}

func (v *verifier) faultyRow(r Record, err *RowError) {
	v.out.report.Rows++
	severity := Failure
	if errors.Is(err, ErrPlaceholder) {
		severity = Warning
	}
	v.out.add(severity, ManifestName, "%v", err)
	if id, parseErr := ParseFileID(err.ID); parseErr == nil {
		v.known[id] = rowFaulty
	}
	if r.Flags&FlagDirectory != 0 {
		v.dirs[v.hash(r.Domain, r.RelativePath)] = struct{}{}
	}
}

func (v *verifier) checkRow(r Record) {
	report := &v.out.report
	report.Rows++
	v.known[r.ID] = rowOther
	kind := r.Kind()
	switch kind {
	case FlagFile:
		report.Files++
		v.known[r.ID] = rowFile
		v.checkKey(r)
	case FlagDirectory:
		report.Directories++
		v.dirs[v.hash(r.Domain, r.RelativePath)] = struct{}{}
	case FlagSymlink:
		report.Symlinks++
		if r.File.Target == "" {
			v.out.add(Warning, r.Key(), "link without target")
		}
	default:
		v.out.add(Failure, r.Key(), "neither file, directory nor link (flags %d, mode %#o)", r.Flags, r.File.Mode)
	}
	if kind != 0 && r.Flags&FlagsKind != kind {
		v.out.add(Warning, r.Key(), "flags %d disagree with mode %#o", r.Flags, r.File.Mode)
	} else if !r.Flags.Finished() {
		v.out.add(Warning, r.Key(), "flags %d of an unfinished backup", r.Flags)
	}
	if r.File.Inode == 0 {
		v.out.add(Warning, r.Key(), "no inode number: a restore may leave it out")
	}
	if r.File.RelativePath != r.RelativePath {
		v.out.add(Warning, r.Key(), "archived path is %q", r.File.RelativePath)
	}
	v.checkID(r)
	if r.RelativePath != "" {
		parent, _ := cutLast(r.RelativePath)
		if hash := v.hash(r.Domain, parent); v.parents[hash] == "" {
			v.parents[hash] = r.Key()
		}
	}
}

// checkKey: an encrypted backup has a key for every file that has content.
func (v *verifier) checkKey(r Record) {
	has := r.File.EncryptionKey != nil
	switch {
	case v.backup.Encrypted() && !has && r.File.Size > 0:
		v.out.add(Warning, r.Key(), "no encryption key in an encrypted backup")
	case !v.backup.Encrypted() && has:
		v.out.add(Failure, r.Key(), "an encryption key in an unencrypted backup")
	}
}

// checkID compares the ID with the name's. Phones hash another Unicode form than
// they store, so beyond ASCII every form counts (backup-format.md 1.3).
func (v *verifier) checkID(r Record) {
	for _, form := range []string{r.RelativePath, norm.NFD.String(r.RelativePath), norm.NFC.String(r.RelativePath)} {
		if MakeFileID(r.Domain, form) == r.ID {
			return
		}
	}
	for _, c := range r.RelativePath {
		if c >= 0x80 {
			v.out.add(Note, r.Key(), "file ID %s is not that of the name in a known Unicode form", r.ID)
			return
		}
	}
	v.out.add(Failure, r.Key(), "file ID %s is not that of the name", r.ID)
}

// hash stands for an address. A hundred thousand directories are kept as eight
// bytes each; should two collide, one missing parent goes unnoticed.
func (v *verifier) hash(domain, relativePath string) uint64 {
	var h maphash.Hash
	h.SetSeed(v.seed)
	h.WriteString(domain)
	h.WriteByte(0)
	h.WriteString(relativePath)
	return h.Sum64()
}

// cutLast splits a path before its last part; the parent of "a" is "".
func cutLast(p string) (parent, name string) {
	if i := strings.LastIndexByte(p, '/'); i >= 0 {
		return p[:i], p[i+1:]
	}
	return "", p
}

// checkContents names the missing files and looks into the others.
func (v *verifier) checkContents(ctx context.Context) error {
	deep := v.opts.Digests || v.opts.Decrypt
	if !deep && v.stored == v.out.report.Files {
		return nil
	}
	group, working := errgroup.WithContext(ctx)
	group.SetLimit(v.workers())
	v.progress = progressMeter{call: v.opts.Progress, state: VerifyProgress{FilesTotal: v.out.report.Files}}
	for r, err := range v.backup.Records(ctx) {
		if err != nil || r.Kind() != FlagFile {
			continue // said in checkRows
		}
		if working.Err() != nil {
			break
		}
		if v.known[r.ID] != rowStored {
			v.out.add(Failure, r.Key(), "its content is missing: no file %s", v.backup.storedName(r.ID))
			v.progress.file(0)
		} else if deep {
			group.Go(func() error { return v.checkFile(working, r) })
		}
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}
