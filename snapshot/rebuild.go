package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// RebuildIndex makes the index anew from the tree and the phone's list: the same
// records, bit for bit. It reads all of both. Index does it where the stored one
// is damaged.
func (p *Snapshot) RebuildIndex(ctx context.Context) (*Index, error) {
	records, err := p.rebuild(ctx)
	if err == nil {
		var x *Index
		if x, err = newIndex(records); err == nil {
			return x, nil
		}
	}
	return nil, fmt.Errorf("rebuild index of snapshot %s: %w", p.info.ID.Short(), err)
}

func (p *Snapshot) rebuild(ctx context.Context) ([]byte, error) {
	if p.meta.Sealed {
		return p.rebuildSealed(ctx)
	}
	m, err := p.Manifest(ctx)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	b := &builder{ctx: ctx, manifest: m, meta: Meta{Encrypted: p.meta.Encrypted, Keys: p.meta.Keys}, in: Input{Stored: func(yield func(itunesbackup.FileID) bool) {
		for _, x := range p.meta.Exceptions {
			if !yield(x.ID) {
				return
			}
		}
	}}}
	if err := b.scan(); err != nil {
		return nil, err
	}
	odd, err := p.exceptionNodes(ctx)
	if err != nil {
		return nil, err
	}
	for id, n := range odd {
		if r, ok := b.rows.find(id); ok {
			b.place(r, n, p.exceptions[id].Raw)
		}
	}
	next := 0
	err = p.walkFiles(ctx, func(path string, n *format.Node) error {
		for ; next < len(b.rows.order); next++ {
			r := b.rows.at(next)
			if r.isFile() && !r.is(found) && strings.TrimPrefix(path, "/") == b.rows.path(r) {
				b.place(r, n, false)
				return nil
			}
		}
		return fmt.Errorf("%q is not in the phone's list", path)
	})
	if err != nil {
		return nil, err
	}
	return b.list()
}

// place notes the size of a row's content.
func (b *builder) place(r *row, n *format.Node, asItCame bool) {
	if asItCame {
		r.mark |= raw
	}
	b.rows.set(r, nil, int64(n.Size))
}

func (p *Snapshot) rebuildSealed(ctx context.Context) ([]byte, error) {
	var records []byte
	err := p.walkFiles(ctx, func(_ string, n *format.Node) error {
		id, err := itunesbackup.ParseFileID(n.Name)
		if err != nil {
			return err
		}
		r := row{id: id, size: int64(n.Size), modTime: n.ModTime.Unix()}
		records = appendRecord(records, r.entry())
		return nil
	})
	return records, err
}

// isDamage tells whether what is stored is damaged or missing, so that another
// try would not help.
func isDamage(err error) bool {
	var damage *repository.DamageError
	var missing *repository.MissingError
	return errors.As(err, &damage) || errors.As(err, &missing) || errors.Is(err, fs.ErrNotExist)
}
