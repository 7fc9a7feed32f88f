package snapshot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/keybag"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// inherit takes from the parent what did not come in this run.
func (b *builder) inherit() error {
	p := b.in.Parent
	if p == nil || !b.lacks() {
		return nil
	}
	if p.meta.Sealed {
		return b.unseal()
	}
	var doubtful []itunesbackup.FileID
	err := p.eachFile(b.ctx, func(_ int, e Entry, n *format.Node) error {
		r, ok := b.rows.find(e.ID)
		if !ok || r.is(found) || r.isDirectory() || r.isLink() {
			return nil
		}
		if !b.has(n.Content) {
			r.mark |= lost
		} else if !b.takeOver(r, e, n) {
			doubtful = append(doubtful, e.ID)
		}
		return b.ctx.Err()
	})
	if err != nil || len(doubtful) == 0 {
		return err
	}
	return b.settle(doubtful)
}

// lacks tells whether there is a file without content.
func (b *builder) lacks() bool {
	for i := range b.rows.list {
		if r := &b.rows.list[i]; !r.is(found) && !r.isDirectory() && !r.isLink() {
			return true
		}
	}
	return false
}

// takeOver gives the row the parent's content, if key and digest are those of then.
// A file without a digest may have changed under the same key, or with none: then
// its time has to be that of then, too, unless the phone could not read it.
func (b *builder) takeOver(r *row, e Entry, n *format.Node) bool {
	x, odd := b.in.Parent.exceptions[e.ID]
	want := int64(n.Size)
	switch {
	case !r.isFile() && !(odd && x.Raw) || e.seal != r.seal:
		return false
	case r.isFile() && !r.is(digested) && e.ModTime != r.entry().ModTime:
		if _, unread := b.in.Unread[r.id]; !unread {
			return false
		}
	}
	switch {
	case odd && x.Raw:
		if r.is(hasKey) {
			r.mark |= raw
		}
	case r.is(hasKey):
		want = keybag.EncryptedSize(want)
	}
	if e.Stored != want {
		return false
	}
	if e.ModTime == r.entry().ModTime {
		r.mark |= unchanged
	}
	b.rows.set(r, n.Content, int64(n.Size))
	return true
}

