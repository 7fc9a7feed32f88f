package itunesbackup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/keybag"
)

// ConvertOptions say what a converted backup is like.
type ConvertOptions struct {
	// Password encrypts the new backup with keys of its own; the zero value leaves
	// it in clear.
	Password secret.BackupPassword
	// Rounds and Iterations are those of [keybag.Options].
	Rounds, Iterations int
	// Rand gives keys; nil means crypto/rand.
	Rand io.Reader
	// Progress is called after every row; nil is allowed.
	Progress func(rows, total int64)
}

// Convert writes the content of b, which must be unlocked, as a new backup into
// dir, which must be empty: encrypted to clear, clear to encrypted, or with new
// keys (backup-format.md 3.5). Row IDs, classes, times and the lists' other keys
// stay; digests are made anew where there were any. It stops at the first row
// that is faulty, missing or damaged; what is in dir then is no backup.
//
// The items in the keychain's backup stay as they are: locked by the keybag of b
// or, from an unencrypted backup, by the phone. The new backup cannot give them
// back to a phone.
func Convert(ctx context.Context, b *Backup, dir string, opts ConvertOptions) error {
	if err := convert(ctx, b, dir, opts); err != nil {
		return fmt.Errorf("convert backup: %w", err)
	}
	return nil
}

func convert(ctx context.Context, b *Backup, dir string, opts ConvertOptions) error {
	total, err := b.Count(ctx)
	if err != nil {
		return err
	}
	if !b.Unlocked() {
		return ErrLocked
	}
	wo, err := convertedLists(b)
	if err != nil {
		return err
	}
	wo.Rand = opts.Rand
	if !opts.Password.IsZero() {
		wo.Keybag, err = keybag.New(ctx, keybag.Options{Encrypted: true, Password: opts.Password, Rounds: opts.Rounds, Iterations: opts.Iterations, Rand: opts.Rand})
		if err != nil {
			return err
		}
	}
	w, err := NewWriter(ctx, dir, wo)
	if err != nil {
		return err
	}
	rows := int64(0)
	for r, err := range b.Records(ctx) {
		if err == nil {
			err = convertRow(ctx, b, w, r)
		}
		if err != nil {
			return errors.Join(err, w.Abort())
		}
		if rows++; opts.Progress != nil {
			opts.Progress(rows, total)
		}
	}
	return w.Finish(ctx)
}

// convertedLists takes over the property lists.
func convertedLists(b *Backup) (WriterOptions, error) {
	o := WriterOptions{Manifest: b.ManifestPlist()}
	info, err := b.InfoPlist()
	if err == nil {
		o.Info = &info
	} else if !errors.Is(err, fs.ErrNotExist) {
		return o, err
	}
	o.Status, err = b.StatusPlist()
	return o, err
}

func convertRow(ctx context.Context, b *Backup, w *Writer, r Record) error {
	if r.Kind() != FlagFile {
		return w.AddEntry(ctx, r)
	}
	f, err := b.OpenRecord(r)
	if err != nil {
		return err
	}
	return errors.Join(w.AddFile(ctx, r, f), f.Close())
}
