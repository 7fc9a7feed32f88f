package itunesbackup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/keepsake-backup/keepsake/keybag"
)

// File is the content of one file of the phone, in clear. ReadAt may be used
// concurrently, also with Read and Seek.
type File struct {
	record Record
	stored fs.File
	*io.SectionReader
	damage error
}

// Open opens a file by its address for reading. The error wraps fs.ErrNotExist
// when there is no such row or its content is not in the folder, [ErrLocked]
// when a password is needed.
func (b *Backup) Open(ctx context.Context, domain, relativePath string) (*File, error) {
	r, ok, err := b.Find(ctx, domain, relativePath)
	if err != nil {
		return nil, fmt.Errorf("open %s/%s: %w", domain, relativePath, err)
	}
	if !ok {
		return nil, fmt.Errorf("open %s/%s: not in the backup: %w", domain, relativePath, fs.ErrNotExist)
	}
	return b.OpenRecord(r)
}

// OpenRecord opens the content of a row of this backup. A stored file that is
// cut short or has no valid padding is refused with [keybag.ErrCutShort] or
// [keybag.ErrPadding]; see [Backup.OpenDamaged]. The content's length is the
// file's Size, which may differ from that in the record.
func (b *Backup) OpenRecord(r Record) (*File, error) {
	f, err := b.OpenDamaged(r)
	if err != nil {
		return nil, err
	}
	if f.damage != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", r.Key(), f.damage), f.Close())
	}
	return f, nil
}

// OpenDamaged is OpenRecord that gives what there is of a damaged file;
// [File.Damage] tells.
func (b *Backup) OpenDamaged(r Record) (*File, error) {
	if kind := r.Kind(); kind != FlagFile {
		return nil, fmt.Errorf("open %s: no regular file (kind %d): %w", r.Key(), kind, fs.ErrInvalid)
	}
	stored, err := b.fsys.Open(b.storedName(r.ID))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", r.Key(), err)
	}
	f := &File{record: r, stored: stored}
	if err := f.open(b); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", r.Key(), err), stored.Close())
	}
	return f, nil
}

func (f *File) open(b *Backup) error {
	src, size, err := readerAt(f.stored)
	if err != nil {
		return err
	}
	// Without a key a file is stored in clear, also in an encrypted backup.
	if !b.Encrypted() || f.record.File.EncryptionKey == nil {
		f.SectionReader = io.NewSectionReader(src, 0, size)
		return nil
	}
	key, err := b.fileKey(f.record)
	if err != nil {
		return err
	}
	plain, err := keybag.DecryptTolerantAt(key, src, size)
	if err != nil {
		return err
	}
	f.damage = plain.Damage()
	f.SectionReader = io.NewSectionReader(plain, 0, plain.Size())
	return nil
}

func (b *Backup) fileKey(r Record) (keybag.Key, error) {
	wrapped, err := keybag.ParseWrappedKey(r.File.EncryptionKey)
	if err != nil {
		return keybag.Key{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	key, err := b.bag.Unwrap(wrapped)
	if errors.Is(err, keybag.ErrLocked) {
		return keybag.Key{}, ErrLocked
	}
	return key, err
}

// Record is the row the file was opened from.
func (f *File) Record() Record { return f.record }

// Damage is nil unless the file came from [Backup.OpenDamaged] and is damaged.
func (f *File) Damage() error { return f.damage }

// Stat describes the file: the size of the content, the phone's mode and time.
func (f *File) Stat() (fs.FileInfo, error) { return newFileInfo(f.record, f.Size()), nil }

// Close releases the stored file.
func (f *File) Close() error { return f.stored.Close() }
