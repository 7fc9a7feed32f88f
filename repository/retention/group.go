package retention

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// GroupBy says what snapshots of one group have in common. The zero value puts
// all into one group.
type GroupBy struct{ Host, Paths, Tags bool }

// DefaultGroupBy is what forget groups by unless told otherwise.
var DefaultGroupBy = GroupBy{Host: true, Paths: true}

// ParseGroupBy reads "host", "paths" and "tags" (or "hosts", "path", "tag"),
// separated by commas. The empty text is no grouping.
func ParseGroupBy(text string) (GroupBy, error) {
	var by GroupBy
	for word := range strings.SplitSeq(text, ",") {
		switch strings.TrimSpace(word) {
		case "host", "hosts":
			by.Host = true
		case "path", "paths":
			by.Paths = true
		case "tag", "tags":
			by.Tags = true
		case "":
		default:
			return GroupBy{}, fmt.Errorf("parse grouping: %q is none of host, paths, tags", word)
		}
	}
	return by, nil
}

func (by GroupBy) String() string {
	var words []string
	for _, w := range []struct {
		on   bool
		word string
	}{{by.Host, "host"}, {by.Paths, "paths"}, {by.Tags, "tags"}} {
		if w.on {
			words = append(words, w.word)
		}
	}
	return strings.Join(words, ",")
}

// Group is snapshots that belong together. Of Host, Paths and Tags, those that
// were not grouped by are empty; Paths and Tags are sorted.
type Group struct {
	Host      string
	Paths     []string
	Tags      []string
	Snapshots []Snapshot // newest first
}

// String names the group, for people: "host mac, paths /a /b". It is empty for
// the group of everything.
func (g Group) String() string {
	var parts []string
	if g.Host != "" {
		parts = append(parts, "host "+g.Host)
	}
	if len(g.Paths) > 0 {
		parts = append(parts, "paths "+strings.Join(g.Paths, " "))
	}
	if len(g.Tags) > 0 {
		parts = append(parts, "tags "+strings.Join(g.Tags, ","))
	}
	return strings.Join(parts, ", ")
}

// Sort puts snapshots into groups. The order of a snapshot's paths and tags
// does not matter. Groups are sorted by host, paths and tags. list is not
// changed.
func Sort(list []Snapshot, by GroupBy) []Group {
	var groups []Group
	for _, s := range list {
		var key Group
		if by.Host {
			key.Host = s.Host
		}
		if by.Paths {
			key.Paths = slices.Sorted(slices.Values(s.Paths))
		}
		if by.Tags {
			key.Tags = slices.Sorted(slices.Values(s.Tags))
		}
		i, found := slices.BinarySearchFunc(groups, key, compareGroups)
		if !found {
			groups = slices.Insert(groups, i, key)
		}
		groups[i].Snapshots = append(groups[i].Snapshots, s)
	}
	for _, g := range groups {
		slices.SortFunc(g.Snapshots, newestFirst)
	}
	return groups
}

func compareGroups(a, b Group) int {
	return cmp.Or(strings.Compare(a.Host, b.Host), slices.Compare(a.Paths, b.Paths), slices.Compare(a.Tags, b.Tags))
}
