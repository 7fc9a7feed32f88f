package snapshot

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"iter"

	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/keybag"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// TreeOrder gives every file in the order of the tree. Their contents were stored
// about so, and whoever reads them so reads the repository from one end to the
// other.
func (x *Index) TreeOrder() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for i := range x.Len() {
			if !yield(x.at(i)) {
				return
			}
		}
	}
}

// FetchEach loads many small files of the folder at once, those that are stored in
// one piece, and calls deliver for each, from several goroutines and in any order:
// i is the place in ids, from writes its bytes as they are in the folder, and is
// valid until deliver returns. rest are the places of the others, to be opened one
// by one. A file that is not there is an error that wraps fs.ErrNotExist.
func (f *Folder) FetchEach(ctx context.Context, ids []itunesbackup.FileID, deliver func(i int, from io.WriterTo) error) (rest []int, err error) {
	t, err := f.table.get(f.loadTable)
	if err != nil {
		return nil, err
	}
	var blobs []format.BlobHandle
	var wanted, places []int
	for i, id := range ids {
		place, ok := f.index.find(id)
		if !ok {
			return nil, fmt.Errorf("fetch file %s: %w", id, fs.ErrNotExist)
		}
		if t.starts[place+1]-t.starts[place] != 1 {
			rest = append(rest, i)
			continue
		}
		blobs = append(blobs, format.BlobHandle{ID: t.blobs[t.starts[place]], Type: format.DataBlob})
		wanted, places = append(wanted, i), append(places, place)
	}
	err = f.p.s.FetchEach(ctx, blobs, func(j int, data []byte) error {
		piece := &wholeFile{data: data}
		if t.sealed[places[j]] {
			var err error
			if piece.key, err = f.p.meta.Keys.File(t.keys[places[j]]); err != nil {
				return fmt.Errorf("fetch file %s: %w", ids[wanted[j]], err)
			}
		}
		return deliver(wanted[j], piece)
	})
	return rest, err
}

// wholeFile is the content of a file in memory.
type wholeFile struct {
	data []byte
	key  keybag.Key // zero: as it is
}

// WriteTo writes the bytes as they are in the folder.
func (w *wholeFile) WriteTo(to io.Writer) (int64, error) {
	if w.key.IsZero() {
		n, err := to.Write(w.data)
		return int64(n), err
	}
	counted := &counter{w: to}
	sealing, err := keybag.EncryptWriter(w.key, counted)
	if err != nil {
		return 0, err
	}
	if _, err = sealing.Write(w.data); err == nil {
		err = sealing.Close()
	}
	return counted.n, err
}
