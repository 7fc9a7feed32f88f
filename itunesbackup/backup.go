package itunesbackup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"sync"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/keybag"
)

// Names in the top folder of a backup.
const (
	InfoName         = "Info.plist"
	ManifestListName = "Manifest.plist"
	ManifestName     = manifestName
	StatusName       = "Status.plist"
	oldIndexName     = "Manifest.mbdb"
	snapshotName     = "Snapshot" // where a running backup collects files
)

// Bounds of what is read whole. The largest Info.plist seen has 9.5 MB, the
// largest Manifest.plist 0.4 MB.
const (
	maxPlist  = 256 << 20
	maxStatus = 64 << 10
	maxMBDB   = 1 << 30
)

// Backup is an open backup folder. Its methods may be called concurrently.
type Backup struct {
	fsys    fs.FS
	closers []func() error

	manifest ManifestPlist
	bag      *keybag.Keybag // nil when the folder has none

	mu     sync.RWMutex
	index  index // guarded by mu; nil while the backup is locked
	damage error // guarded by mu; of the encrypted Manifest.db, as keybag reports it
}

// index is a manifest of either generation.
type index interface {
	Records(context.Context) iter.Seq2[Record, error]
	Get(context.Context, FileID) (Record, bool, error)
	Find(ctx context.Context, domain, relativePath string) (Record, bool, error)
	Count(context.Context) (int64, error)
	Close() error
}

// OpenFS opens the backup in a file system, whose files must be io.ReaderAt, as
// those of os, embed-like and test file systems are. Only Manifest.plist is
// indispensable, and the index unless it is encrypted: that waits for
// [Backup.Unlock]. fsys must stay usable until Close.
func OpenFS(ctx context.Context, fsys fs.FS) (*Backup, error) {
	b := &Backup{fsys: fsys}
	raw, err := readFile(fsys, ManifestListName, maxPlist)
	if err != nil {
		return nil, fmt.Errorf("open backup: %w", err)
	}
	if b.manifest, err = ParseManifestPlist(raw); err != nil {
		return nil, fmt.Errorf("open backup: %w", err)
	}
	if b.manifest.BackupKeyBag != nil {
		if b.bag, err = keybag.Parse(b.manifest.BackupKeyBag); err != nil {
			return nil, fmt.Errorf("open backup: %w", err)
		}
	} else if b.manifest.IsEncrypted {
		return nil, fmt.Errorf("open backup: %w: encrypted, but Manifest.plist has no BackupKeyBag", ErrMalformed)
	}
	if b.indexLocked() {
		return b, nil
	}
	if err := b.openIndex(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open backup: %w", err), b.Close())
	}
	return b, nil
}

// indexLocked tells whether the index cannot be read without the password.
func (b *Backup) indexLocked() bool { return b.manifest.IsEncrypted && b.manifest.ManifestKey != nil }

// Encrypted tells whether the backup has a password.
func (b *Backup) Encrypted() bool { return b.manifest.IsEncrypted }

// Unlocked tells whether everything can be read: the backup is not encrypted or
// [Backup.Unlock] has succeeded.
func (b *Backup) Unlocked() bool { return !b.manifest.IsEncrypted || b.bag.Unlocked() }

// ManifestPlist is Manifest.plist as it was when the backup was opened.
func (b *Backup) ManifestPlist() ManifestPlist { return b.manifest }

// Keybag is the backup's keybag, nil when it has none (mended or made by tools).
func (b *Backup) Keybag() *keybag.Keybag { return b.bag }

// StatusPlist reads Status.plist. The error wraps fs.ErrNotExist when there is none.
func (b *Backup) StatusPlist() (StatusPlist, error) {
	raw, err := readFile(b.fsys, StatusName, maxStatus)
	if err != nil {
		return StatusPlist{}, err
	}
	return ParseStatusPlist(raw)
}

// InfoPlist reads Info.plist. The error wraps fs.ErrNotExist when there is none.
func (b *Backup) InfoPlist() (InfoPlist, error) {
	raw, err := readFile(b.fsys, InfoName, maxPlist)
	if err != nil {
		return InfoPlist{}, err
	}
	return ParseInfoPlist(raw)
}

// Unlock opens the keybag and the index with the backup password; of an
// unencrypted backup there is nothing to open. It takes seconds of one core.
// Errors: [keybag.ErrWrongPassword], [ErrMalformed], ctx's error.
func (b *Backup) Unlock(ctx context.Context, password secret.BackupPassword) error {
	if !b.manifest.IsEncrypted {
		return nil
	}
	if err := b.bag.Unlock(ctx, password); err != nil {
		return fmt.Errorf("unlock backup: %w", err)
	}
	if err := b.openIndex(ctx); err != nil {
		return fmt.Errorf("unlock backup: %w", err)
	}
	if m, ok := b.currentIndex().(*Manifest); ok {
		if err := m.unlockCells(password); err != nil {
			return fmt.Errorf("unlock backup: %w", err)
		}
	}
	return nil
}

