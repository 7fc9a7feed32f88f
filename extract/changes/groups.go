package changes

import (
	"errors"
	"slices"
	"strings"

	"github.com/keepsake-backup/keepsake/extract"
)

// maxGroups bounds how many groups are compared: nobody has a million conversations.
const maxGroups = 1 << 20

// groups compares what the records lie in.
func (k *comparison) groups() error {
	if k.info.Groups == "" || k.Unknown != "" {
		return nil
	}
	older, ok, err := k.listGroups(k.older)
	if err != nil || !ok {
		return err
	}
	newer, ok, err := k.listGroups(k.newer)
	if err != nil || !ok {
		return err
	}
	is := map[string]*extract.Group{}
	for i := range newer {
		is[newer[i].Key] = &newer[i]
	}
	for i := range older {
		was := &older[i]
		if was.Deleted {
			continue
		}
		k.oldGroups++
		now := is[was.Key]
		delete(is, was.Key)
		if now == nil || now.Deleted {
			k.GroupsGone.add(was, k.size(was, 0), 0)
			continue
		}
		if before, after := k.size(was, 0), k.size(now, 1); (was.Count < 0) == (now.Count < 0) && after < before {
			k.GroupsShorter.add(now, before, after)
		}
	}
	for i := range newer {
		if g := &newer[i]; is[g.Key] == g && !g.Deleted && !wasDeleted(older, g.Key) {
			k.GroupsAdded.add(g, 0, k.size(g, 1))
		}
	}
	return nil
}

func wasDeleted(older []extract.Group, key string) bool {
	return slices.ContainsFunc(older, func(g extract.Group) bool { return g.Key == key && g.Deleted })
}

// size is how many records are in a group, as the phone says or else as counted.
func (k *comparison) size(g *extract.Group, side int) int {
	if g.Count >= 0 {
		return g.Count
	}
	return k.counted[side][g.Key]
}

// listGroups gives the groups of a version; false when they cannot be read.
func (k *comparison) listGroups(src *extract.Source) ([]extract.Group, bool, error) {
	list, err := k.x.Groups(k.ctx, src)
	if k.ctx.Err() != nil {
		return nil, false, k.ctx.Err()
	}
	if errors.Is(err, extract.ErrAbsent) {
		return nil, true, nil
	}
	if err != nil {
		k.report(&extract.Problem{What: k.GroupsAre + " of " + k.Title, Err: err})
		return nil, false, nil
	}
	return list[:min(len(list), maxGroups)], true, nil
}

// add counts a group, and keeps it if it is among those that lost, or got, most.
func (g *Groups) add(x *extract.Group, before, after int) {
	g.Count++
	e := GroupExample{Key: x.Key, Title: clip(x.Title), Detail: clip(x.Detail), Old: before, New: after}
	weight := func(e GroupExample) int { return max(e.Old-e.New, e.New-e.Old) }
	n, _ := slices.BinarySearchFunc(g.Examples, e, func(have, e GroupExample) int {
		if c := weight(e) - weight(have); c != 0 {
			return c
		}
		if c := strings.Compare(have.Title, e.Title); c != 0 {
			return c
		}
		return strings.Compare(have.Key, e.Key)
	})
	if n < MaxExamples {
		g.Examples = slices.Insert(g.Examples, n, e)
		g.Examples = g.Examples[:min(len(g.Examples), MaxExamples)]
	}
}
