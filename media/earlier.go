package media

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/snapshot"
)

// earlier is a tree of the repository to compare the phone with.
type earlier struct {
	session *repository.Session
	nodes   map[string]*format.Node // by path below the root of AFC
	inside  map[string][]string     // names in a folder
	// seconds: its times are whole seconds, as in backups.
	seconds bool
}

// loadEarlier reads the folders below a tree that stands for the folder at root
// ("" is the root of AFC). A tree that is not whole is a *repository.MissingError
// or *repository.DamageError.
func loadEarlier(ctx context.Context, s *repository.Session, tree format.ID, root string) (*earlier, error) {
	b := &earlier{session: s, nodes: map[string]*format.Node{}, inside: map[string][]string{}}
	paths, level := []string{root}, []format.BlobHandle{{ID: tree, Type: format.TreeBlob}}
	for depth := 0; len(level) > 0; depth++ {
		if depth > maxDepth {
			return nil, &repository.DamageError{Object: level[0].String(), Err: fmt.Errorf("more than %d folders stand in one another", maxDepth)}
		}
		if err := present(ctx, s, level); err != nil {
			return nil, err
		}
		var nextPaths []string
		var next []format.BlobHandle
		err := s.Fetch(ctx, level, func(i int, data []byte) error {
			t, err := format.DecodeTree(data)
			if err != nil {
				return &repository.DamageError{Object: level[i].String(), Err: err}
			}
			for n := range t.Nodes {
				node := &t.Nodes[n]
				at := path.Join(paths[i], node.Name)
				b.nodes[at] = node
				b.inside[paths[i]] = append(b.inside[paths[i]], node.Name)
				if node.Subtree != nil {
					nextPaths, next = append(nextPaths, at), append(next, format.BlobHandle{ID: *node.Subtree, Type: format.TreeBlob})
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		paths, level = nextPaths, next
	}
	return b, nil
}

// present looks whether the index knows blobs.
func present(ctx context.Context, s *repository.Session, blobs []format.BlobHandle) error {
	for _, h := range blobs {
		if _, err := s.BlobSize(ctx, h); err != nil {
			return err
		}
	}
	return nil
}

// notWhole tells whether something is missing in the repository, or damaged.
func notWhole(err error) bool {
	var missing *repository.MissingError
	var damage *repository.DamageError
	return errors.As(err, &missing) || errors.As(err, &damage)
}

// unchanged gives the earlier node of a file, if it can stand for it: same size,
// same time, and all its content is there.
func (b *earlier) unchanged(ctx context.Context, e *entry) (*format.Node, error) {
	old := b.nodes[e.path]
	if old == nil || old.Type != format.NodeFile || old.Size != uint64(e.info.Size()) || !b.sameTime(old.ModTime, stamp(e.info.ModTime())) {
		return nil, nil
	}
	ok, err := b.whole(ctx, old)
	if !ok {
		return nil, err
	}
	return old, nil
}

func (b *earlier) sameTime(old, now time.Time) bool {
	if b.seconds {
		return old.Unix() == now.Unix()
	}
	return old.Equal(now)
}

// whole tells whether the repository has the content of a file.
func (b *earlier) whole(ctx context.Context, n *format.Node) (bool, error) {
	var size uint64
	for _, id := range n.Content {
		part, err := b.session.BlobSize(ctx, format.BlobHandle{ID: id, Type: format.DataBlob})
		if notWhole(err) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("look up earlier content: %w", err)
		}
		size += uint64(part)
	}
	return size == n.Size, nil
}

// lineage finds the snapshots of a phone to compare with: its newest media
// snapshot, and its newest backup that is not sealed. Either may be missing.
// Snapshots that cannot be read do not count.
func lineage(ctx context.Context, s *repository.Session, udid string) (media, backup *repository.Snapshot, err error) {
	all, _, err := s.ReadableSnapshots(ctx)
	if err != nil {
		return nil, nil, err
	}
	for i := range slices.Backward(all) {
		sn := &all[i]
		switch info := snapshot.Describe(*sn); {
		case info.UDID != udid:
		case media == nil && info.Kind == snapshot.Media:
			media = sn
		case backup == nil && info.Kind == snapshot.Backup && !info.Sealed:
			backup = sn
		}
	}
	return media, backup, nil
}

// below finds the tree of a folder in a snapshot. ok is false when there is none.
func below(ctx context.Context, s *repository.Session, sn *repository.Snapshot, names ...string) (tree format.ID, ok bool, err error) {
	tree = *sn.Tree
	for _, name := range names {
		if err := present(ctx, s, []format.BlobHandle{{ID: tree, Type: format.TreeBlob}}); err != nil {
			return tree, false, err
		}
		t, err := s.Tree(ctx, tree)
		if err != nil {
			return tree, false, err
		}
		n, found := t.Find(name)
		if !found || n.Subtree == nil {
			return tree, false, nil
		}
		tree = *n.Subtree
	}
	return tree, true, nil
}
