package changes

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
)

// MaxExamples is how many records or groups are named of each sort of change.
const MaxExamples = 20

// Changes are what has changed between two versions.
type Changes struct {
	Old   Side   `json:"old"`
	New   Side   `json:"new"`
	Kinds []Kind `json:"kinds"`
	// Warnings say in plain words that much has vanished at once, or that something
	// could not be compared.
	Warnings []Warning `json:"warnings,omitempty"`
}

// Side is one of the versions.
type Side struct {
	Name    string    `json:"name,omitempty"`    // of the phone
	Product string    `json:"product,omitempty"` // "iPhone14,2"
	IOS     string    `json:"ios,omitempty"`
	Time    time.Time `json:"time,omitzero"`
}

// State tells how the reading of a kind went.
type State string

// The states of a kind in a version.
const (
	Read   State = "read"
	Absent State = "absent"
	Failed State = "failed"
)

// Kind is what has changed in one kind.
type Kind struct {
	Kind  string `json:"kind"`
	Title string `json:"title"`
	// Unknown says why the versions cannot be compared; all else is empty then but the
	// states and what was counted.
	Unknown string `json:"unknown,omitempty"`
	Old     Count  `json:"old"`
	New     Count  `json:"new"`
	Added   Part   `json:"added,omitzero"`
	Changed Part   `json:"changed,omitzero"`
	Removed Part   `json:"removed,omitzero"`
	// Deleted were moved to what the phone calls recently deleted, Recovered came back.
	Deleted   Part `json:"deleted,omitzero"`
	Recovered Part `json:"recovered,omitzero"`
	// Offloaded are still there, but their files are no longer in the backup: photos
	// that are now in iCloud only.
	Offloaded Part `json:"offloaded,omitzero"`
	// Emptied is how many left recently deleted, Expired how many went by themselves.
	Emptied int `json:"emptied,omitempty"`
	Expired int `json:"expired,omitempty"`
	// Groups are conversations, albums, calendars, as GroupsAre says.
	GroupsAre     string `json:"groups_are,omitempty"`
	GroupsAdded   Groups `json:"groups_added,omitzero"`
	GroupsGone    Groups `json:"groups_gone,omitzero"`
	GroupsShorter Groups `json:"groups_shorter,omitzero"`

	oldGroups int
	noun      noun
}

// Count tells what a version has of a kind.
type Count struct {
	State    State `json:"state"`
	Records  int   `json:"records"`            // all of them
	Lasting  int   `json:"-"`                  // without those deleted, and those that go by themselves
	Problems int   `json:"problems,omitempty"` // things that could not be read and were left out
}

// Part is one sort of change.
type Part struct {
	Count    int       `json:"count"`
	Examples []Example `json:"examples"` // the newest, at most MaxExamples
}

// Example is a record that was changed.
type Example struct {
	Table  string `json:"table"`
	Key    string `json:"key"`
	Title  string `json:"title"`
	Detail string `json:"detail,omitempty"`
	// Text is the beginning of what it says.
	Text string    `json:"text,omitempty"`
	Time time.Time `json:"time,omitzero"`
	// Fields are what is different, of records that were changed.
	Fields []Field `json:"fields,omitempty"`
}

// Field is a column of a record's row before and after.
type Field struct {
	Name string `json:"name"`
	Old  string `json:"old,omitempty"`
	New  string `json:"new,omitempty"`
}

// Groups are groups with one sort of change.
type Groups struct {
	Count    int            `json:"count"`
	Examples []GroupExample `json:"examples"` // those that lost most, at most MaxExamples
}

// GroupExample is a group that was changed. Counts are of records, −1 = not known.
type GroupExample struct {
	Key    string `json:"key"`
	Title  string `json:"title"`
	Detail string `json:"detail,omitempty"`
	Old    int    `json:"old"`
	New    int    `json:"new"`
}

// IsZero tells that nothing changed.
func (p Part) IsZero() bool { return p.Count == 0 }

// IsZero tells that nothing changed.
func (g Groups) IsZero() bool { return g.Count == 0 }

