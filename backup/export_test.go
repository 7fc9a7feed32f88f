package backup

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"

	"github.com/keepsake-backup/keepsake/itunesbackup"
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
	if err := t.mirror.Rename(ctx, from, to); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil // it was moved before the run was taken back
}

func (t *tee) Remove(ctx context.Context, path string) error {
	if err := t.overlayStore.Remove(ctx, path); err != nil {
		return err
	}
	return t.mirror.Remove(ctx, path)
}

// FileIDText writes a file ID.
func FileIDText(id [20]byte) string { return itunesbackup.FileID(id).String() }

// AtPut calls do when n files have arrived, in the middle of the next one.
func AtPut(opt RepositoryOptions, m *Mirror, n int, do func()) RepositoryOptions {
	opt.wrap = func(s *overlayStore) mobilebackup2.Store { return &atPut{tee{s, m}, n, do} }
	return opt
}

type atPut struct {
	tee
	n  int
	do func()
}

func (s *atPut) Put(ctx context.Context, path string, r io.Reader) error {
	if _, ok := fileOf(s.u.f.udid, path); ok {
		if s.n--; s.n < 0 && s.do != nil {
			s.do()
			s.do = nil
		}
	}
	return s.tee.Put(ctx, path, r)
}

// WithDamage lets one file with a digest arrive damaged, or one list be read so.
func WithDamage(opt RepositoryOptions, m *Mirror, op string) RepositoryOptions {
	opt.wrap = func(s *overlayStore) mobilebackup2.Store { return &damaging{tee{s, m}, op, ""} }
	return opt
}

type damaging struct {
	tee
	op     string
	device string
}

func (s *damaging) incoming(f mobilebackup2.File) {
	s.device = f.DevicePath
	s.tee.incoming(f)
}

func (s *damaging) Put(ctx context.Context, path string, r io.Reader) error {
	if _, ok := fileOf(s.u.f.udid, path); ok && s.op == "Put" {
		b, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		if len(b) > 100 {
			b[20] ^= 1
		}
		r = bytes.NewReader(b)
	}
	return s.tee.Put(ctx, path, r)
}

func (s *damaging) Open(ctx context.Context, path string) (io.ReadCloser, int64, error) {
	r, size, err := s.tee.Open(ctx, path)
	if err != nil || s.op != "Open" || path != s.u.f.udid+"/Manifest.plist" {
		return r, size, err
	}
	r.Close()
	return io.NopCloser(bytes.NewReader(nil)), 0, nil
}

// WithSteps calls at before every operation of the store, and in the middle of
// files, and tells what has arrived.
func WithSteps(opt RepositoryOptions, at, arrived func(string)) RepositoryOptions {
	opt.wrap = func(s *overlayStore) mobilebackup2.Store { return &steps{s, at, arrived} }
	return opt
}

type steps struct {
	*overlayStore
	at, arrived func(string)
}

func (s *steps) Put(ctx context.Context, path string, r io.Reader) error {
	s.at("put")
	if err := s.overlayStore.Put(ctx, path, io.TeeReader(r, s)); err != nil {
		return err
	}
	if _, ok := fileOf(s.u.f.udid, path); ok {
		s.arrived(path)
		return nil
	}
	s.u.mu.Lock()
	state := s.u.state
	s.u.mu.Unlock()
	s.at(string(state))
	return nil
}

func (s *steps) Write(p []byte) (int, error) {
	s.at("reading")
	return len(p), nil
}

func (s *steps) Rename(ctx context.Context, from, to string) error {
	s.at("rename")
	return s.overlayStore.Rename(ctx, from, to)
}

func (s *steps) Remove(ctx context.Context, path string) error {
	s.at("remove")
	return s.overlayStore.Remove(ctx, path)
}
