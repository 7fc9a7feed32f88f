package snapshot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/repository/treewalk"
)

// Action is what became of a file.
type Action uint8

// What can become of a file.
const (
	Added Action = iota + 1
	Changed
	Removed
)

func (a Action) String() string {
	switch a {
	case Added:
		return "added"
	case Changed:
		return "changed"
	case Removed:
		return "removed"
	}
	return fmt.Sprintf("action %d", uint8(a))
}

// Change is a file or link that differs between two snapshots of a phone.
type Change struct {
	Path   string // "domain/relative/path"
	Action Action
	// Before and After are the sizes in bytes, 0 where there is none.
	Before, After int64
}

// Domain is the part of the phone.
func (c Change) Domain() string {
	domain, _, _ := strings.Cut(c.Path, "/")
	return domain
}

// Tally counts changes of files. Bytes are of the whole files.
type Tally struct {
	Added, Changed, Removed                int64
	AddedBytes, ChangedBytes, RemovedBytes int64 // Changed: as they are after
}

func (t *Tally) add(c Change) {
	switch c.Action {
	case Added:
		t.Added++
		t.AddedBytes += c.After
	case Changed:
		t.Changed++
		t.ChangedBytes += c.After
	case Removed:
		t.Removed++
		t.RemovedBytes += c.Before
	}
}

// DomainTally is a Tally of one part of the phone.
type DomainTally struct {
	Domain string
	App    string // bundle ID of the app, extension or group; "" if it is none's
	Tally
}

// Difference sums up what differs between two snapshots.
type Difference struct {
	Tally
	Domains []DomainTally // those with changes, by name
}

// App gives the bundle ID in the name of an app's domain, such as
// AppDomain-com.example.app; "" for other domains.
func App(domain string) string {
	kind, id, ok := strings.Cut(domain, "-")
	if !ok || !strings.HasPrefix(kind, "AppDomain") {
		return ""
	}
	return id
}

// Diff tells what became of the phone's files from a to b: contents, not modes
// and times. each is called for every change, by name; it may be nil, and its
// error ends the comparison. Both must be in one repository. Folders that are
// equal are not read. Error: [ErrSealed].
func Diff(ctx context.Context, a, b *Snapshot, each func(Change) error) (*Difference, error) {
	d := &differ{each: each, domains: map[string]*DomainTally{}}
	if err := d.run(ctx, a, b); err != nil {
		return nil, fmt.Errorf("compare snapshots %s and %s: %w", a.info.ID.Short(), b.info.ID.Short(), err)
	}
	for _, domain := range slices.Sorted(maps.Keys(d.domains)) {
		d.sum.Domains = append(d.sum.Domains, *d.domains[domain])
	}
	return &d.sum, nil
}

type differ struct {
	each       func(Change) error
	sum        Difference
	domains    map[string]*DomainTally
	oddA, oddB map[string]*format.Node // exceptions by path, as far as they have one
}

func (d *differ) run(ctx context.Context, a, b *Snapshot) (err error) {
	if a.meta.Sealed || b.meta.Sealed {
		return ErrSealed
	}
	if a.s.Repository().ID() != b.s.Repository().ID() {
		return errors.New("they are in two repositories")
	}
	if d.oddA, err = a.oddByPath(ctx); err != nil {
		return err
	}
	if d.oddB, err = b.oddByPath(ctx); err != nil {
		return err
	}
	err = treewalk.Diff(ctx, b.s, a.root, b.root, func(c treewalk.Change) error {
		path := strings.TrimPrefix(c.Path, "/")
		if hidden(path) {
			return nil
		}
		return d.compare(path, c.Old, c.New)
	})
	if err != nil {
		return err
	}
	return d.exceptions()
}

// oddByPath are the nodes of exceptions that have a path.
func (p *Snapshot) oddByPath(ctx context.Context) (map[string]*format.Node, error) {
	nodes, err := p.exceptionNodes(ctx)
	if err != nil {
		return nil, err
	}
	byPath := map[string]*format.Node{}
	for id, n := range nodes {
		if x := p.exceptions[id]; x.Path != "" {
			byPath[x.Path] = n
		}
	}
	return byPath, nil
}

// compare looks at one path; an exception of one snapshot may stand in its place
// in the other.
func (d *differ) compare(path string, old, now *format.Node) error {
	if !isLeaf(old) {
		old = nil
	}
	if !isLeaf(now) {
		now = nil
	}
	if old == nil && now != nil {
		old = d.oddA[path]
		delete(d.oddA, path)
	}
	if now == nil && old != nil {
		now = d.oddB[path]
		delete(d.oddB, path)
	}
	switch {
	case old == nil && now == nil:
		return nil
	case old == nil:
		return d.tell(Change{path, Added, 0, int64(now.Size)})
	case now == nil:
		return d.tell(Change{path, Removed, int64(old.Size), 0})
	case old.Type == now.Type && slices.Equal(old.Content, now.Content) && old.LinkTarget == now.LinkTarget:
		return nil
	}
	return d.tell(Change{path, Changed, int64(old.Size), int64(now.Size)})
}

func isLeaf(n *format.Node) bool { return n != nil && n.Type != format.NodeDir }

// exceptions compares those that stand in their place in neither.
func (d *differ) exceptions() error {
	paths := map[string]bool{}
	for _, m := range []map[string]*format.Node{d.oddA, d.oddB} {
		for path := range m {
			paths[path] = true
		}
	}
	for _, path := range slices.SortedFunc(maps.Keys(paths), cmp.Compare[string]) {
		old, now := d.oddA[path], d.oddB[path]
		delete(d.oddA, path)
		delete(d.oddB, path)
		if err := d.compare(path, old, now); err != nil {
			return err
		}
	}
	return nil
}

func (d *differ) tell(c Change) error {
	domain := d.domains[c.Domain()]
	if domain == nil {
		domain = &DomainTally{Domain: c.Domain(), App: App(c.Domain())}
		d.domains[c.Domain()] = domain
	}
	domain.add(c)
	d.sum.add(c)
	if d.each == nil {
		return nil
	}
	return d.each(c)
}
