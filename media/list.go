package media

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/keepsake-backup/keepsake/afc"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// Bounds of what a phone may claim to hold.
const (
	maxDepth   = 32      // folders in one another
	maxEntries = 1 << 20 // of the whole listing
	maxName    = 255     // bytes, as on the phone's own file system
	maxTarget  = 1024    // bytes of a link's target
	maxFile    = 1 << 40 // bytes
)

// entry is a file, folder or link of the phone.
type entry struct {
	name string
	path string    // below the root of AFC, without a slash in front
	info *afc.Info // nil when the phone does not tell, or it is gone
	dir  *folder   // of a folder
	err  error     // why it cannot be had
	gone bool      // deleted meanwhile
	skip bool      // under FairPlay and not wanted

	node    *format.Node // what the snapshot gets; nil until it is there
	content *repository.Content
}

// folder is a folder whose entries are sorted by name.
type folder struct {
	entries []*entry
}

// listing is the media partition as far as it is copied.
type listing struct {
	root      *entry
	problems  []Problem
	protected bool // what is under FairPlay, too
}

// list asks the phone what it holds, folder by folder of one depth.
func list(ctx context.Context, p *pool, protected bool, rep progress.Reporter) (*listing, error) {
	l := &listing{root: &entry{}, protected: protected}
	level := []*entry{l.root}
	var seen progress.Counters
	for depth := 0; len(level) > 0; depth++ {
		names, err := l.readDirs(ctx, p, level)
		if err != nil {
			return nil, err
		}
		if l.root.err != nil {
			return nil, l.root.err
		}
		var entries []*entry
		for i, dir := range level {
			entries = append(entries, l.fill(dir, names[i])...)
		}
		if seen.Files += int64(len(entries)); seen.Files > maxEntries {
			return nil, fmt.Errorf("the phone lists more than %d files", maxEntries)
		}
		rep.Update(seen)
		if err := describe(ctx, p, entries); err != nil {
			return nil, err
		}
		level = level[:0:0]
		for _, e := range entries {
			if l.sort(e, depth) {
				level = append(level, e)
			}
		}
	}
	return l, nil
}

// readDirs lists folders.
func (l *listing) readDirs(ctx context.Context, p *pool, dirs []*entry) ([][]string, error) {
	names := make([][]string, len(dirs))
	err := p.each(ctx, len(dirs), widthFor(len(dirs)), task{
		do: func(ctx context.Context, c *afc.Client, i int) (err error) {
			names[i], err = c.ReadDir(ctx, "/"+dirs[i].path)
			return err
		},
		failed: func(i int, err error) { dirs[i].fail(err) },
	})
	return names, err
}

// widthFor is over how many connections n questions are spread: a connection
// takes several round trips to make.
func widthFor(n int) int { return 1 + n/32 }

// fill gives a folder its entries, as far as they are copied.
func (l *listing) fill(dir *entry, names []string) []*entry {
	dir.dir = &folder{}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		e := &entry{name: name, path: path.Join(dir.path, name)}
		inside, above := inScope(e.path)
		if !inside && !above {
			continue
		}
		if len(name) > maxName {
			l.problems = append(l.problems, Problem{Path: strings.ToValidUTF8(e.path[:len(dir.path)+40], "") + "…", Err: fmt.Errorf("its name is %d bytes long, more than %d", len(name), maxName)})
			continue
		}
		dir.dir.entries = append(dir.dir.entries, e)
	}
	return dir.dir.entries
}

// describe asks for type, size and time.
func describe(ctx context.Context, p *pool, entries []*entry) error {
	return p.each(ctx, len(entries), widthFor(len(entries)), task{
		do: func(ctx context.Context, c *afc.Client, i int) error {
			return entries[i].describe(ctx, c)
		},
		failed: func(i int, err error) { entries[i].fail(err) },
	})
}

func (e *entry) describe(ctx context.Context, c *afc.Client) error {
	info, err := c.Stat(ctx, "/"+e.path)
	if errors.Is(err, fs.ErrNotExist) {
		e.info, e.gone = nil, true
		return nil
	}
	if err == nil {
		e.info = info
	}
	return err
}

