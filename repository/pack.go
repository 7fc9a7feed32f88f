package repository

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// pack is a pack file that is being filled.
type pack struct {
	data  []byte
	blobs []format.Blob
}

func (p *pack) add(h format.BlobHandle, sealed []byte, length uint32) {
	p.blobs = append(p.blobs, format.Blob{BlobHandle: h, Offset: uint32(len(p.data)), Length: uint32(len(sealed)), UncompressedLength: length})
	p.data = append(p.data, sealed...)
}

// merge adds the blobs of q behind those of p.
func (p *pack) merge(q *pack) {
	for _, b := range q.blobs {
		b.Offset += uint32(len(p.data))
		p.blobs = append(p.blobs, b)
	}
	p.data = append(p.data, q.data...)
}

// openPacks is how many packs of a type are filled at the same time. Blobs go to
// one of them at random, so that their lengths, which tell of the content, are
// not to be read off in order (restic-format.md 4, 9).
const openPacks = 2

// packer fills packs of one type.
type packer struct {
	target int
	slots  [openPacks]slot
}

type slot struct {
	mu   sync.Mutex
	open *pack
}

// maxPackBlobs is how many blobs a pack may hold: as many as an index file names.
// It is reached by blobs below 300 bytes, whose headers would else outgrow them.
const maxPackBlobs = indexBlobs

// add puts a blob into one of the open packs and returns the pack if it is full
// now. fresh makes an empty pack.
func (p *packer) add(h format.BlobHandle, sealed []byte, length uint32, fresh func() *pack) *pack {
	if len(sealed) >= p.target { // one of its own
		full := fresh()
		full.add(h, sealed, length)
		return full
	}
	s := &p.slots[rand.N(openPacks)]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = fresh()
	}
	s.open.add(h, sealed, length)
	if len(s.open.data) < p.target && len(s.open.blobs) < maxPackBlobs {
		return nil
	}
	full := s.open
	s.open = nil
	return full
}

// rest returns the packs that are not full, merged where they fit together.
func (p *packer) rest() []*pack {
	var packs []*pack
	for i := range p.slots {
		s := &p.slots[i]
		s.mu.Lock()
		open := s.open
		s.open = nil
		s.mu.Unlock()
		switch {
		case open == nil:
		case len(packs) > 0 && len(packs[0].data)+len(open.data) <= p.target:
			packs[0].merge(open)
		default:
			packs = append(packs, open)
		}
	}
	return packs
}

// finish appends the header to the blobs of p and names the pack.
func (r *Repository) finish(p *pack) (format.ID, error) {
	header := format.AppendHeader(nil, p.blobs)
	blobs := len(p.data)
	p.data = r.key.Seal(p.data, header)
	sealed := p.data[blobs:]
	if !r.o.SkipVerify {
		back, err := r.key.Open(nil, sealed)
		if err == nil && !bytes.Equal(back, header) {
			err = errors.New("it does not come out as it went in")
		}
		if err != nil {
			return format.ID{}, fmt.Errorf("verify the header of a pack after encoding: %w", err)
		}
	}
	p.data = binary.LittleEndian.AppendUint32(p.data, uint32(len(sealed)))
	return format.Hash(p.data), nil
}

// savePack stores a full pack and remembers it for the index.
func (w *Writer) savePack(ctx context.Context, p *pack) error {
	id, err := w.s.r.finish(p)
	if err != nil {
		return err
	}
	if err := w.s.alive(); err != nil {
		return err
	}
	h := backend.Handle{Type: backend.PackFile, Name: id.String()}
	size := int64(len(p.data))
	if err := w.s.r.be.Save(ctx, h, bytes.NewReader(p.data)); err != nil {
		return err
	}
	if marker, ok := backend.As[TreePackMarker](w.s.r.be); ok && p.blobs[0].Type == format.TreeBlob {
		marker.MarkTreePack(h.Name, size)
	}
	blobs := slices.Clone(p.blobs)
	w.recycle(p)
	w.stats.packs.Add(1)
	w.stats.stored.Add(size)
	return w.checkpoint.add(ctx, format.PackBlobs{Pack: id, Blobs: blobs})
}

// TreePackMarker is a cache that wants to know which packs hold trees: those are
// read again and again.
type TreePackMarker interface {
	MarkTreePack(name string, size int64)
}
