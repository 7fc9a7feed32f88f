package rehearse

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/keepsake-backup/keepsake/itunesbackup"
)

// open opens the folder of the snapshot as package itunesbackup does, unlocked.
func (r *rehearsal) open(ctx context.Context) (*itunesbackup.Backup, error) {
	folder, err := r.p.Folder(ctx)
	if err != nil {
		return nil, err
	}
	b, err := itunesbackup.OpenFS(ctx, folder)
	if err != nil {
		return nil, err
	}
	if r.opt.Password.IsZero() {
		err = b.UnlockKeys(ctx, r.p.Meta().Keys.Classes())
	} else {
		err = b.Unlock(ctx, r.opt.Password)
	}
	if err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// sealed goes through the rows of a sealed snapshot. Its contents are ciphertext:
// they are decrypted here by what reads backup folders, beside the phone.
func (c *comparison) sealed() error {
	b, err := c.r.open(c.ctx)
	if err != nil {
		return c.r.blame(itunesbackup.ManifestName, err)
	}
	err = c.rows(b)
	if werr := c.work.Wait(); werr != nil {
		err = werr
	}
	return errors.Join(err, b.Close())
}

func (c *comparison) rows(b *itunesbackup.Backup) error {
	for row, err := range b.Records(c.ctx) {
		if errors.Is(err, itunesbackup.ErrPlaceholder) {
			continue
		}
		if err != nil {
			if err := c.r.blame(itunesbackup.ManifestName, err); err != nil {
				return err
			}
			continue
		}
		e, _ := promised(row)
		err := c.entry(entry{key: e.Key(), mode: e.Mode, mtime: e.ModTime.Unix(), target: e.Target, open: func() (fs.File, error) {
			f, err := b.OpenRecord(row)
			if err != nil {
				return nil, fmt.Errorf("%w: %w", errContent, err)
			}
			return f, nil
		}})
		if err != nil {
			return err
		}
	}
	return nil
}

// verify looks into the folder that a phone would be given, when it would not take
// it: every digest, every key, every row. It is there to name what is wrong.
func (r *rehearsal) verify(ctx context.Context) error {
	r.rep.Phase("verify", "Looking for what is damaged")
	b, err := r.open(ctx)
	if err != nil {
		return r.blame("", err)
	}
	v, err := b.Verify(ctx, itunesbackup.VerifyOptions{Digests: true, Decrypt: true})
	if err != nil {
		return errors.Join(r.blame("", err), b.Close())
	}
	for _, p := range v.Problems {
		switch p.Severity {
		case itunesbackup.Failure:
			r.fail(p.Path, p.What)
		case itunesbackup.Warning:
			r.warn(p.Path, p.What)
		}
	}
	return b.Close()
}
