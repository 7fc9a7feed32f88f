package backup

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"

	"github.com/keepsake-backup/keepsake/backup/internal/journal"
	"github.com/keepsake-backup/keepsake/backup/internal/overlay"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/mobilebackup2"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/snapshot"
)

// overlayStore is what the phone is shown: the iTunes folder of the last version,
// with this run laid over it. Its methods are for one goroutine; the ingester works
// beside it.
type overlayStore struct {
	u       *unfinished
	parent  fs.FS // the last version's folder; nil if there is none
	session *repository.Session
	in      *ingester // nil: nothing goes into the repository
	space   func(ctx context.Context) (int64, error)

	device string // path on the phone of the next file
}

var (
	_ mobilebackup2.Store      = (*overlayStore)(nil)
	_ mobilebackup2.FreeSpacer = (*overlayStore)(nil)
	_ mobilebackup2.Purger     = (*overlayStore)(nil)
	_ stateWatcher             = (*overlayStore)(nil)
	_ fileWatcher              = (*overlayStore)(nil)
)

// parentTree is the folder of the last version without its contents.
func parentTree(ctx context.Context, udid string, parent *snapshot.Snapshot, folder *snapshot.Folder) (*overlay.Tree, error) {
	tree := overlay.New(udid)
	if parent == nil {
		return tree, nil
	}
	index, err := parent.Index(ctx)
	if err != nil {
		return nil, err
	}
	for e := range index.All() {
		if err := tree.AddParentFile(e.ID, e.Stored, e.ModTime); err != nil {
			return nil, err
		}
	}
	for _, name := range []string{itunesbackup.InfoName, itunesbackup.ManifestListName, itunesbackup.StatusName, itunesbackup.ManifestName} {
		info, err := folder.Stat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := tree.AddParent(name, info.Size(), info.ModTime().Unix()); err != nil {
			return nil, err
		}
	}
	return tree, nil
}

// incoming notes where the next file comes from: its name helps to cut it.
func (s *overlayStore) incoming(f mobilebackup2.File) { s.device = f.DevicePath }

// turn is told what the phone is going to say of its progress. Before anything is
// moved, all that has arrived is made durable.
func (s *overlayStore) turn(_ context.Context, st itunesbackup.StatusPlist) error {
	if st.SnapshotState == itunesbackup.SnapshotUploading {
		if st.IsFullBackup { // it has begun: should it be interrupted, it goes on
			return s.u.f.wantFull(false)
		}
		return nil
	}
	s.u.mu.Lock()
	defer s.u.mu.Unlock()
	return s.u.sync()
}

// Open gives the contents of a file as the phone sent it.
func (s *overlayStore) Open(ctx context.Context, path string) (io.ReadCloser, int64, error) {
	s.u.mu.Lock()
	f, err := s.u.tree.Stat(path)
	s.u.mu.Unlock()
	if err != nil {
		return nil, 0, err
	}
	if f.Object == 0 {
		r, err := s.parent.Open(f.Origin)
		if err != nil {
			return nil, 0, err
		}
		return r, f.Size, nil
	}
	r, err := s.u.openObject(ctx, f.Object, s.session)
	if err != nil {
		return nil, 0, err
	}
	return r, f.Size, nil
}

// errUnsealed: only the phone's lists are read back, and those are never unsealed.
var errUnsealed = errors.New("the file has been decrypted on its way into the repository")

// openObject gives the bytes of an object as they came.
func (u *unfinished) openObject(ctx context.Context, n uint32, session *repository.Session) (io.ReadCloser, error) {
	u.mu.Lock()
	o := u.object(n)
	if o == nil || o.gone {
		u.mu.Unlock()
		return nil, fs.ErrNotExist
	}
	at, data := *o, u.inline[n]
	u.mu.Unlock()
	switch {
	case at.content == nil && at.extents == nil:
		return io.NopCloser(bytes.NewReader(data)), nil
	case at.content == nil:
		return u.spool.Open(at.extents), nil
	case at.content.Unsealed:
		return nil, errUnsealed
	case session == nil:
		return nil, fs.ErrNotExist
	}
	return session.FS(ctx, format.ID{}).OpenNode(&format.Node{Name: "object", Type: format.NodeFile, Content: at.content.Blobs, Size: uint64(at.content.Size)})
}

// ReadDir lists a folder, from memory.
func (s *overlayStore) ReadDir(_ context.Context, path string) ([]mobilebackup2.Entry, error) {
	s.u.mu.Lock()
	defer s.u.mu.Unlock()
	return s.u.tree.List(path)
}

// Mkdir makes a folder.
func (s *overlayStore) Mkdir(_ context.Context, path string) error {
	s.u.mu.Lock()
	defer s.u.mu.Unlock()
	if err := s.u.tree.CanMkdir(path); err != nil {
		return err
	}
	return s.u.later(journal.Record{Kind: journal.Mkdir, Path: path})
}

// Rename moves a file or folder.
func (s *overlayStore) Rename(_ context.Context, from, to string) error {
	s.u.mu.Lock()
	defer s.u.mu.Unlock()
	if err := s.u.tree.CanRename(from, to); err != nil || from == to {
		return err
	}
	return s.u.later(journal.Record{Kind: journal.Rename, Path: from, To: to})
}

// Remove takes a file or folder away.
func (s *overlayStore) Remove(_ context.Context, path string) error {
	s.u.mu.Lock()
	defer s.u.mu.Unlock()
	if !s.u.tree.There(path) {
		return nil
	}
	return s.u.later(journal.Record{Kind: journal.Remove, Path: path})
}

// FreeSpace is what the phone may send: see room.go.
func (s *overlayStore) FreeSpace(ctx context.Context) (int64, error) { return s.space(ctx) }

// Purge makes room when the phone finds too little: files that would wait for their
// keys are stored as they come instead. Then it asks again.
func (s *overlayStore) Purge(ctx context.Context, _ int64) (int64, error) {
	before, err := s.space(ctx)
	if err != nil || s.in == nil || s.in.takesNow() {
		return 0, errors.Join(errors.ErrUnsupported, err)
	}
	s.in.storeSealed()
	after, err := s.space(ctx)
	return max(after-before, 0), err
}
