package mount

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// shelf is a folder of the mount that is in no snapshot.
type shelf struct {
	entries map[string]any // *shelf, *version, or latest
	time    time.Time      // that of its newest snapshot
}

// version is the root folder of a snapshot.
type version struct {
	tree format.ID
	time time.Time
}

// latest is a link to an entry of the same shelf.
type latest string

func newShelf() *shelf { return &shelf{entries: map[string]any{}} }

func (s *shelf) names() []string { return slices.Sorted(maps.Keys(s.entries)) }

// below gives the shelf of that name, a new one if need be.
func (s *shelf) below(name string) *shelf {
	if next, ok := s.entries[name].(*shelf); ok {
		return next
	}
	next := newShelf()
	s.entries[name] = next
	return next
}

// layOut arranges snapshots, which are sorted by time.
func layOut(snapshots []repository.Snapshot) *shelf {
	root := newShelf()
	ids, all, hosts, tags := root.below("ids"), root.below("snapshots"), root.below("hosts"), root.below("tags")
	for i := range snapshots {
		sn := &snapshots[i]
		if sn.Tree == nil {
			continue
		}
		v := &version{*sn.Tree, sn.Time}
		ids.put(idName(ids, sn.ID), v)
		all.putByTime(v)
		hosts.below(cleanName(sn.Hostname)).putByTime(v)
		for _, tag := range sn.Tags {
			tags.below(cleanName(tag)).putByTime(v)
		}
		for _, s := range []*shelf{root, hosts, tags} {
			s.time = v.time
		}
	}
	return root
}

func idName(ids *shelf, id format.ID) string {
	if _, taken := ids.entries[id.Short()]; taken {
		return id.String()
	}
	return id.Short()
}

func (s *shelf) put(name string, v *version) {
	s.entries[name] = v
	s.time = v.time
}

// putByTime adds the newest snapshot so far.
func (s *shelf) putByTime(v *version) {
	base := v.time.Format(time.RFC3339)
	name := base
	for i := 1; ; i++ {
		if _, taken := s.entries[name]; !taken {
			break
		}
		name = fmt.Sprintf("%s-%d", base, i)
	}
	s.put(name, v)
	s.entries["latest"] = latest(name)
}

// cleanName is a label as the name of a folder.
func cleanName(label string) string {
	name := strings.NewReplacer("/", "_", "\x00", "_").Replace(label)
	if name == "" || name == "." || name == ".." {
		return strings.Repeat("_", max(1, len(name)))
	}
	return name[:min(len(name), 255)]
}
