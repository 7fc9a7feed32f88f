package export

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/itunesbackup"
)

// prepare decides how the form asked for is made, and proves the password, before
// anything is written.
func (e *exporter) prepare(ctx context.Context) error {
	encrypted := e.p.Meta().Encrypted
	switch e.opts.Form {
	case NewPassword:
		if e.opts.NewPassword.IsZero() {
			return errors.New("there is no new password")
		}
		e.result.Encrypted = true
		if encrypted && !e.opts.Password.IsZero() {
			return e.rewrap(ctx)
		}
		e.result.KeychainLost = true
		return e.openForConversion(ctx)
	case Decrypted:
		if !encrypted {
			return nil
		}
		e.result.Encrypted, e.result.KeychainLost = false, true
		return e.openForConversion(ctx)
	}
	return nil
}

// rewrap makes Manifest.plist anew, with the keys of the phone under the new
// password.
func (e *exporter) rewrap(ctx context.Context) error {
	raw, err := readList(e.folder, itunesbackup.ManifestListName)
	if err != nil {
		return err
	}
	e.rep.Phase("unlock", "Trying the password (this takes a while by design)")
	e.manifest, err = itunesbackup.NewManifestPassword(ctx, raw, e.opts.Password, e.opts.NewPassword, e.opts.Rounds, e.opts.Iterations)
	return err
}

// openForConversion opens the backup in clear: with the keys that an unsealed
// snapshot has, or with the password.
func (e *exporter) openForConversion(ctx context.Context) error {
	b, err := itunesbackup.OpenFS(ctx, e.folder)
	if err != nil {
		return err
	}
	if b.Encrypted() {
		if keys := e.p.Meta().Keys; !keys.IsZero() {
			err = b.UnlockKeys(ctx, keys.Classes())
		} else if e.opts.Password.IsZero() {
			err = ErrPasswordNeeded
		} else {
			e.rep.Phase("unlock", "Trying the password (this takes a while by design)")
			err = b.Unlock(ctx, e.opts.Password)
		}
	}
	if err != nil {
		return errors.Join(err, b.Close())
	}
	e.source = b
	return nil
}

// writeConverted makes the folder anew, file by file, in its other form.
func (e *exporter) writeConverted(ctx context.Context) error {
	meta := e.p.Meta()
	e.result.Files, e.result.Bytes = meta.Files, meta.StoredBytes
	// An index has a good kilobyte a row, and is there twice for a while: in clear
	// and encrypted.
	if err := e.t.room(ctx, meta.StoredBytes+meta.Files*diskBlock+max(meta.Rows, meta.Files)*4096+spare); err != nil {
		return err
	}
	e.rep.Phase("write", "Writing "+e.result.Folder)
	o := itunesbackup.ConvertOptions{Rounds: e.opts.Rounds, Iterations: e.opts.Iterations, Progress: func(rows, total int64) {
		e.rep.Update(progress.Counters{Files: rows, FilesTotal: total})
	}}
	if e.opts.Form == NewPassword {
		o.Password = e.opts.NewPassword
	}
	dir := filepath.Join(e.t.path, e.t.unfinished())
	if err := itunesbackup.Convert(ctx, e.source, dir, o); err != nil {
		return err
	}
	if err := e.t.syncFiles(); err != nil {
		return err
	}
	if !e.opts.Verify {
		return nil
	}
	return e.verifyConverted(ctx, dir)
}

// verifyConverted opens the new backup as a stranger would, and reads all of it.
func (e *exporter) verifyConverted(ctx context.Context, dir string) (err error) {
	e.rep.Phase("verify", "Reading everything back")
	b, err := itunesbackup.Open(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	if e.opts.Form == NewPassword {
		if err := b.Unlock(ctx, e.opts.NewPassword); err != nil {
			return err
		}
	}
	report, err := b.Verify(ctx, itunesbackup.VerifyOptions{Digests: true, Decrypt: true, Progress: func(p itunesbackup.VerifyProgress) {
		e.rep.Update(progress.Counters{Files: p.Files, FilesTotal: p.FilesTotal, Bytes: p.Bytes})
	}})
	if err != nil {
		return err
	}
	if !report.OK() {
		return &VerifyError{Path: dir, Problems: problems(report)}
	}
	e.result.Verified = report.Files
	return nil
}

func problems(r *itunesbackup.Report) (list []string) {
	for _, p := range r.Problems {
		if p.Severity == itunesbackup.Failure {
			list = append(list, fmt.Sprint(p))
		}
	}
	return list
}
