package retention

import (
	"slices"
	"strings"
)

// TagList is a set of tags that a snapshot must have all of.
type TagList []string

// ParseTagList reads tags separated by commas, as in the value of a flag --tag.
// The empty text is the list that fits snapshots without tags.
func ParseTagList(text string) TagList {
	list := TagList(strings.Split(text, ","))
	for i := range list {
		list[i] = strings.TrimSpace(list[i])
	}
	return list
}

func (l TagList) String() string { return "[" + strings.Join(l, ", ") + "]" }

// Filter chooses snapshots. The zero value chooses all.
type Filter struct {
	Hosts []string  // made on one of them
	Tags  []TagList // has all tags of one of the lists
	Paths []string  // holds all of them
}

// IsZero tells whether the filter lets everything pass.
func (f Filter) IsZero() bool { return len(f.Hosts)+len(f.Tags)+len(f.Paths) == 0 }

// Match tells whether s is chosen. Paths are compared as they are written.
func (f Filter) Match(s Snapshot) bool {
	if len(f.Hosts) > 0 && !slices.Contains(f.Hosts, s.Host) {
		return false
	}
	if len(f.Tags) > 0 && !slices.ContainsFunc(f.Tags, s.hasTags) {
		return false
	}
	for _, path := range f.Paths {
		if !slices.Contains(s.Paths, path) {
			return false
		}
	}
	return true
}