// settle deals with files that the parent has under another key or digest, or
// without one from another time. That is right when only the wrapping of the key
// changed, or when the digest of now fits the stored bytes.
func (b *builder) settle(ids []itunesbackup.FileID) error {
	old, err := b.in.Parent.Manifest(b.ctx)
	if err != nil {
		return err
	}
	defer old.Close()
	folder, err := b.in.Parent.Folder(b.ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		r, _ := b.rows.find(id)
		if err := b.settleOne(r, old, folder); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) settleOne(r *row, old *itunesbackup.Manifest, folder *Folder) error {
	rec := itunesbackup.Record{}
	if r.isFile() {
		var err error
		if rec, _, err = b.manifest.Get(b.ctx, r.id); err != nil {
			return err
		}
		before, ok, err := old.Get(b.ctx, r.id)
		var rowErr *itunesbackup.RowError
		if err != nil && !errors.As(err, &rowErr) {
			return err
		}
		same := err == nil && ok && b.sameKey(&before, &rec) && before.File.LastModified == rec.File.LastModified && before.File.Size == rec.File.Size
		if !same && len(rec.File.Digest) == 0 {
			return nil // nothing tells whether these are the right bytes: judge says so
		}
	}
	c, err := b.saveStored(folder, r.id, &rec)
	if err != nil {
		return err
	}
	if len(rec.File.Digest) > 0 && !bytes.Equal(rec.File.Digest, c.SHA1[:]) {
		return nil
	}
	if what := b.accept(r, &rec.File, &c); what != "" {
		return nil
	}
	b.rows.set(r, c.Blobs, c.Size)
	return nil
}

// sameKey tells whether a file was encrypted with the same key then and now.
func (b *builder) sameKey(before, now *itunesbackup.Record) bool {
	if before.File.EncryptionKey == nil || now.File.EncryptionKey == nil {
		return before.File.EncryptionKey == nil && now.File.EncryptionKey == nil
	}
	x, err := b.in.Parent.meta.Keys.fileKey(before.File.EncryptionKey)
	if err != nil {
		return false
	}
	y, err := b.meta.Keys.fileKey(now.File.EncryptionKey)
	return err == nil && x.Equal(y)
}

// saveStored saves a file of another snapshot's folder by the row that it has now.
func (b *builder) saveStored(folder *Folder, id itunesbackup.FileID, rec *itunesbackup.Record) (Content, error) {
	var key keybag.Key
	if rec.File.EncryptionKey != nil && b.meta.Encrypted && !b.meta.Sealed {
		if k, err := b.meta.Keys.fileKey(rec.File.EncryptionKey); err == nil {
			key = k
		}
	}
	e, ok := folder.index.Get(id)
	if !ok {
		return Content{}, fmt.Errorf("save file %s: it is not in the parent", id)
	}
	name := rec.RelativePath
	if name == "" {
		name = id.String()
	}
	c, err := Save(b.ctx, b.w, name, key, func() (io.ReadCloser, error) { return folder.Open(id.Path()) }, e.Stored)
	c.ModTime = e.ModTime
	return c, err
}

// unsealWorkers is how many files are decrypted at the same time: small ones wait
// for the pipeline, not for the processor.
const unsealWorkers = 8

// unseal decrypts the contents of a sealed parent.
func (b *builder) unseal() error {
	folder, err := b.in.Parent.Folder(b.ctx)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(b.ctx)
	group.SetLimit(unsealWorkers)
	var mu sync.Mutex // of rows and problems
	one := func(rec itunesbackup.Record) {
		group.Go(func() error {
			c, err := b.saveStored(folder, rec.ID, &rec)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			r, _ := b.rows.find(rec.ID)
			b.object(r, b.accept(r, &rec.File, &c))
			if folder.sameTime(rec.ID, r.modTime) {
				r.mark |= unchanged
			}
			b.rows.set(r, c.Blobs, c.Size)
			return nil
		})
	}
	err = b.eachLacking(ctx, folder.index, &mu, one)
	return errors.Join(group.Wait(), err)
}

// eachLacking gives the rows of files without content that x has.
func (b *builder) eachLacking(ctx context.Context, x *Index, mu *sync.Mutex, one func(itunesbackup.Record)) error {
	lacks := func(id itunesbackup.FileID) bool {
		mu.Lock()
		defer mu.Unlock()
		r, ok := b.rows.find(id)
		if !ok || r.is(found) || r.isDirectory() || r.isLink() {
			return false
		}
		_, ok = x.Get(id)
		return ok
	}
	for rec, err := range b.manifest.Records(ctx) {
		var rowErr *itunesbackup.RowError
		if err != nil && !errors.As(err, &rowErr) {
			return err
		}
		if err == nil && rec.Kind() == itunesbackup.FlagFile && lacks(rec.ID) {
			one(rec)
		}
	}
	for i := range b.rows.list {
		if r := &b.rows.list[i]; !r.isFile() && lacks(r.id) { // they have no readable row
			one(itunesbackup.Record{ID: r.id})
		}
	}
	return nil
}

// judge says which files are not complete, and counts the others.
func (b *builder) judge() error {
	for i := range b.rows.order {
		r := b.rows.at(i)
		if r.is(found) {
			b.meta.StoredBytes += r.stored()
			b.meta.ContentBytes += r.size
			if r.is(unchanged) {
				continue
			}
		}
		if !r.isFile() && !r.is(unlisted) || b.unread(r) || r.is(found) {
			continue
		}
		b.problems.add(r, b.rows.path(r), b.whyMissing(r))
	}
	if b.problems.Total > 0 {
		return &b.problems
	}
	return nil
}

func (b *builder) whyMissing(r *row) string {
	switch p := b.in.Parent; {
	case r.is(lost):
		return "the phone did not send it again, and the repository has lost what it sent before: back up in full"
	case r.is(unlisted):
		return "it is said to be stored, and its content is not there"
	case p == nil:
		return "the phone lists it and did not send it"
	default:
		if x, err := p.Index(b.ctx); err == nil {
			if _, ok := x.Get(r.id); ok {
				return "the phone did not send it, and its key, digest or time is not that of the last version"
			}
		}
		return "the phone lists it and did not send it, and the last version does not have it"
	}
}
