package snapshot

import (
	"context"
	"fmt"
	"io"

	"github.com/keepsake-backup/keepsake/itunesbackup"
)

// Manifest opens the phone's list of its files, of a snapshot that is not sealed.
// Close it. It is read piece by piece as it is needed. Error: [ErrSealed].
func (p *Snapshot) Manifest(ctx context.Context) (*itunesbackup.Manifest, error) {
	src, err := p.plainManifest(ctx)
	if err != nil {
		return nil, err
	}
	m, err := itunesbackup.OpenManifestAt(ctx, src, src.Size())
	if err != nil {
		return nil, fmt.Errorf("open manifest of snapshot %s: %w", p.info.ID.Short(), err)
	}
	return m, nil
}

// sizedReaderAt is a file of known size.
type sizedReaderAt interface {
	io.ReaderAt
	Size() int64
}

func (p *Snapshot) plainManifest(ctx context.Context) (sizedReaderAt, error) {
	if p.meta.Sealed {
		return nil, fmt.Errorf("read manifest of snapshot %s: %w", p.info.ID.Short(), ErrSealed)
	}
	n, err := p.iosNode(itunesbackup.ManifestName)
	if err != nil {
		return nil, err
	}
	return newAhead(ctx, p.s, n)
}
