package repository

import (
	"context"
	"sync"

	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/repository/internal/index"
)

// walkBatch is how many folders are loaded together.
const walkBatch = 2048

// walk visits every folder below roots once, in no particular order, in several
// goroutines at once. seen remembers them over several walks. A folder that
// cannot be loaded is visited with an error and without a tree; if visit
// returns it, the walk ends.
type walk struct {
	s     *Session
	x     *index.Index
	visit func(id format.ID, t *format.Tree, err error) error
	after func(ctx context.Context) error // each batch of folders; may be nil

	mu   sync.Mutex // guards what follows
	seen *index.Set // of entries of the index
	lost map[format.ID]bool
	todo []format.ID
}

func (s *Session) newWalk(x *index.Index, visit func(format.ID, *format.Tree, error) error) *walk {
	return &walk{s: s, x: x, visit: visit, seen: &index.Set{}, lost: map[format.ID]bool{}}
}

// push notes a folder to be visited, unless it was.
func (w *walk) push(id format.ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e, ok := w.x.Lookup(format.BlobHandle{ID: id, Type: format.TreeBlob}); ok {
		if w.seen.Has(e.Number) {
			return
		}
		w.seen.Add(e.Number)
	} else {
		if w.lost[id] {
			return
		}
		w.lost[id] = true
	}
	w.todo = append(w.todo, id)
}

// run visits root and everything below.
func (w *walk) run(ctx context.Context, root format.ID) error {
	w.push(root)
	for len(w.todo) > 0 {
		n := max(0, len(w.todo)-walkBatch)
		batch := append([]format.ID(nil), w.todo[n:]...)
		w.todo = w.todo[:n]
		err := w.load(ctx, batch)
		if err == nil && w.after != nil {
			err = w.after(ctx)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) load(ctx context.Context, batch []format.ID) error {
	var handles []format.BlobHandle
	var missing []format.ID
	for _, id := range batch {
		h := format.BlobHandle{ID: id, Type: format.TreeBlob}
		if _, ok := w.x.Lookup(h); ok {
			handles = append(handles, h)
		} else {
			missing = append(missing, id)
		}
	}
	done := make([]bool, len(handles))
	var failed error // visit's
	err := w.s.FetchEach(ctx, handles, func(i int, data []byte) error {
		t, err := format.DecodeTree(data)
		if err != nil {
			err = &DamageError{handles[i].String(), err}
		}
		done[i] = true
		if err := w.visited(handles[i].ID, t, err); err != nil {
			w.mu.Lock()
			failed = err
			w.mu.Unlock()
			return err
		}
		return nil
	})
	if failed != nil {
		return failed
	}
	if err != nil {
		// One that cannot be loaded ends the batch: the rest one by one.
		for i, h := range handles {
			if done[i] {
				continue
			}
			t, err := w.s.storedTree(ctx, h.ID)
			if err != nil && !w.s.r.ofFile(ctx, err) {
				return err
			}
			if err := w.visited(h.ID, t, err); err != nil {
				return err
			}
		}
	}
	for _, id := range missing {
		if err := w.visited(id, nil, &MissingError{format.BlobHandle{ID: id, Type: format.TreeBlob}}); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) visited(id format.ID, t *format.Tree, err error) error {
	if err := w.visit(id, t, err); err != nil {
		return err
	}
	if t == nil {
		return nil
	}
	for i := range t.Nodes {
		if sub := t.Nodes[i].Subtree; sub != nil {
			w.push(*sub)
		}
	}
	return nil
}
