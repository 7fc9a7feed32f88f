package repository

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/repository/internal/index"
)

// MissingError tells of a blob that no index knows.
type MissingError struct{ Blob format.BlobHandle }

func (e *MissingError) Error() string { return fmt.Sprintf("%v is missing: no index names it", e.Blob) }

// Hint says what to do.
func (e *MissingError) Hint() string {
	return "run \"keepsake repair index\"; if the blob is in no pack, \"keepsake repair packs --from-repo\" fetches it from a second copy"
}

// decoder gives one to use; give it back with release.
func (r *Repository) decoder() (*decoder, func()) {
	d, _ := r.decoders.Get().(*decoder)
	if d == nil {
		d = &decoder{r: r}
	}
	return d, func() {
		d.trim()
		r.decoders.Put(d)
	}
}

// BlobSize is the size of a blob's plaintext, without loading it.
func (s *Session) BlobSize(ctx context.Context, h format.BlobHandle) (uint32, error) {
	x, err := s.Index(ctx)
	if err != nil {
		return 0, err
	}
	e, ok := x.Lookup(h)
	if !ok {
		return 0, &MissingError{h}
	}
	return e.PlaintextLength(), nil
}

// Blob loads a blob and appends its plaintext to buf[:0]. It is authenticated
// and has been compared with its ID. When the blob is damaged in one pack and
// there is another one that has it, that is used.
func (s *Session) Blob(ctx context.Context, h format.BlobHandle, buf []byte) ([]byte, error) {
	x, err := s.Index(ctx)
	if err != nil {
		return nil, err
	}
	var places []index.Entry
	x.LookupAll(h, func(e index.Entry) bool {
		places = append(places, e)
		return true
	})
	if len(places) == 0 {
		return nil, &MissingError{h}
	}
	var errs []error
	for _, e := range places {
		data, err := s.blobAt(ctx, x.PackID(e.Pack), e.Blob, buf)
		if err == nil {
			return data, nil
		}
		errs = append(errs, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(errs...)
}

func (s *Session) blobAt(ctx context.Context, pack format.ID, b format.Blob, buf []byte) ([]byte, error) {
	if err := bounded(b); err != nil {
		return nil, err
	}
	sealed := make([]byte, b.Length) // not of the buffers: a caller may hold some already
	d, release := s.r.decoder()
	defer release()
	return twice(func() ([]byte, error) {
		err := backend.ReadFull(ctx, s.r.be, backend.Handle{Type: backend.PackFile, Name: pack.String()}, int64(b.Offset), sealed)
		if err != nil {
			return nil, fmt.Errorf("load %v: %w", b.BlobHandle, err)
		}
		plain, err := d.decode(b.BlobHandle, sealed, b.UncompressedLength)
		if err != nil {
			return nil, &DamageError{fmt.Sprintf("%v in pack %v", b.BlobHandle, pack), err}
		}
		return append(buf[:0], plain...), nil
	})
}

// bounded refuses what an index says of a blob before memory is taken for it.
func bounded(b format.Blob) error {
	if n := max(b.Length, b.UncompressedLength); n > maxBlob {
		return &DamageError{b.BlobHandle.String(), fmt.Errorf("the index tells of %d bytes, more than %d", n, maxBlob)}
	}
	return nil
}

// maxTree bounds the JSON of a folder, in bytes.
const maxTree = 512 << 20

// Tree loads a folder. Its nodes are sorted by name, even where they are not in
// the repository.
func (s *Session) Tree(ctx context.Context, id format.ID) (*format.Tree, error) {
	t, err := s.storedTree(ctx, id)
	if err == nil && !slices.IsSortedFunc(t.Nodes, byName) { // other programs may
		slices.SortStableFunc(t.Nodes, byName)
	}
	return t, err
}

// storedTree loads a folder as it is.
func (s *Session) storedTree(ctx context.Context, id format.ID) (*format.Tree, error) {
	h := format.BlobHandle{ID: id, Type: format.TreeBlob}
	size, err := s.BlobSize(ctx, h)
	if err != nil {
		return nil, err
	}
	if size > maxTree {
		return nil, fmt.Errorf("load %v: a folder of %d bytes, more than %d", h, size, maxTree)
	}
	data, err := s.Blob(ctx, h, nil)
	if err != nil {
		return nil, err
	}
	t, err := format.DecodeTree(data)
	if err != nil {
		return nil, &DamageError{h.String(), err}
	}
	return t, nil
}

func byName(a, b format.Node) int {
	switch {
	case a.Name < b.Name:
		return -1
	case a.Name > b.Name:
		return 1
	}
	return 0
}
