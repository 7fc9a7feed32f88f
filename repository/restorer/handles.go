package restorer

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
)

// handle is an open folder of the target. Everything in it is done through it,
// by names of one component: no path is walked twice, none can lead out.
type handle struct {
	root *os.Root
	self *os.File // the folder itself

	path string // relative to the target; "." is the target
	used int    // by how many
}

func (h *handle) close() error { return errors.Join(h.self.Close(), h.root.Close()) }

// handlesKept is how many folders stay open though nobody uses them.
const handlesKept = 128

// handles are the folders that are open.
type handles struct {
	target *os.Root

	mu   sync.Mutex
	open map[string]*handle
	idle []*handle // oldest first
}

func newHandles(target *os.Root) *handles {
	return &handles{target: target, open: map[string]*handle{}}
}

// get opens a folder that is known to be one. Give it back with put.
func (hs *handles) get(path string) (*handle, error) {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	if h, ok := hs.open[path]; ok {
		if h.used == 0 {
			hs.idle = slices.DeleteFunc(hs.idle, func(other *handle) bool { return other == h })
		}
		h.used++
		return h, nil
	}
	root, err := hs.target.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("open folder: %w", err)
	}
	self, err := root.Open(".")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open folder: %w", err), root.Close())
	}
	h := &handle{root: root, self: self, path: path, used: 1}
	hs.open[path] = h
	return h, nil
}

func (hs *handles) put(h *handle) {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	if h.used--; h.used > 0 {
		return
	}
	hs.idle = append(hs.idle, h)
	if len(hs.idle) > handlesKept {
		h, hs.idle = hs.idle[0], hs.idle[1:]
		delete(hs.open, h.path)
		h.close() // read-only descriptors: nothing can be lost
	}
}

func (hs *handles) close() error {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	var errs []error
	for _, h := range hs.open {
		errs = append(errs, h.close())
	}
	return errors.Join(errs...)
}
