package voicememos

import (
	"fmt"
	"strings"
)

// rowPrefix begins the key of a recording that has neither a UUID nor a file.
const rowPrefix = "row:"

// collection are the recordings of all lists, each once.
type collection struct {
	places []*place
	memos  []*Memo
	named  map[*place]map[string]bool // names of files that a list has
	list   int                        // number of the list that is being read
	keys   map[string]int             // key to number of the list
	files  map[string]int             // place and name to number of the list
}

func newCollection(places []*place) *collection {
	c := &collection{places: places, named: map[*place]map[string]bool{}, keys: map[string]int{}, files: map[string]int{}}
	for _, p := range places {
		c.named[p] = map[string]bool{}
	}
	return c
}

// next begins another list. What an earlier one has is not taken again: a phone that
// was updated keeps its old list.
func (c *collection) next() { c.list++ }

// add takes a recording. A file that is not where its list is may be in another place:
// names have the time and a part of the UUID.
func (c *collection) add(m *Memo) {
	if m.base != "" && !m.Unlisted {
		m.place = c.home(m)
		c.named[m.place][m.base] = true
	}
	file := m.place.dir + "/" + m.base
	if m.base != "" {
		if n, known := c.files[file]; known && n != c.list {
			return
		}
	}
	if n, known := c.keys[m.Key]; known {
		if n != c.list && !m.Unlisted && !strings.HasPrefix(m.Key, rowPrefix) {
			return
		}
		if m.Key += "@" + m.place.dir; c.keys[m.Key] > 0 {
			m.Key = fmt.Sprintf("%s#%d", m.Key, len(c.memos))
		}
	}
	c.keys[m.Key], c.files[file] = c.list, c.list
	c.memos = append(c.memos, m)
}

// home is the place that has a recording's file, its list's place where none has.
func (c *collection) home(m *Memo) *place {
	has := func(p *place) bool { return p.files[m.base] || p.edits[stem(m.base)+".composition"] }
	if has(m.place) {
		return m.place
	}
	for _, p := range c.places {
		if has(p) {
			return p
		}
	}
	return m.place
}
