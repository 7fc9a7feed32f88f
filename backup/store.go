package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/mobilebackup2"
)

// maxStatus bounds Status.plist, which has 190 bytes.
const maxStatus = 64 << 10

// store is another store with two additions: Info.plist is written when the phone
// commits, and a full backup is asked for by what Status.plist seems to say.
type store struct {
	mobilebackup2.Store
	status, infoPath string
	info             *infoJob
	full             bool // still to be asked for

	begun    bool  // the phone has written a status of its own
	written  bool  // Info.plist has been
	wasFull  bool  // as the phone sees it
	scaffold int64 // removed items that are no files of the phone
}

// stateWatcher is a store that wants to know what the phone's Status.plist says,
// before it is put.
type stateWatcher interface {
	turn(ctx context.Context, st itunesbackup.StatusPlist) error
}

// optional gives s with the optional interfaces of the store below it.
func (s *store) optional() mobilebackup2.Store {
	space, canTell := s.Store.(mobilebackup2.FreeSpacer)
	copier, canCopy := s.Store.(mobilebackup2.Copier)
	purger, canPurge := s.Store.(mobilebackup2.Purger)
	switch {
	case canTell && canPurge:
		return struct {
			*store
			mobilebackup2.FreeSpacer
			mobilebackup2.Purger
		}{s, space, purger}
	case canTell && canCopy:
		return struct {
			*store
			mobilebackup2.FreeSpacer
			mobilebackup2.Copier
		}{s, space, copier}
	case canTell:
		return struct {
			*store
			mobilebackup2.FreeSpacer
		}{s, space}
	}
	return s
}

// Open shows the phone a Status.plist with IsFullBackup until it has written
// its own: it then leaves the old manifest alone and sends everything
// (protocol.md 4.11). The file on the disk stays as it is.
func (s *store) Open(ctx context.Context, p string) (io.ReadCloser, int64, error) {
	if p != s.status || !s.full || s.begun {
		return s.Store.Open(ctx, p)
	}
	data, err := s.readStatus(ctx)
	if err != nil {
		return nil, 0, err
	}
	st, err := itunesbackup.ParseStatusPlist(data)
	if err != nil {
		// Nothing to build on: without a status the phone sends everything too.
		return nil, 0, fs.ErrNotExist
	}
	st.IsFullBackup, st.SnapshotState = true, itunesbackup.SnapshotFinished
	if data, err = st.Marshal(); err != nil {
		return nil, 0, err
	}
	return io.NopCloser(bytes.NewReader(data)), int64(len(data)), nil
}

func (s *store) readStatus(ctx context.Context) ([]byte, error) {
	r, _, err := s.Store.Open(ctx, s.status)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(io.LimitReader(r, maxStatus))
}

// Put watches the phone's progress through its Status.plist.
func (s *store) Put(ctx context.Context, p string, r io.Reader) error {
	if p != s.status {
		return s.Store.Put(ctx, p, r)
	}
	data, err := io.ReadAll(io.LimitReader(r, maxStatus+1))
	if err != nil {
		return err
	}
	if len(data) > maxStatus {
		return fmt.Errorf("%w: Status.plist of more than %d bytes", fs.ErrInvalid, maxStatus)
	}
	st, err := itunesbackup.ParseStatusPlist(data)
	if err != nil {
		return fmt.Errorf("read the phone's Status.plist: %w", err)
	}
	if !s.begun {
		s.wasFull = st.IsFullBackup
	}
	s.begun = true
	if st.SnapshotState != itunesbackup.SnapshotUploading {
		if err := s.writeInfo(ctx); err != nil {
			return err
		}
	}
	if w, ok := s.Store.(stateWatcher); ok {
		if err := w.turn(ctx, st); err != nil {
			return err
		}
	}
	return s.Store.Put(ctx, p, bytes.NewReader(data))
}

// Remove counts what the phone takes away for reasons of its own.
func (s *store) Remove(ctx context.Context, p string) error {
	if name := p[strings.LastIndexByte(p, '/')+1:]; name == "Snapshot" || strings.HasPrefix(name, "Manifest.") {
		s.scaffold++
	}
	return s.Store.Remove(ctx, p)
}

// removed is how many files of the phone the run took away.
func (s *store) removed(sum *mobilebackup2.Summary) int64 { return max(sum.Removed-s.scaffold, 0) }

// writeInfo writes Info.plist, once.
func (s *store) writeInfo(ctx context.Context) error {
	if s.written {
		return nil
	}
	data, err := s.info.wait(ctx)
	if err != nil {
		return err
	}
	if err := s.Store.Put(ctx, s.infoPath, bytes.NewReader(data)); err != nil {
		return &mobilebackup2.HostError{Op: "write", Path: s.infoPath, Err: err}
	}
	s.written = true
	return nil
}

// finish is for a phone that changed nothing and so committed nothing.
func (s *store) finish(ctx context.Context) error {
	err := s.writeInfo(ctx)
	if err != nil && ctx.Err() != nil {
		return errors.Join(context.Cause(ctx), err)
	}
	return err
}
