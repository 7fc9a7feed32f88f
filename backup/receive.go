package backup

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/backup/internal/journal"
	"github.com/keepsake-backup/keepsake/backup/internal/spool"
	"github.com/keepsake-backup/keepsake/itunesbackup"
)

const (
	// inlineSize is the most that the journal takes of a list of the phone.
	inlineSize = 256 << 10
	// turnSize is how much of a file is taken at a time.
	turnSize = 16 << 20
	// followSize is from when on a long file goes into the repository while it
	// still arrives, if that may take it: it may be longer than the spool.
	followSize = 128 << 20
	// patience is how long the phone waits for room that nobody seems to make.
	patience = time.Minute
)

// Put takes a file. It has arrived when its record is in the journal.
func (s *overlayStore) Put(ctx context.Context, path string, r io.Reader) error {
	s.u.mu.Lock()
	err := s.u.tree.Room(path)
	s.u.mu.Unlock()
	if err != nil {
		return err
	}
	if _, isFile := fileOf(s.u.f.udid, path); isFile {
		return s.receive(ctx, path, r, true)
	}
	var list bytes.Buffer
	if _, err := io.Copy(&list, io.LimitReader(r, inlineSize+1)); err != nil {
		return err
	}
	if list.Len() > inlineSize {
		return s.receive(ctx, path, io.MultiReader(&list, r), false)
	}
	_, err = s.arrived(journal.Record{Kind: journal.Put, Path: path, Size: int64(list.Len()), Inline: list.Bytes()})
	if err == nil && path == s.u.f.udid+"/"+itunesbackup.StatusName && s.in != nil {
		s.in.turned()
	}
	return err
}

// fileOf tells whether a path is that of a file ID in its place, moved or not.
func fileOf(udid, path string) (id itunesbackup.FileID, ok bool) {
	rest, ok := strings.CutPrefix(path, udid+"/")
	if !ok {
		return id, false
	}
	rest = strings.TrimPrefix(rest, "Snapshot/")
	if len(rest) != 43 {
		return id, false
	}
	id, err := itunesbackup.ParseFileID(rest[3:])
	return id, err == nil && id.Path() == rest
}

// arrived writes the record of a file and gives its number.
func (s *overlayStore) arrived(r journal.Record) (uint32, error) {
	s.u.mu.Lock()
	defer s.u.mu.Unlock()
	r.Time = time.Now().Unix()
	if err := s.u.append(r); err != nil {
		return 0, err
	}
	return uint32(len(s.u.objects)), nil
}

// receive takes a file into the spool. A content is a file of the phone; other
// long files wait for the end of the run there.
func (s *overlayStore) receive(ctx context.Context, path string, r io.Reader, content bool) error {
	in := &arrival{s: s, w: s.u.spool.Create(), name: s.device, content: content && s.in != nil}
	if !content {
		in.w = s.u.spool.CreateList()
	}
	extents, err := in.take(ctx, r)
	if err == nil && in.followed != nil {
		var c *journal.Content
		if c, err = in.followed.end(ctx); err == nil {
			_, err = s.arrived(journal.Record{Kind: journal.Put, Path: path, Size: in.size, Content: c})
			return err
		}
	}
	if err != nil {
		err = errors.Join(cause(err), in.w.Abort(err))
		if in.followed != nil {
			in.followed.abandon()
		}
		return err
	}
	rec := journal.Record{Kind: journal.Put, Path: path, Size: in.size, Extents: extents}
	if len(extents) == 0 {
		rec.Inline = []byte{}
	}
	n, err := s.arrived(rec)
	if err == nil && in.content {
		s.in.offer(n, in.name)
	}
	return err
}

// cause gives the phone's own error for what a reader of the wire said, and names
// the disk for others.
func cause(err error) error {
	var source *spool.SourceError
	if errors.As(err, &source) {
		return source.Err
	}
	return err
}

// arrival is a file on its way.
type arrival struct {
	s        *overlayStore
	w        *spool.Writer
	name     string
	content  bool
	size     int64
	followed *followed
}

// take reads r to its end.
func (in *arrival) take(ctx context.Context, r io.Reader) ([]spool.Extent, error) {
	limited := &io.LimitedReader{R: r}
	for {
		limited.N = turnSize
		n, err := in.w.ReadFrom(limited)
		in.size += n
		for errors.Is(err, spool.ErrFull) {
			if err = in.makeRoom(ctx, err); err == nil {
				n, err = in.w.ReadFrom(limited)
				in.size += n
			}
		}
		switch {
		case err != nil:
			return nil, err
		case limited.N > 0:
			return in.close(ctx)
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case in.content && in.followed == nil && in.size >= followSize && in.s.in.takesNow():
			in.followed = in.s.in.follow(ctx, in.w, in.name)
		}
	}
}

func (in *arrival) close(ctx context.Context) ([]spool.Extent, error) {
	for {
		extents, err := in.w.Close()
		if !errors.Is(err, spool.ErrFull) {
			return extents, err
		}
		if err := in.makeRoom(ctx, err); err != nil {
			return nil, err
		}
	}
}

// makeRoom waits until the repository has taken something out of the spool. full
// is why there is none; it is returned when nothing can be done about it.
func (in *arrival) makeRoom(ctx context.Context, full error) error {
	if in.s.in == nil {
		return hostError("write", in.s.u.head.Spool, full)
	}
	freed := in.s.u.spool.Freed()
	in.s.in.storeSealed()
	if err := in.s.in.press(ctx); err != nil {
		return err
	}
	if in.content && in.followed == nil && in.s.in.idle() {
		in.followed = in.s.in.follow(ctx, in.w, in.name)
	}
	wait := time.NewTimer(patience)
	defer wait.Stop()
	for {
		progress := in.s.in.progress()
		select {
		case <-freed:
			return nil
		default:
		}
		if err := in.s.in.press(ctx); err != nil {
			return err
		}
		select {
		case <-freed:
			return nil
		case <-progress:
			wait.Reset(patience)
			if in.content && in.followed == nil && in.s.in.idle() {
				in.followed = in.s.in.follow(ctx, in.w, in.name)
			}
		case <-wait.C:
			return hostError("write", in.s.u.head.Spool, full)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
