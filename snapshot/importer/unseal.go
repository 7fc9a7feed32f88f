package importer

import (
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/snapshot"
)

// ErrNotSealed: the snapshot is stored in clear already.
var ErrNotSealed = errors.New("the snapshot is not sealed")

// Unseal makes, of a snapshot that is stored as encrypted as it came, one whose
// contents are in clear, so that they can be looked at, compress, and are shared
// with other versions. It has the same time, tags and iTunes folder, which is
// compared byte for byte before it is published, and names the sealed one as its
// original. The sealed one stays: whoever has no use for it forgets it.
//
// Errors: [ErrNotSealed]; keybag.ErrWrongPassword; a *DamagedError when what is
// stored is not what the phone's own list says, or cannot be taken in clear.
func Unseal(ctx context.Context, s *repository.Session, sealed *snapshot.Snapshot, password secret.BackupPassword, rep progress.Reporter) (_ *Imported, err error) {
	info := sealed.Info()
	name := "snapshot " + info.ID.Short()
	if !info.Sealed {
		return nil, fmt.Errorf("unseal %s: %w", name, ErrNotSealed)
	}
	folder, err := sealed.Folder(ctx)
	if err != nil {
		return nil, fmt.Errorf("unseal %s: %w", name, err)
	}
	b, err := itunesbackup.OpenFS(ctx, folder)
	if err != nil {
		return nil, fmt.Errorf("unseal %s: %w", name, err)
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	rep.Phase("unlock", "Trying the password (this takes a while by design)")
	if err := b.Unlock(ctx, password); err != nil {
		return nil, fmt.Errorf("unseal %s: %w", name, err)
	}
	src := &source{Found: Found{Path: name, UDID: info.UDID, Name: info.Name, IOS: info.IOS, Date: info.Time, Encrypted: true}, fsys: folder, backup: b}
	_, err = fs.Stat(folder, oldIndexName)
	src.Old = err == nil
	if err := src.readLists(); err != nil {
		return nil, err
	}
	r := &run{session: s, rep: rep, original: &info.ID, tags: otherTags(info)}
	if r.infos, err = snapshot.List(ctx, s); err != nil {
		return nil, err
	}
	began, one := time.Now(), &Imported{Found: src.Found}
	sn, err := r.store(ctx, src, one)
	if err != nil {
		return nil, err
	}
	one.Snapshot, one.Took = snapshot.Describe(sn), time.Since(began)
	return one, nil
}

// otherTags are those that somebody gave the snapshot. Those of its contents come
// by themselves.
func otherTags(info snapshot.Info) []string {
	return slices.DeleteFunc(slices.Clone(info.Tags), func(tag string) bool { return tag == snapshot.TagSealed })
}

// prove compares the iTunes folder of the new snapshot, read from the repository
// and encrypted again, with that of the sealed one, byte for byte. The stored files
// were hashed when they were read from it.
func (r *run) prove(ctx context.Context, w *repository.Writer, built *snapshot.Built, want fs.FS, contents map[itunesbackup.FileID]snapshot.Content) error {
	p, err := built.Open(ctx, w, r.session)
	if err != nil {
		return err
	}
	folder, err := p.Folder(ctx)
	if err != nil {
		return err
	}
	r.rep.Phase("compare", "Comparing it with the sealed snapshot")
	index, err := p.Index(ctx)
	if err != nil {
		return err
	}
	if index.Len() != len(contents) {
		return fmt.Errorf("compare with the sealed snapshot: %d files, want %d", index.Len(), len(contents))
	}
	top, err := fs.ReadDir(want, ".")
	if err != nil {
		return err
	}
	for _, d := range top {
		if d.IsDir() {
			continue
		}
		if _, err := itunesbackup.ParseFileID(d.Name()); err == nil {
			continue
		}
		if err := sameFile(want, folder, d.Name()); err != nil {
			return err
		}
	}
	return r.proveFiles(ctx, folder, contents)
}

func (r *run) proveFiles(ctx context.Context, folder *snapshot.Folder, contents map[itunesbackup.FileID]snapshot.Content) error {
	g, each := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0) + 2)
	var done atomic.Int64
	for id, c := range contents {
		if each.Err() != nil {
			break
		}
		g.Go(func() error {
			sum, err := sha1Of(folder, folder.Place(id))
			if err == nil && sum != c.SHA1 {
				err = errors.New("other bytes")
			}
			if err != nil {
				return fmt.Errorf("compare %s with the sealed snapshot: %w", id, err)
			}
			r.rep.Update(progress.Counters{Files: done.Add(1), FilesTotal: int64(len(contents))})
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

func sha1Of(fsys fs.FS, name string) (sum [sha1.Size]byte, err error) {
	f, err := fsys.Open(name)
	if err != nil {
		return sum, err
	}
	h := sha1.New()
	_, err = io.Copy(h, f)
	h.Sum(sum[:0])
	return sum, errors.Join(err, f.Close())
}

// sameFile compares a file of two folders.
func sameFile(a, b fs.FS, name string) (err error) {
	var files [2]fs.File
	for i, fsys := range []fs.FS{a, b} {
		f, err := fsys.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		files[i] = f
	}
	same, err := sameBytes(files[0], files[1])
	if err == nil && !same {
		err = fmt.Errorf("compare %s with the sealed snapshot: other bytes", name)
	}
	return err
}
