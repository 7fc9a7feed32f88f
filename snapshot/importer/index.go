package importer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/keybag"
)

// errSecretCells: the rows of the index are encrypted one by one with the
// password itself, so that whoever has the keys alone cannot read them. The backup
// is stored as it is then.
var errSecretCells = errors.New("the index is one of iOS 10.0, which cannot be stored in clear")

const (
	scratchTemplate = "keepsake-import-"
	indexBatch      = 1000
	maxWAL          = 1 << 30
)

// indexFile is the index of a backup as a plain SQLite file.
type indexFile struct {
	io.ReaderAt
	size int64
	// stored is the index as it is in the folder, where that is encrypted.
	stored     io.ReaderAt
	storedSize int64

	info    fs.FileInfo // of Manifest.db in the folder, when it was opened; nil when there is none
	notice  string      // what was done to it, for people
	closers []func() error
}

func (x *indexFile) Close() error {
	var errs []error
	for _, c := range x.closers {
		errs = append(errs, c())
	}
	return errors.Join(errs...)
}

// openIndex opens the index of the backup b, which must be unlocked, in fsys.
func openIndex(ctx context.Context, fsys fs.FS, b *itunesbackup.Backup, old bool) (*indexFile, error) {
	if old {
		return convertOldIndex(ctx, b)
	}
	f, err := fsys.Open(itunesbackup.ManifestName)
	if err != nil {
		return nil, err
	}
	x := &indexFile{closers: []func() error{f.Close}}
	if err := x.open(ctx, fsys, f, b); err != nil {
		return nil, errors.Join(err, x.Close())
	}
	return x, nil
}

func (x *indexFile) open(ctx context.Context, fsys fs.FS, f fs.File, b *itunesbackup.Backup) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	x.info = info
	at, ok := f.(io.ReaderAt)
	if !ok || !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no regular file", itunesbackup.ManifestName)
	}
	list := b.ManifestPlist()
	if list.IsEncrypted && list.ManifestKey != nil {
		return x.decrypt(b, at, info.Size(), list.ManifestKey)
	}
	x.ReaderAt, x.size = at, info.Size()
	if list.IsEncrypted {
		return lookForSecretCells(ctx, at, info.Size())
	}
	wal, err := readBounded(fsys, walName, maxWAL)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(wal) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	return x.fold(ctx, wal)
}

// decrypt shows the plaintext.
func (x *indexFile) decrypt(b *itunesbackup.Backup, at io.ReaderAt, size int64, wrapped []byte) error {
	w, err := keybag.ParseWrappedKey(wrapped)
	if err != nil {
		return err
	}
	key, err := b.Keybag().Unwrap(w)
	if err != nil {
		return err
	}
	plain, err := keybag.DecryptTolerantAt(key, at, size)
	if err != nil {
		return err
	}
	x.ReaderAt, x.size = plain, plain.Size()
	x.stored, x.storedSize = at, size
	return nil
}

// lookForSecretCells finds out whether the rows can be read without the
// password: of iOS 10.0 they cannot (backup-format.md 3.7).
func lookForSecretCells(ctx context.Context, at io.ReaderAt, size int64) error {
	m, err := itunesbackup.OpenManifestAt(ctx, at, size)
	if err != nil {
		return err
	}
	for _, err := range m.Records(ctx) {
		if errors.Is(err, itunesbackup.ErrLocked) {
			return errors.Join(errSecretCells, m.Close())
		}
	}
	return m.Close()
}

// scratch makes a folder for an index that is in clear where it comes from, too.
func (x *indexFile) scratch() (string, error) {
	dir, err := os.MkdirTemp("", scratchTemplate)
	if err == nil {
		x.closers = append(x.closers, func() error { return os.RemoveAll(dir) })
	}
	return dir, err
}

// use makes the file at path the index.
func (x *indexFile) use(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	x.closers = append([]func() error{f.Close}, x.closers...) // before its folder goes
	info, err := f.Stat()
	x.ReaderAt, x.size = f, info.Size()
	return err
}

// fold lets SQLite write what the log beside an index holds into a copy of it.
func (x *indexFile) fold(ctx context.Context, wal []byte) error {
	dir, err := x.scratch()
	if err != nil {
		return err
	}
	path := filepath.Join(dir, itunesbackup.ManifestName)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, io.NewSectionReader(x, 0, x.size))
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.WriteFile(path+"-wal", wal, 0o600); err != nil {
		return err
	}
	m, err := itunesbackup.EditManifest(ctx, path)
	if err != nil {
		return err
	}
	if err := m.Close(); err != nil {
		return err
	}
	x.notice = "Manifest.db-wal was folded into Manifest.db: an export has the same rows in one file."
	return x.use(path)
}

// convertOldIndex makes a Manifest.db of the rows of a Manifest.mbdb.
func convertOldIndex(ctx context.Context, b *itunesbackup.Backup) (*indexFile, error) {
	x := &indexFile{}
	path, err := x.scratch()
	if err == nil {
		path = filepath.Join(path, itunesbackup.ManifestName)
		err = writeManifest(ctx, path, b)
	}
	if err == nil {
		err = x.use(path)
	}
	if err != nil {
		return nil, errors.Join(err, x.Close())
	}
	return x, nil
}

func writeManifest(ctx context.Context, path string, b *itunesbackup.Backup) error {
	m, err := itunesbackup.CreateManifest(ctx, path)
	if err != nil {
		return err
	}
	batch := make([]itunesbackup.Record, 0, indexBatch)
	for r, err := range b.Records(ctx) {
		if err != nil {
			return errors.Join(err, m.Close())
		}
		if batch = append(batch, r); len(batch) == indexBatch {
			if err := m.Put(ctx, batch); err != nil {
				return errors.Join(err, m.Close())
			}
			batch = batch[:0]
		}
	}
	return errors.Join(m.Put(ctx, batch), m.Close())
}
