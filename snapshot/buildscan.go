package snapshot

import (
	"bytes"
	"errors"
	"fmt"
	"math"

	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/keybag"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// scan reads the phone's list once, and takes the contents that are new.
func (b *builder) scan() error {
	n, err := b.manifest.Count(b.ctx)
	if err != nil {
		return err
	}
	if n > math.MaxInt32 {
		return fmt.Errorf("%w: Manifest.db has %d rows", itunesbackup.ErrMalformed, n)
	}
	b.rows = newRows(n)
	for r, err := range b.manifest.Records(b.ctx) {
		var rowErr *itunesbackup.RowError
		switch {
		case errors.Is(err, itunesbackup.ErrLocked):
			return fmt.Errorf("the rows of Manifest.db are encrypted one by one, as in iOS 10.0: %w", err)
		case errors.As(err, &rowErr):
			err = b.faultyRow(rowErr)
		case err == nil:
			err = b.row(&r)
		}
		if err != nil {
			return err
		}
	}
	if b.in.Stored != nil {
		if err := b.unlisted(); err != nil {
			return err
		}
	}
	b.rows.sort()
	for i := 1; i < len(b.rows.byID); i++ {
		if id := b.rows.list[b.rows.byID[i]].id; id == b.rows.list[b.rows.byID[i-1]].id {
			return fmt.Errorf("%w: Manifest.db has two rows of file %s", itunesbackup.ErrMalformed, id)
		}
	}
	return b.ctx.Err()
}

func (b *builder) row(rec *itunesbackup.Record) error {
	f := &rec.File
	b.meta.Rows++
	r := row{id: rec.ID, kind: uint8(rec.Kind()), mode: uint16(f.Mode), uid: uint32(f.UserID), gid: uint32(f.GroupID), modTime: f.LastModified}
	b.rows.locate(&r, rec.Domain, rec.RelativePath)
	switch rec.Kind() {
	case itunesbackup.FlagFile:
		b.meta.Files++
		r.seal = sealOf(f.EncryptionKey, f.Digest)
		if len(f.Digest) > 0 {
			r.mark |= digested
		}
		b.markKey(&r, f)
	case itunesbackup.FlagDirectory:
		b.meta.Directories++
	case itunesbackup.FlagSymlink:
		b.meta.Links++
		b.rows.targets[uint32(len(b.rows.list))] = f.Target
	default:
		b.meta.Faulty++
		r.mark |= faulty
	}
	b.takeNew(&r, f)
	b.rows.list = append(b.rows.list, r)
	return nil
}

// markKey looks whether the row's key opens.
func (b *builder) markKey(r *row, f *itunesbackup.MBFile) {
	if f.EncryptionKey == nil || !b.meta.Encrypted {
		return
	}
	r.mark |= hasKey
	if _, err := b.meta.Keys.fileKey(f.EncryptionKey); err != nil {
		r.mark |= keyFails
	}
}

// faultyRow notes a row that cannot be read: Manifest.db keeps it, and its
// content, if there is any, is kept as it came.
func (b *builder) faultyRow(e *itunesbackup.RowError) error {
	b.meta.Rows++
	b.meta.Faulty++
	id, err := itunesbackup.ParseFileID(e.ID)
	if err != nil {
		return nil // no file can have that name
	}
	r := row{id: id, mark: faulty}
	b.takeNew(&r, &itunesbackup.MBFile{})
	b.rows.list = append(b.rows.list, r)
	return nil
}

// unlisted adds the stored files that no row names.
func (b *builder) unlisted() error {
	known := map[itunesbackup.FileID]struct{}{}
	for i := range b.rows.list {
		known[b.rows.list[i].id] = struct{}{}
	}
	for id := range b.in.Stored {
		if _, ok := known[id]; ok {
			continue
		}
		known[id] = struct{}{}
		r := row{id: id, mark: unlisted}
		b.takeNew(&r, &itunesbackup.MBFile{})
		b.rows.list = append(b.rows.list, r)
	}
	return nil
}

// takeNew gives the row the content that came in this run.
func (b *builder) takeNew(r *row, f *itunesbackup.MBFile) {
	if b.in.Contents == nil || r.isDirectory() || r.isLink() {
		return
	}
	c, ok := b.in.Contents(r.id)
	if !ok {
		return
	}
	b.object(r, b.accept(r, f, &c))
	b.new++
	b.rows.set(r, c.Blobs, c.Size)
}

// otherDigest is what is wrong with a content that can be stored all the same.
const otherDigest = "what came has another digest than the phone's list says"

// object notes what is wrong with a content, if anything. Of a file that could not
// be read another digest was to be expected; nothing else is forgiven, since what
// is not there cannot be stored.
func (b *builder) object(r *row, what string) {
	if _, unread := b.in.Unread[r.id]; what != "" && !(unread && what == otherDigest) {
		b.problems.add(r, b.rows.path(r), what)
	}
}

// accept judges a new content by its row, and says what is wrong.
func (b *builder) accept(r *row, f *itunesbackup.MBFile, c *Content) string {
	if c.Size < 0 || c.Stored < 0 || c.Stored > maxStored {
		return fmt.Sprintf("%d bytes, stored as %d", c.Stored, c.Size)
	}
	encrypted := r.is(hasKey) && !c.Raw && c.Stored == keybag.EncryptedSize(c.Size)
	switch {
	case !encrypted && c.Size != c.Stored:
		return fmt.Sprintf("%d bytes came, and %d were stored", c.Stored, c.Size)
	case r.is(hasKey) && !encrypted:
		r.mark |= raw
	}
	if !b.has(c.Blobs) {
		return "what came is not in the repository"
	}
	if len(f.Digest) > 0 && !bytes.Equal(f.Digest, c.SHA1[:]) {
		return otherDigest
	}
	return ""
}

// has tells whether the repository has all blobs, or they are on their way.
func (b *builder) has(blobs []format.ID) bool {
	for _, id := range blobs {
		if !b.w.Has(format.BlobHandle{ID: id, Type: format.DataBlob}) {
			return false
		}
	}
	return true
}
