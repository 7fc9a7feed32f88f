package repository

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/repository/internal/index"
)

const (
	// Blobs are fetched window by window. Within one they are sorted by pack and
	// neighbours are read at once, because the blobs of a file are spread over the
	// packs that were open at the time.
	fetchWindow = 32 << 20
	// fetchGap is how many bytes are read in vain rather than asked around, and
	// fetchRead the most that is read at once.
	fetchGap  = 256 << 10
	fetchRead = 8 << 20
)

// Fetch loads blobs and calls deliver for each, in the order given, one at a
// time: i is the place in blobs, data the plaintext, valid until deliver
// returns. A few windows of 32 MiB are read ahead. The first error ends it:
// deliver's own, or one that names the blob.
func (s *Session) Fetch(ctx context.Context, blobs []format.BlobHandle, deliver func(i int, data []byte) error) error {
	return s.fetch(ctx, blobs, func(w *window) error {
		for i := range w.blobs {
			if err := deliver(w.first+i, w.plain[w.place[i]]); err != nil {
				return err
			}
		}
		return nil
	}, nil)
}

// FetchEach is Fetch without the order: deliver is called from several
// goroutines, as blobs arrive. A blob that is wanted twice may be delivered in
// different goroutines at once.
func (s *Session) FetchEach(ctx context.Context, blobs []format.BlobHandle, deliver func(i int, data []byte) error) error {
	return s.fetch(ctx, blobs, func(*window) error { return nil }, func(i int, b loaded) error { return deliver(i, b.plain) })
}

// loaded is a blob that was compared with its ID. What it holds is valid while it
// is delivered.
type loaded struct {
	plain   []byte
	payload []byte // what is sealed in a pack
	length  uint32 // of the plaintext if payload is a zstd frame
}

// window is a run of blobs that are fetched together.
type window struct {
	first int
	blobs []format.BlobHandle
	place []int    // for each blob, where in wanted it is
	plain [][]byte // for each of wanted
	reads []read
	users [][]int // for each of wanted, the blobs that want it
}

// read is a piece of a pack that is loaded at once.
type read struct {
	pack   format.ID
	offset uint32
	length uint32
	wanted []int // places
	blobs  []format.Blob
}

// fetch plans windows, loads them ahead and hands each whole one to done, in
// order. With each, blobs are handed over as they are decoded.
func (s *Session) fetch(ctx context.Context, blobs []format.BlobHandle, done func(*window) error, each func(int, loaded) error) error {
	x, err := s.Index(ctx)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	windows := make(chan *window) // one is being delivered, one waits here, one is loaded
	group.Go(func() error {
		defer close(windows)
		for first := 0; first < len(blobs); {
			w, err := planWindow(x, blobs, first)
			if err != nil {
				return err
			}
			if err := s.loadWindow(ctx, w, each); err != nil {
				return err
			}
			first += len(w.blobs)
			select {
			case windows <- w:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		return nil
	})
	group.Go(func() error {
		for w := range windows {
			if err := done(w); err != nil {
				return err
			}
		}
		return nil
	})
	return group.Wait()
}

// planWindow takes blobs from first on until the window is full, and plans what
// is read of which pack.
func planWindow(x *index.Index, blobs []format.BlobHandle, first int) (*window, error) {
	w := &window{first: first}
	type want struct {
		entry index.Entry
		place int
	}
	var wants []want
	seen := map[format.BlobHandle]int{}
	size := int64(0)
	for _, h := range blobs[first:] {
		place, ok := seen[h]
		if !ok {
			e, found := x.Lookup(h)
			if !found {
				return nil, &MissingError{h}
			}
			if err := bounded(e.Blob); err != nil {
				return nil, err
			}
			n := int64(max(e.PlaintextLength(), e.Length))
			if size > 0 && size+n > fetchWindow {
				break
			}
			size += n
			place = len(wants)
			seen[h] = place
			wants = append(wants, want{e, place})
			w.users = append(w.users, nil)
		}
		w.users[place] = append(w.users[place], first+len(w.blobs))
		w.blobs = append(w.blobs, h)
		w.place = append(w.place, place)
	}
	w.plain = make([][]byte, len(wants))
	slices.SortFunc(wants, func(a, b want) int {
		return cmp.Or(cmp.Compare(a.entry.Pack, b.entry.Pack), cmp.Compare(a.entry.Offset, b.entry.Offset))
	})
	for i, v := range wants {
		e := v.entry
		if i > 0 && wants[i-1].entry.Pack == e.Pack {
			last := &w.reads[len(w.reads)-1]
			end := last.offset + last.length
			if e.Offset >= end && e.Offset-end <= fetchGap && e.Offset+e.Length-last.offset <= fetchRead {
				last.length = e.Offset + e.Length - last.offset
				last.wanted, last.blobs = append(last.wanted, v.place), append(last.blobs, e.Blob)
				continue
			}
		}
		w.reads = append(w.reads, read{x.PackID(e.Pack), e.Offset, e.Length, []int{v.place}, []format.Blob{e.Blob}})
	}
	// In the order in which they are wanted.
	slices.SortStableFunc(w.reads, func(a, b read) int { return cmp.Compare(slices.Min(a.wanted), slices.Min(b.wanted)) })
	return w, nil
}

// loadWindow does the reads of a window, in parallel.
func (s *Session) loadWindow(whole context.Context, w *window, each func(int, loaded) error) error {
	group, ctx := errgroup.WithContext(whole)
	group.SetLimit(max(s.r.o.Workers, min(s.r.connections(), 8)))
	for i := range w.reads {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error { return s.load(ctx, w, &w.reads[i], each) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return context.Cause(whole) // which kept reads from being begun
}

func (s *Session) load(ctx context.Context, w *window, r *read, each func(int, loaded) error) error {
	buf, err := s.r.reads.Get(ctx, int(r.length))
	if err != nil {
		return err
	}
	defer s.r.reads.Put(buf)
	readErr := backend.ReadFull(ctx, s.r.be, backend.Handle{Type: backend.PackFile, Name: r.pack.String()}, int64(r.offset), buf)
	d, release := s.r.decoder()
	defer release()
	for i, b := range r.blobs {
		var l loaded
		if readErr == nil {
			from := b.Offset - r.offset
			l.plain, err = d.decode(b.BlobHandle, buf[from:from+b.Length], b.UncompressedLength)
			l.payload, l.length = d.payload, b.UncompressedLength
		}
		if readErr != nil || err != nil {
			// Once more by itself, from other packs too; it knows what to say.
			plain, err := s.again(ctx, b.BlobHandle, readErr)
			if err != nil {
				return err
			}
			l = loaded{plain: plain, payload: plain}
		}
		if each == nil {
			w.plain[r.wanted[i]] = slices.Clone(l.plain)
			continue
		}
		for _, user := range w.users[r.wanted[i]] {
			if err := each(user, l); err != nil {
				return err
			}
		}
	}
	return nil
}

// again loads one blob whose pack could not be read, or not be decoded.
func (s *Session) again(ctx context.Context, h format.BlobHandle, cause error) ([]byte, error) {
	if cause != nil && ctx.Err() != nil {
		return nil, cause
	}
	plain, err := s.Blob(ctx, h, nil)
	if err != nil && cause != nil && !errors.Is(err, cause) {
		return nil, fmt.Errorf("%w (at first: %v)", err, cause)
	}
	return plain, err
}
