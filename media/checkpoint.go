package media

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// checkpoints make what was stored findable for the next copy, see state.
type checkpoints struct {
	w     *repository.Writer
	state state
	every int64         // bytes read
	age   time.Duration // or so long

	running sync.Mutex // held by who makes one

	mu    sync.Mutex // guards what follows
	done  []*entry   // stored since the last one
	bytes int64
	since time.Time
	trees []format.ID
}

// add notes a stored file, and makes a checkpoint when one is due and nobody
// else is at it.
func (k *checkpoints) add(ctx context.Context, e *entry) error {
	if k.state.file == "" {
		return nil
	}
	k.mu.Lock()
	k.done = append(k.done, e)
	k.bytes += e.info.Size()
	due := k.bytes >= k.every || time.Since(k.since) >= k.age
	k.mu.Unlock()
	if !due || !k.running.TryLock() {
		return nil
	}
	defer k.running.Unlock()
	return k.write(ctx)
}

// last makes the checkpoint of a copy that ends early.
func (k *checkpoints) last(ctx context.Context) error {
	k.running.Lock()
	defer k.running.Unlock()
	return k.write(ctx)
}

func (k *checkpoints) write(ctx context.Context) error {
	k.mu.Lock()
	done := k.done
	k.done, k.bytes, k.since = nil, 0, time.Now()
	k.mu.Unlock()
	if len(done) == 0 {
		return nil
	}
	tree, err := saveStored(ctx, k.w, done)
	if err == nil {
		err = k.w.Flush(ctx)
	}
	if err != nil {
		return fmt.Errorf("make a checkpoint: %w", err)
	}
	k.mu.Lock()
	k.trees = append(k.trees, tree)
	trees := slices.Clone(k.trees)
	k.mu.Unlock()
	return k.state.write(trees)
}

// saveStored saves the tree that names stored files.
func saveStored(ctx context.Context, w *repository.Writer, done []*entry) (format.ID, error) {
	inside := map[string][]format.Node{"": nil}
	var folders []string
	for _, e := range done {
		n, err := e.stored(ctx)
		if err != nil {
			return format.ID{}, err
		}
		dir := parent(e.path)
		inside[dir] = append(inside[dir], n)
	}
	for dir := range inside {
		folders = append(folders, dir)
	}
	for i := 0; i < len(folders); i++ {
		if up := parent(folders[i]); folders[i] != "" {
			if _, known := inside[up]; !known {
				inside[up] = nil
				folders = append(folders, up)
			}
		}
	}
	// What is in a folder comes before it.
	slices.SortFunc(folders, func(a, b string) int { return depthOf(b) - depthOf(a) })
	var id format.ID
	for _, dir := range folders {
		t := &format.Tree{Nodes: inside[dir]}
		slices.SortFunc(t.Nodes, func(a, b format.Node) int { return strings.Compare(a.Name, b.Name) })
		var err error
		if id, err = w.SaveTree(ctx, t); err != nil {
			return format.ID{}, err
		}
		if dir != "" {
			n := folderNode(path.Base(dir), time.Time{}, id)
			inside[parent(dir)] = append(inside[parent(dir)], n)
		}
	}
	return id, nil
}

func parent(name string) string {
	if dir := path.Dir(name); dir != "." {
		return dir
	}
	return ""
}

func depthOf(dir string) int {
	if dir == "" {
		return 0
	}
	return 1 + strings.Count(dir, "/")
}