// UnlockKeys opens the backup with the keys of the classes that protect files
// (keybag.Keybag.FileKeys) instead of the password. The keychain's stay locked.
// Errors: [keybag.ErrWrongKey] when they are those of another backup,
// [ErrMalformed], ctx's error.
func (b *Backup) UnlockKeys(ctx context.Context, keys map[keybag.Class]keybag.Key) error {
	if !b.manifest.IsEncrypted {
		return nil
	}
	if b.indexLocked() {
		wrapped, err := keybag.ParseWrappedKey(b.manifest.ManifestKey)
		if err != nil {
			return fmt.Errorf("unlock backup: %w: %w", ErrMalformed, err)
		}
		if _, err := wrapped.Unwrap(keys[wrapped.Class()]); err != nil {
			return fmt.Errorf("unlock backup: %w", err)
		}
	}
	if err := b.bag.UseKeys(keys); err != nil {
		return fmt.Errorf("unlock backup: %w", err)
	}
	if err := b.openIndex(ctx); err != nil {
		return fmt.Errorf("unlock backup: %w", err)
	}
	return nil
}

// unsealed is a stored file that was encrypted a moment ago for whoever reads it:
// it gives what it would decrypt to, if key is the one it was encrypted with.
type unsealed interface {
	Unsealed(key keybag.Key) (plain io.ReaderAt, size int64, ok bool)
}

func (b *Backup) currentIndex() index {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.index
}

// openIndex opens the index unless it is open.
func (b *Backup) openIndex(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.index != nil {
		return nil
	}
	f, err := b.fsys.Open(manifestName)
	if errors.Is(err, fs.ErrNotExist) {
		if old, oldErr := readFile(b.fsys, oldIndexName, maxMBDB); oldErr == nil {
			b.index, err = newMBDBIndex(old)
			return err
		} else if !errors.Is(oldErr, fs.ErrNotExist) {
			return oldErr
		}
	}
	if err != nil {
		return err
	}
	m, err := b.openManifestLocked(ctx, f)
	if err != nil {
		return errors.Join(err, f.Close())
	}
	m.closers = append(m.closers, f.Close)
	b.index = m
	return nil
}

func (b *Backup) openManifestLocked(ctx context.Context, f fs.File) (*Manifest, error) {
	src, size, err := readerAt(f)
	if err != nil {
		return nil, fmt.Errorf("open manifest: %w", err)
	}
	if !b.indexLocked() {
		wal, err := readFile(b.fsys, manifestName+"-wal", maxWAL)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if src, size, err = applyWAL(src, size, wal); err != nil {
			return nil, fmt.Errorf("open manifest: %w", err)
		}
		return openManifestAt(ctx, src, size)
	}
	wrapped, err := keybag.ParseWrappedKey(b.manifest.ManifestKey)
	if err != nil {
		return nil, fmt.Errorf("open manifest: %w: %w", ErrMalformed, err)
	}
	key, err := b.bag.Unwrap(wrapped)
	if err != nil {
		return nil, fmt.Errorf("open manifest: %w", err)
	}
	if u, ok := f.(unsealed); ok {
		if plain, size, ok := u.Unsealed(key); ok {
			return openManifestAt(ctx, plain, size)
		}
	}
	plain, err := keybag.DecryptTolerantAt(key, src, size)
	if err != nil {
		return nil, fmt.Errorf("open manifest: %w", err)
	}
	b.damage = plain.Damage()
	return openManifestAt(ctx, plain, plain.Size())
}

// Records gives every row of the index as [Manifest.Records] does; [ErrLocked]
// alone while the index is locked.
func (b *Backup) Records(ctx context.Context) iter.Seq2[Record, error] {
	if idx := b.currentIndex(); idx != nil {
		return idx.Records(ctx)
	}
	return func(yield func(Record, error) bool) { yield(Record{}, ErrLocked) }
}

// Get finds a row by file ID.
func (b *Backup) Get(ctx context.Context, id FileID) (Record, bool, error) {
	if idx := b.currentIndex(); idx != nil {
		return idx.Get(ctx, id)
	}
	return Record{}, false, ErrLocked
}

// Find finds a row by its address.
func (b *Backup) Find(ctx context.Context, domain, relativePath string) (Record, bool, error) {
	if idx := b.currentIndex(); idx != nil {
		return idx.Find(ctx, domain, relativePath)
	}
	return Record{}, false, ErrLocked
}

// Count is the number of rows.
func (b *Backup) Count(ctx context.Context) (int64, error) {
	if idx := b.currentIndex(); idx != nil {
		return idx.Count(ctx)
	}
	return 0, ErrLocked
}

// Close releases the folder. Files opened from it stay usable.
func (b *Backup) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var errs []error
	if b.index != nil {
		errs = append(errs, b.index.Close())
		b.index = nil
	}
	for _, c := range b.closers {
		errs = append(errs, c())
	}
	b.closers = nil
	return errors.Join(errs...)
}

// storedName is where the content of a file lies: in 256 folders beside a
// Manifest.db, flat beside an mbdb.
func (b *Backup) storedName(id FileID) string {
	if _, flat := b.currentIndex().(*mbdbIndex); flat {
		return id.String()
	}
	return id.Path()
}

// readFile reads a whole file of at most limit bytes.
func readFile(fsys fs.FS, name string, limit int64) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	err = errors.Join(err, f.Close())
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%w: more than %d bytes", ErrMalformed, limit)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return data, nil
}

func readerAt(f fs.File) (io.ReaderAt, int64, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%w: %s is no regular file", ErrMalformed, info.Name())
	}
	r, ok := f.(io.ReaderAt)
	if !ok {
		return nil, 0, fmt.Errorf("%T cannot be read at an offset", f)
	}
	return r, info.Size(), nil
}
