package backup

import (
	"bytes"
	"context"
	"io"

	"github.com/keepsake-backup/keepsake/mobilebackup2"
	"github.com/keepsake-backup/keepsake/mobilebackup2/storetest"
)

// Mirror is what a phone sent, byte for byte, kept beside the repository.
type Mirror struct {
	storetest.Memory
	Received []string // paths of files, in the order of the runs
}

// WithMirror lets m see everything that the phone does to the store.
func WithMirror(opt RepositoryOptions, m *Mirror) RepositoryOptions {
	opt.wrap = func(s *overlayStore) mobilebackup2.Store { return &tee{s, m} }
	return opt
}

type tee struct {
	*overlayStore
	mirror *Mirror
}

func (t *tee) Put(ctx context.Context, path string, r io.Reader) error {
	var b bytes.Buffer
	if err := t.overlayStore.Put(ctx, path, io.TeeReader(r, &b)); err != nil {
		return err
	}
	if _, ok := fileOf(t.u.f.udid, path); ok {
		t.mirror.Received = append(t.mirror.Received, path)
	}
	return t.mirror.Put(ctx, path, &b)
}

func (t *tee) Mkdir(ctx context.Context, path string) error {
	_ = t.mirror.Mkdir(ctx, path)
	return t.overlayStore.Mkdir(ctx, path)
}

func (t *tee) Rename(ctx context.Context, from, to string) error {
	if err := t.overlayStore.Rename(ctx, from, to); err != nil {
		return err
	}
	return t.mirror.Rename(ctx, from, to)
}

func (t *tee) Remove(ctx context.Context, path string) error {
	if err := t.overlayStore.Remove(ctx, path); err != nil {
		return err
	}
	return t.mirror.Remove(ctx, path)
}
