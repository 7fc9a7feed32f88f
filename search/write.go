package search

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/keepsake-backup/keepsake/internal/lockfile"
	"github.com/keepsake-backup/keepsake/search/internal/sealed"
	"github.com/keepsake-backup/keepsake/search/internal/segment"
)

// change is what a writer makes of a state.
type change struct {
	ix       *Index
	from     *state
	versions []manifestVersion
	segments []*openSegment // those that stay, and new ones
	opened   []*openSegment // new ones
	lists    map[string][]presence
	// published: the manifest may be the new one, even if what came after it failed.
	published bool
}

// write lets fn change the index: the only one in all processes. What fn leaves in the
// change is published when it returns no error.
func (ix *Index) write(ctx context.Context, fn func(*change) error) (err error) {
	select {
	case ix.writing <- struct{}{}:
		defer func() { <-ix.writing }()
	case <-ctx.Done():
		return ctx.Err()
	}
	lock, err := lockfile.Acquire(ix.root, lockName)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	st, err := ix.acquire()
	if err != nil {
		return err
	}
	defer ix.release(st)
	c := &change{ix: ix, from: st, segments: slices.Clone(st.segments)}
	for _, v := range st.versions {
		c.versions = append(c.versions, manifestVersion{v.VersionInfo, v.file})
	}
	if err := ix.sweep(st); err != nil {
		return err
	}
	if err = fn(c); err == nil {
		err = c.publish()
	}
	ix.mu.Lock()
	for _, s := range c.opened {
		if s.states == 0 { // not in the state that was published
			s.sealed.Close()
		}
	}
	ix.mu.Unlock()
	if err != nil && !c.published {
		err = errors.Join(err, ix.sweep(st))
	}
	return err
}

// sweep removes what a crash has left.
func (ix *Index) sweep(st *state) error {
	wanted := map[string]bool{}
	for _, s := range st.segments {
		wanted[s.ref.Name] = true
	}
	for _, v := range st.versions {
		wanted[v.file.Name] = true
	}
	return sweep(ix.root, wanted, false)
}

// addSegment takes a new segment into the change.
func (c *change) addSegment(name string) (*openSegment, error) {
	r, err := sealed.Open(c.ix.root, name, c.ix.key, c.ix.cache)
	if err != nil {
		return nil, err
	}
	seg, err := segment.Open(r)
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	s := &openSegment{ref: refTo(name, r.ID()), sealed: r, Reader: seg}
	c.opened = append(c.opened, s)
	c.segments = append(c.segments, s)
	return s, nil
}

// newSegment writes a segment with fn and takes it into the change.
func (c *change) newSegment(prefix string, fn func(*sealed.Writer) error) (*openSegment, error) {
	name := newName(prefix)
	w, err := sealed.Create(c.ix.root, name, name, c.ix.key)
	if err != nil {
		return nil, err
	}
	if err := fn(w); err != nil {
		w.Abort()
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return c.addSegment(name)
}

// setDocs writes which documents a version has, under a new name.
func (c *change) setDocs(v *manifestVersion, list []presence) error {
	list = slices.DeleteFunc(list, func(p presence) bool { return p.bits.Count() == 0 })
	name := newName(versionPrefix)
	id, err := sealed.WriteFile(c.ix.root, name, name, c.ix.key, encodePresence(list))
	if err != nil {
		return err
	}
	v.File = refTo(name, id)
	if c.lists == nil {
		c.lists = map[string][]presence{}
	}
	c.lists[v.ID] = list
	return nil
}

// docsOf are the documents of a version as the change has them.
func (c *change) docsOf(v *manifestVersion) []presence {
	if list, ok := c.lists[v.ID]; ok {
		return list
	}
	var list []presence
	for _, old := range c.from.versions {
		if old.ID == v.ID {
			for _, s := range old.segs {
				list = append(list, presence{s.ref.Name, old.docs(s)})
			}
		}
	}
	return list
}

// used counts for each segment the documents that any version has.
func (c *change) used() map[string]*segment.Bits {
	used := map[string]*segment.Bits{}
	for i := range c.versions {
		for _, p := range c.docsOf(&c.versions[i]) {
			if used[p.name] == nil {
				used[p.name] = segment.NewBits(p.bits.Len())
			}
			used[p.name].Or(p.bits)
		}
	}
	return used
}

// publish makes the change what everybody sees, and removes what it has replaced.
func (c *change) publish() error {
	ix := c.ix
	used := c.used()
	m := &manifest{Format: manifestFormat}
	for _, s := range c.segments {
		if used[s.ref.Name] != nil {
			m.Segments = append(m.Segments, manifestSegment{s.ref, s.Docs()})
		}
	}
	slices.SortFunc(c.versions, compareVersions)
	m.Versions = c.versions
	data, err := m.encode()
	if err != nil {
		return err
	}
	if err := ix.crash("files are written"); err != nil {
		return err
	}
	if _, err := sealed.WriteFile(ix.root, manifestTemp, manifestName, ix.key, data); err != nil {
		return err
	}
	// The names of the files have to be on the disk before the manifest that needs them.
	if err := sealed.SyncFolder(ix.root); err != nil {
		return fmt.Errorf("publish the index: %w", err)
	}
	if err := ix.crash("manifest is written"); err != nil {
		return err
	}
	c.published = true
	if err := ix.root.Rename(manifestTemp, manifestName); err != nil {
		return fmt.Errorf("publish the index: %w", err)
	}
	if err := sealed.SyncFolder(ix.root); err != nil {
		return fmt.Errorf("publish the index: %w", err)
	}
	if err := ix.crash("manifest is there"); err != nil {
		return err
	}
	if err := ix.adopt(c); err != nil {
		return err
	}
	st, err := ix.acquire()
	if err != nil {
		return err
	}
	defer ix.release(st)
	return ix.sweep(st)
}

// adopt loads what was published.
func (ix *Index) adopt(c *change) error {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	ix.bad = map[string]error{}
	open := map[string]*openSegment{}
	for _, s := range c.segments {
		open[s.ref.Name] = s
	}
	return ix.reloadLocked(open)
}
