package snapshot

import (
	"errors"

	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// buildSealed makes the tree of a snapshot in which everything is as it came.
func (b *builder) buildSealed() (format.ID, error) {
	if b.in.Stored == nil {
		return format.ID{}, errors.New("nobody says which files a sealed snapshot has")
	}
	b.rows = newRows(0)
	for id := range b.in.Stored {
		r := row{id: id}
		if b.in.Contents != nil {
			if c, ok := b.in.Contents(id); ok {
				b.takeSealed(&r, &c)
			}
		}
		b.rows.list = append(b.rows.list, r)
		b.meta.Files++
	}
	b.rows.sort() // by ID, since no row has a place
	for i := 1; i < len(b.rows.order); i++ {
		if b.rows.at(i).id == b.rows.at(i-1).id {
			return format.ID{}, errors.New("file " + b.rows.at(i).id.String() + " is stored twice")
		}
	}
	if err := b.inheritSealed(); err != nil {
		return format.ID{}, err
	}
	for i := range b.rows.list {
		if r := &b.rows.list[i]; !r.is(found) {
			b.problems.add(r, b.rows.path(r), "it is said to be stored, and its content is not there")
		}
	}
	if b.problems.Total > 0 {
		return format.ID{}, &b.problems
	}
	records, err := b.list()
	if err != nil {
		return format.ID{}, err
	}
	return b.finish(nil, records)
}

func (b *builder) takeSealed(r *row, c *Content) {
	if c.Size != c.Stored || c.Size < 0 || c.Stored > maxStored {
		b.problems.add(r, b.rows.path(r), "it was decrypted, and the snapshot is sealed")
	}
	if !b.has(c.Blobs) {
		b.problems.add(r, "", "what came is not in the repository")
	}
	r.modTime = nodeTime(c.ModTime).Unix() // as the tree has it
	b.new++
	b.rows.set(r, c.Blobs, c.Size)
	b.meta.StoredBytes += r.stored()
	b.meta.ContentBytes += r.size
}

// inheritSealed takes the rest from the parent; what that has in clear is
// encrypted as it was.
func (b *builder) inheritSealed() error {
	p := b.in.Parent
	if p == nil || !b.lacks() {
		return nil
	}
	if p.meta.Sealed {
		return p.eachFile(b.ctx, func(_ int, e Entry, n *format.Node) error {
			if r, ok := b.rows.find(e.ID); ok && !r.is(found) && b.has(n.Content) {
				r.modTime = e.ModTime
				b.rows.set(r, n.Content, int64(n.Size))
				b.meta.StoredBytes += r.stored()
				b.meta.ContentBytes += r.size
			}
			return b.ctx.Err()
		})
	}
	folder, err := p.Folder(b.ctx)
	if err != nil {
		return err
	}
	for i := range b.rows.list {
		r := &b.rows.list[i]
		if _, ok := folder.index.Get(r.id); r.is(found) || !ok {
			continue
		}
		c, err := b.saveStored(folder, r.id, &itunesbackup.Record{})
		if err != nil {
			return err
		}
		new := b.new
		b.takeSealed(r, &c)
		b.new = new
	}
	return nil
}

// sealedTree stores the folder of contents.
func (b *builder) sealedTree() (*format.ID, error) {
	var shards, shard []format.Node
	for i := range b.rows.order {
		r := b.rows.at(i)
		n := b.file(r.id.String(), r)
		n.Mode = 0o600
		shard = append(shard, n)
		b.report(1)
		if i+1 == len(b.rows.order) || b.rows.at(i + 1).id[0] != r.id[0] {
			n, err := b.shard(r.id, shard)
			if err != nil {
				return nil, err
			}
			shards, shard = append(shards, n), nil
		}
	}
	return b.saveTree(shards)
}
