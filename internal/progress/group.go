package progress

import (
	"fmt"
	"sync"
)

// Tagged is a Reporter that can tell several pieces of work apart by
// themselves, as programs can that read JSON.
type Tagged interface {
	Reporter
	// Tag returns a Reporter whose output says to whom it belongs.
	Tag(id string) Reporter
}

// Group shows several pieces of work of one kind, done at once, on one
// Reporter: sums of their counters, and sentences with a name in front.
type Group struct {
	to    Reporter
	text  string
	total int

	mu      sync.Mutex // guards what is below and the order of calls to to
	done    int
	members []*member
}

// NewGroup reports to r, as the phase text, about n members.
func NewGroup(r Reporter, text string, n int) *Group {
	g := &Group{to: r, text: text, total: n}
	g.phaseLocked()
	return g
}

// Member returns the Reporter of one piece of work: name is for people, id
// for programs. Its Close says that this piece has ended.
func (g *Group) Member(name, id string) Reporter {
	if t, ok := g.to.(Tagged); ok {
		return t.Tag(id)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	m := &member{group: g, name: name}
	g.members = append(g.members, m)
	return m
}

func (g *Group) phaseLocked() {
	g.to.Phase("group", fmt.Sprintf("%s (%d of %d done)", g.text, g.done, g.total))
}

type member struct {
	group    *Group
	name     string
	counters Counters // guarded by group.mu
}

// Phase of a member is a detail of the whole.
func (m *member) Phase(_, text string) {
	if text == "" {
		return
	}
	m.Say(Detail, text)
}

func (m *member) Update(c Counters) {
	m.group.mu.Lock()
	defer m.group.mu.Unlock()
	m.counters = c
	var sum Counters
	for _, m := range m.group.members {
		sum.Files += m.counters.Files
		sum.Bytes += m.counters.Bytes
	}
	m.group.to.Update(sum)
}

func (m *member) Say(kind Kind, text string) {
	m.group.mu.Lock()
	defer m.group.mu.Unlock()
	m.group.to.Say(kind, m.name+": "+text)
}

func (m *member) Close() {
	m.group.mu.Lock()
	defer m.group.mu.Unlock()
	m.group.done++
	m.group.phaseLocked()
}
