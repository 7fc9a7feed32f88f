package importer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/keybag"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/snapshot"
)

// intake takes the stored files of one folder into the repository.
type intake struct {
	fsys    fs.FS
	writer  *repository.Writer
	workers int // 0: as many as there are processors, and two that read
	rep     progress.Reporter
	total   int64 // files, as far as is known

	mu          sync.Mutex
	contents    map[itunesbackup.FileID]snapshot.Content // guarded by mu
	unread      map[itunesbackup.FileID]string           // guarded by mu; why, in words
	unreadItems []item                                   // guarded by mu; the same
	bytes       int64                                    // guarded by mu; stored bytes read
}

// item is a file to be taken in.
type item struct {
	id     itunesbackup.FileID
	title  string     // for messages
	name   string     // for the way it is cut
	path   string     // in the folder
	key    keybag.Key // zero: as it is
	digest []byte     // SHA-1 of the stored bytes; nil when unknown
}

// readError is a failure of the folder, as opposed to one of the repository.
type readError struct{ err error }

func (e *readError) Error() string { return e.err.Error() }
func (e *readError) Unwrap() error { return e.err }

// each takes in what next gives, several files at a time. A file that is missing
// or damaged becomes a problem; a repository that does not take it ends all.
func (in *intake) each(ctx context.Context, next func(yield func(item) error) error) error {
	in.contents, in.unread = map[itunesbackup.FileID]snapshot.Content{}, map[itunesbackup.FileID]string{}
	workers := in.workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0) + 2
	}
	g, ctx := errgroup.WithContext(ctx)
	items := make(chan item, workers)
	g.Go(func() error {
		defer close(items)
		return next(func(it item) error {
			select {
			case items <- it:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})
	})
	for range workers {
		g.Go(func() error {
			for it := range items {
				if err := in.take(ctx, it); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

func (in *intake) take(ctx context.Context, it item) error {
	c, err := in.save(ctx, it)
	var unread *readError
	switch {
	case errors.As(err, &unread) && ctx.Err() == nil:
		in.lack(it, unread.err.Error())
		return nil
	case err != nil:
		return fmt.Errorf("store %s: %w", it.title, err)
	case len(it.digest) > 0 && !bytes.Equal(it.digest, c.SHA1[:]):
		in.lack(it, "it does not have the digest that the phone noted")
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.contents[it.id] = c
	in.bytes += c.Stored
	in.rep.Update(progress.Counters{Files: int64(len(in.contents)), FilesTotal: in.total, Bytes: in.bytes})
	return nil
}

func (in *intake) save(ctx context.Context, it item) (snapshot.Content, error) {
	info, err := fs.Stat(in.fsys, it.path)
	if err != nil {
		return snapshot.Content{}, &readError{missing(err)}
	}
	if !info.Mode().IsRegular() {
		return snapshot.Content{}, &readError{errors.New("is no regular file")}
	}
	open := func() (io.ReadCloser, error) {
		f, err := in.fsys.Open(it.path)
		if err != nil {
			return nil, &readError{missing(err)}
		}
		return &folderReader{f}, nil
	}
	c, err := snapshot.Save(ctx, in.writer, it.name, it.key, open, info.Size())
	if err == nil {
		c.ModTime = info.ModTime().Unix()
	}
	return c, err
}

// missing says so in words, for people.
func missing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("is missing")
	}
	return err
}

// folderReader marks errors as those of the folder.
type folderReader struct{ f fs.File }

func (r *folderReader) Read(p []byte) (int, error) {
	n, err := r.f.Read(p)
	if err != nil && err != io.EOF {
		err = &readError{err}
	}
	return n, err
}

func (r *folderReader) Close() error { return r.f.Close() }

// lack notes a file that is not there, or not as it should be.
func (in *intake) lack(it item, why string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.unread[it.id] = why
	in.unreadItems = append(in.unreadItems, it)
}

// rows gives the files that the rows of an index name, and then those that lie in
// the folder without a row. keyOf is nil when the backup is not encrypted.
func (in *intake) rows(ctx context.Context, b *itunesbackup.Backup, names *listing, keyOf func(keybag.WrappedKey) (keybag.Key, error)) func(func(item) error) error {
	return func(yield func(item) error) error {
		named := map[itunesbackup.FileID]struct{}{}
		var faulty *itunesbackup.RowError
		for r, err := range b.Records(ctx) {
			if errors.As(err, &faulty) {
				continue // Manifest.db keeps it, and the file comes below
			}
			if err != nil {
				return err
			}
			if r.Kind() != itunesbackup.FlagFile {
				continue
			}
			named[r.ID] = struct{}{}
			it := item{id: r.ID, title: r.Key(), name: r.RelativePath, path: names.path(r.ID), digest: r.File.Digest, key: fileKey(r, keyOf)}
			if err := yield(it); err != nil {
				return err
			}
		}
		return names.each(func(id itunesbackup.FileID, path string) error {
			if _, ok := named[id]; ok {
				return nil
			}
			return yield(item{id: id, title: path, name: id.String(), path: path})
		})
	}
}

// fileKey is the key of a row, or none when it has none or one that does not
// open: then the file is kept as it is.
func fileKey(r itunesbackup.Record, keyOf func(keybag.WrappedKey) (keybag.Key, error)) keybag.Key {
	if keyOf == nil || r.File.EncryptionKey == nil {
		return keybag.Key{}
	}
	wrapped, err := keybag.ParseWrappedKey(r.File.EncryptionKey)
	if err != nil {
		return keybag.Key{}
	}
	key, err := keyOf(wrapped)
	if err != nil {
		return keybag.Key{}
	}
	return key
}

// stored gives every stored file of the folder, for a backup whose index cannot
// be read.
func (in *intake) stored(names *listing) func(func(item) error) error {
	return func(yield func(item) error) error {
		return names.each(func(id itunesbackup.FileID, path string) error {
			return yield(item{id: id, title: path, name: id.String(), path: path})
		})
	}
}
