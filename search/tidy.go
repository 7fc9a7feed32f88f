package search

import (
	"context"
	"fmt"
	"slices"

	"github.com/keepsake-backup/keepsake/search/internal/sealed"
	"github.com/keepsake-backup/keepsake/search/internal/segment"
)

// Forget takes versions out of the index; unknown ones are no error. Documents that no
// other version has are never found again; they leave the disk when they are a quarter
// of their segment, or with [Index.Compact].
func (ix *Index) Forget(ctx context.Context, ids ...string) error {
	err := ix.write(ctx, func(c *change) error {
		c.versions = slices.DeleteFunc(c.versions, func(v manifestVersion) bool { return slices.Contains(ids, v.ID) })
		return c.tidy(ctx, tidyForget)
	})
	if err != nil {
		return fmt.Errorf("forget versions in the index: %w", err)
	}
	return nil
}

// Compact makes one segment of all, without documents that no version has.
func (ix *Index) Compact(ctx context.Context) error {
	if err := ix.write(ctx, func(c *change) error { return c.tidy(ctx, tidyAll) }); err != nil {
		return fmt.Errorf("compact the index: %w", err)
	}
	return nil
}

type tidying int

const (
	tidyAdd tidying = iota
	tidyForget
	tidyAll
)

// maxSmall is how many segments there may be before small ones are merged: a search
// asks each.
const maxSmall = 6

// tidy merges what has to be merged.
func (c *change) tidy(ctx context.Context, how tidying) error {
	used := c.used()
	var list []*openSegment
	count := map[*openSegment]int{}
	for _, s := range c.segments {
		if n := used[s.ref.Name].Count(); n > 0 {
			list = append(list, s)
			count[s] = n
		}
	}
	slices.SortStableFunc(list, func(a, b *openSegment) int { return count[a] - count[b] })
	wasteful := func(s *openSegment) bool { return (s.Docs()-count[s])*4 > s.Docs() }
	switch how {
	case tidyAll:
		if len(list) == 1 && list[0].Docs() == count[list[0]] {
			return nil
		}
	case tidyForget:
		if !slices.ContainsFunc(list, wasteful) {
			return nil
		}
		list = slices.DeleteFunc(list, func(s *openSegment) bool { return !wasteful(s) })
	case tidyAdd:
		list = list[:small(list, count)]
	}
	if len(list) == 0 {
		return nil
	}
	return c.merge(ctx, list, used)
}

// small chooses how many of the segments to merge, the smallest first: when there are
// too many, and then each that is no more than twice what is merged with it anyway. So
// a document is written again only a few times, however many versions come.
func small(list []*openSegment, count map[*openSegment]int) int {
	if len(list) <= maxSmall {
		return 0
	}
	n, sum := 0, 0
	for n < len(list) && (n < len(list)-maxSmall+2 || count[list[n]] <= 2*sum) {
		sum += count[list[n]]
		n++
	}
	return n
}

// merge makes one segment of several, and tells all versions.
func (c *change) merge(ctx context.Context, list []*openSegment, used map[string]*segment.Bits) error {
	readers, keep := make([]*segment.Reader, len(list)), make([]*segment.Bits, len(list))
	for i, s := range list {
		readers[i], keep[i] = s.Reader, used[s.ref.Name]
	}
	var to [][]uint32
	merged, err := c.newSegment(segmentPrefix, func(w *sealed.Writer) (err error) {
		to, err = segment.Merge(ctx, w, readers, keep)
		return err
	})
	if err != nil {
		return c.blame(err, list)
	}
	at := map[string]int{}
	for i, s := range list {
		at[s.ref.Name] = i
	}
	for i := range c.versions {
		v := &c.versions[i]
		docs, rest := segment.NewBits(merged.Docs()), []presence(nil)
		for _, p := range c.docsOf(v) {
			from, ok := at[p.name]
			if !ok {
				rest = append(rest, p)
				continue
			}
			for doc, ok := p.bits.Next(0); ok; doc, ok = p.bits.Next(doc + 1) {
				docs.Set(to[from][doc])
			}
		}
		if docs.Count() == 0 {
			continue
		}
		if err := c.setDocs(v, append(rest, presence{merged.ref.Name, docs})); err != nil {
			return err
		}
	}
	c.drop(list)
	return nil
}

// blame takes a damaged segment out of the index, so that the next try is without it.
func (c *change) blame(err error, list []*openSegment) error {
	if isDamage(err) {
		for _, s := range list {
			if e := s.sealed.Check(); e != nil && isDamage(e) {
				c.ix.condemn(s.ref.Name, e)
			}
		}
	}
	return err
}

// drop leaves segments out of the change. Their files are removed at once if they are
// its own.
func (c *change) drop(list []*openSegment) {
	for _, s := range list {
		c.segments = slices.DeleteFunc(c.segments, func(o *openSegment) bool { return o == s })
		if i := slices.Index(c.opened, s); i >= 0 {
			c.opened = slices.Delete(c.opened, i, i+1)
			s.sealed.Close()                 // read only
			_ = c.ix.root.Remove(s.ref.Name) // else the sweep does
		}
	}
}