// Same tells that nothing changed in a kind.
func (k *Kind) Same() bool {
	return k.Unknown == "" && k.Added.Count+k.Changed.Count+k.Removed.Count+k.Deleted.Count+k.Recovered.Count+k.Offloaded.Count+k.Emptied+k.Expired+
		k.GroupsAdded.Count+k.GroupsGone.Count+k.GroupsShorter.Count == 0
}

// Compare compares an older version with a newer one, kind by kind. What cannot be read
// is told to rep, which may be nil, and is no error: the kind is Unknown then. Problems
// of both versions are told. An error is that of the context.
func Compare(ctx context.Context, older, newer *extract.Source, readers []extract.Extractor, rep extract.Reporter) (*Changes, error) {
	c := &Changes{Old: sideOf(older), New: sideOf(newer), Kinds: []Kind{}}
	for _, x := range readers {
		k := &comparison{ctx: ctx, x: x, info: x.Info(), older: older, newer: newer, rep: rep}
		if err := k.run(); err != nil {
			return nil, fmt.Errorf("compare %s: %w", k.info.Kind, err)
		}
		if k.Old.State == Absent && k.New.State == Absent {
			continue
		}
		c.Kinds = append(c.Kinds, k.Kind)
		c.Warnings = append(c.Warnings, k.warnings()...)
	}
	return c, nil
}

func sideOf(s *extract.Source) Side {
	return Side{Name: s.Device.Name, Product: s.Device.Product, IOS: s.Device.IOS, Time: s.Device.Time}
}

// comparison is the work on one kind.
type comparison struct {
	Kind
	ctx          context.Context
	x            extract.Extractor
	info         extract.Info
	older, newer *extract.Source
	rep          extract.Reporter
	table        table
	counted      [2]map[string]int // records by group, of the older and the newer version
}

func (k *comparison) run() error {
	k.Kind.Kind, k.Title, k.GroupsAre, k.noun = k.info.Kind, k.info.Title, k.info.Groups, nounOf(k.info)
	k.counted = [2]map[string]int{{}, {}}
	for _, step := range []func() error{k.readNew, k.readOld, k.judge, k.nameAdded, k.nameFields, k.groups} {
		if err := step(); err != nil {
			return err
		}
		if err := k.ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// read reads one version; what it says is about the version, errors are the context's.
func (k *comparison) read(src *extract.Source, side int, count *Count, emit func(extract.Record, *extract.Entry) error) error {
	out := &emitter{k: k, emit: func(r extract.Record) error {
		e := r.Entry()
		count.Records++
		if !e.Deleted && !e.Volatile {
			count.Lasting++
			if e.Group != "" && (len(k.counted[side]) < maxGroups || k.counted[side][e.Group] > 0) {
				k.counted[side][e.Group]++
			}
		}
		return emit(r, &e)
	}, problems: &count.Problems}
	err := k.x.Read(k.ctx, src, extract.Query{}, out)
	switch {
	case k.ctx.Err() != nil:
		return k.ctx.Err()
	case err == nil:
		count.State = Read
	case errors.Is(err, extract.ErrAbsent):
		count.State = Absent
	default:
		count.State = Failed
		k.report(&extract.Problem{What: k.Title, Err: err})
	}
	return nil
}

func (k *comparison) report(p *extract.Problem) {
	if k.rep == nil {
		return
	}
	named := *p
	if named.Kind == "" {
		named.Kind = k.info.Kind
	}
	k.rep.Report(&named)
}

type emitter struct {
	k        *comparison
	emit     func(extract.Record) error
	problems *int // nil: they are known
	n        int
}

// Emit implements extract.Emitter.
func (e *emitter) Emit(r extract.Record) error {
	if e.n++; e.n%1024 == 0 {
		if err := e.k.ctx.Err(); err != nil {
			return err
		}
	}
	return e.emit(r)
}

// Report implements extract.Emitter.
func (e *emitter) Report(p *extract.Problem) {
	if e.problems != nil {
		*e.problems++
		e.k.report(p)
	}
}