func (e *entry) fail(err error) {
	if errors.Is(err, fs.ErrNotExist) {
		e.gone = true
		return
	}
	e.err = err
}

// sort tells whether an entry is a folder to be listed, and refuses what cannot
// be stored.
func (l *listing) sort(e *entry, depth int) (list bool) {
	if e.info == nil || e.err != nil {
		return false
	}
	switch inside, _ := inScope(e.path); {
	case e.info.IsDir():
		if !l.protected && protected(e.name) {
			e.skip = true
			return false
		}
		if depth+1 >= maxDepth {
			e.err = fmt.Errorf("more than %d folders stand in one another", maxDepth)
			return false
		}
		return true
	case !inside: // a file where a folder should be
		e.gone = true
	case e.info.Mode()&fs.ModeSymlink != 0:
		if t := e.info.LinkTarget; t == "" || len(t) > maxTarget {
			e.err = fmt.Errorf("the target of the link is %d bytes long", len(t))
		}
	case !e.info.Mode().IsRegular():
		e.err = fmt.Errorf("it is of a kind that cannot be stored (%v)", e.info.Mode().Type())
	case e.info.Size() > maxFile:
		e.err = fmt.Errorf("the phone says that it has %d bytes", e.info.Size())
	case !l.protected && protected(e.name):
		e.skip = true
	}
	return false
}

// all gives every entry below dir, folders before what they hold.
func (e *entry) all(yield func(*entry) bool) bool {
	if e.dir == nil {
		return true
	}
	for _, sub := range e.dir.entries {
		if !yield(sub) || !sub.all(yield) {
			return false
		}
	}
	return true
}

// files gives what is to be copied: regular files that are there.
func (l *listing) files(yield func(*entry) bool) {
	l.root.all(func(e *entry) bool {
		if e.info == nil || e.err != nil || e.gone || e.skip || !e.info.Mode().IsRegular() {
			return true
		}
		return yield(e)
	})
}

// Listing is what a phone holds of media.
type Listing struct {
	Counts
	Files, Bytes int64
	Protected    Count // under FairPlay: not copied unless asked for
	Problems     []Problem
}

// List tells what Copy would find on the phone.
func List(ctx context.Context, phone Phone, opt Options, rep progress.Reporter) (*Listing, error) {
	p, l, release, err := connectAndList(ctx, phone, opt, rep)
	if err != nil {
		return nil, fmt.Errorf("list media: %w", err)
	}
	p.close()
	release()
	var out Listing
	count := newCounter()
	for e := range l.files {
		count.add(e.path, e.info.Size())
		out.Files++
		out.Bytes += e.info.Size()
	}
	out.Counts, out.Protected = count.counts, l.leftOut()
	out.Problems = l.problems
	l.root.all(func(e *entry) bool {
		if e.err != nil {
			out.Problems = append(out.Problems, Problem{Path: e.path, Err: e.err})
		}
		return true
	})
	return &out, nil
}

// connectAndList is how every job begins.
func connectAndList(ctx context.Context, phone Phone, opt Options, rep progress.Reporter) (_ *pool, _ *listing, release func(), err error) {
	rep.Phase("media_list", "Looking for music, pictures and other media")
	p, err := newPool(ctx, phone, opt.Connections)
	if err != nil {
		return nil, nil, nil, err
	}
	var once sync.Once
	release = phone.KeepAwake(ctx, func(err error) {
		once.Do(func() { rep.Say(progress.Detail, fmt.Sprintf("The phone may fall asleep meanwhile: %v", err)) })
	})
	l, err := list(ctx, p, opt.Protected, rep)
	if err != nil {
		p.close()
		release()
		return nil, nil, nil, err
	}
	return p, l, release, nil
}

// leftOut counts what is under FairPlay and not wanted.
func (l *listing) leftOut() (n Count) {
	l.root.all(func(e *entry) bool {
		if e.skip {
			n.Items++
			n.Bytes += e.info.Size()
		}
		return true
	})
	return n
}

// stamp is a time that every reader of a snapshot can hold; phones that tell none
// get 1970.
func stamp(t time.Time) time.Time {
	if t.IsZero() {
		return time.Unix(0, 0).UTC()
	}
	return t.UTC()
}
