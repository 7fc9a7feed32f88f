package changes

import (
	"errors"
	"slices"
	"strings"

	"github.com/keepsake-backup/keepsake/extract"
)

func (k *comparison) readNew() error {
	var h hasher
	return k.read(k.newer, 1, &k.New, func(r extract.Record, e *extract.Entry) error {
		k.table.add(entry{key: h.key(e.Key), content: h.content(e.Table, k.row(e.Table, r)), time: timeOf(e), flags: flagsOf(e)})
		return nil
	})
}

// readOld looks the older version's records up.
func (k *comparison) readOld() error {
	var h hasher
	return k.read(k.older, 0, &k.Old, func(r extract.Record, e *extract.Entry) error {
		row := k.row(e.Table, r)
		was := flagsOf(e)
		is := k.table.find(h.key(e.Key))
		if is == nil {
			switch {
			case was&isVolatile != 0:
				k.Expired++
			case was&isDeleted != 0:
				k.Emptied++
			default:
				k.Removed.add(e, nil)
			}
			return nil
		}
		if is.flags&isSeen != 0 {
			return nil // its key is not its own
		}
		is.flags |= isSeen
		switch {
		case was&isDeleted == 0 && is.flags&isDeleted != 0:
			k.Deleted.add(e, nil)
		case was&isDeleted != 0 && is.flags&isDeleted == 0:
			k.Recovered.add(e, nil)
		case was&hasFiles != 0 && is.flags&hasFiles == 0:
			k.Offloaded.add(e, nil)
		case h.content(e.Table, row) != is.content && was&isVolatile == 0:
			k.Changed.add(e, row)
		}
		return nil
	})
}

// judge tells whether the versions can be compared at all.
func (k *comparison) judge() error {
	k.Unknown = k.unknown()
	if k.Unknown != "" {
		k.Added, k.Changed, k.Removed, k.Deleted, k.Recovered, k.Offloaded, k.Emptied, k.Expired = Part{}, Part{}, Part{}, Part{}, Part{}, Part{}, 0, 0
	}
	return nil
}

func (k *comparison) unknown() string {
	switch {
	case k.New.State == Failed && k.Old.State == Failed:
		return "could not be read in either version"
	case k.New.State == Failed:
		return "could not be read in the newer version"
	case k.Old.State == Failed:
		return "could not be read in the older version"
	case k.info.Needs != "" && k.New.State == Absent && k.Old.State == Read:
		return "not in the newer version, which may be because it takes " + k.info.Needs
	case k.info.Needs != "" && k.Old.State == Absent && k.New.State == Read:
		return "not in the older version, which may be because it takes " + k.info.Needs
	}
	return ""
}

// measures are columns that are other in each version and say nothing about what a
// person did.
var measures = map[string][]string{"apps": {"Bytes", "Files"}}

// lasting is a record whose row has what is looked up elsewhere, such as names of
// people: Lasting is the row without it.
type lasting interface{ Lasting() []string }

// row is a record's row without measures.
func (k *comparison) row(table string, r extract.Record) []string {
	if l, ok := r.(lasting); ok {
		return l.Lasting()
	}
	row := r.Row()
	noise := measures[k.info.Kind]
	if noise == nil {
		return row
	}
	for _, t := range k.info.Tables {
		for i, name := range t.Columns {
			if t.Name == table && i < len(row) && slices.Contains(noise, name) {
				row[i] = ""
			}
		}
	}
	return row
}

// Bounds of an example's texts, in bytes: a note may be a book.
const maxExampleText = 2 << 10

// add counts a record, and keeps it if it is among the newest. row is kept with it.
func (p *Part) add(e *extract.Entry, row []string) {
	p.Count++
	n, _ := slices.BinarySearchFunc(p.Examples, e, func(have Example, e *extract.Entry) int {
		if have.Time.Before(e.Time) {
			return 1
		}
		return -1 // the one that was met first stays first
	})
	if n >= MaxExamples {
		return
	}
	x := exampleOf(e)
	for _, s := range row {
		x.Fields = append(x.Fields, Field{Old: s})
	}
	p.Examples = slices.Insert(p.Examples, n, x)
	p.Examples = p.Examples[:min(len(p.Examples), MaxExamples)]
}

func exampleOf(e *extract.Entry) Example {
	return Example{Table: e.Table, Key: e.Key, Title: clip(e.Title), Detail: clip(e.Detail), Text: cut(e.Text, 300), Time: e.Time}
}

func clip(s string) string { return cut(s, maxExampleText) }

// cut bounds a text and makes it valid, for JSON.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return strings.ToValidUTF8(s, "\ufffd")
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}

// nameAdded counts what is new, and reads the newest of it once more for its names.
func (k *comparison) nameAdded() error {
	if k.Unknown != "" {
		return nil
	}
	type candidate struct {
		i    int
		time int64
	}
	var newest []candidate
	for i := range k.table.n {
		e := k.table.at(i)
		if e.flags&(isSeen|isDeleted|isVolatile) != 0 {
			continue
		}
		k.Added.Count++
		at, _ := slices.BinarySearchFunc(newest, e.time, func(have candidate, t int64) int {
			if have.time < t {
				return 1
			}
			return -1
		})
		if at < MaxExamples {
			newest = slices.Insert(newest, at, candidate{i, e.time})
			newest = newest[:min(len(newest), MaxExamples)]
		}
	}
	wanted := map[digest]bool{}
	for _, c := range newest {
		wanted[k.table.at(c.i).key] = true
	}
	if len(wanted) == 0 {
		return nil
	}
	var h hasher
	found := Part{}
	err := k.x.Read(k.ctx, k.newer, extract.Query{Newest: true}, &emitter{k: k, emit: func(r extract.Record) error {
		e := r.Entry()
		key := h.key(e.Key)
		if !wanted[key] {
			return nil
		}
		found.add(&e, nil)
		if delete(wanted, key); len(wanted) == 0 {
			return extract.ErrStop
		}
		return nil
	}})
	k.Added.Examples = found.Examples
	return k.again(err)
}

// again is an error of reading once more what was read before: without the names that
// it would have given the numbers are still right.
func (k *comparison) again(err error) error {
	if err == nil || errors.Is(err, extract.ErrStop) {
		return nil
	}
	if k.ctx.Err() != nil {
		return k.ctx.Err()
	}
	k.report(&extract.Problem{What: k.Title, Err: err})
	return nil
}

// nameFields reads the newer form of the examples that were changed, and names what is
// different.
func (k *comparison) nameFields() error {
	columns := map[string][]string{}
	for _, t := range k.info.Tables {
		columns[t.Name] = t.Columns
	}
	for i := range k.Changed.Examples {
		x := &k.Changed.Examples[i]
		before := x.Fields
		x.Fields = nil
		err := k.x.Read(k.ctx, k.newer, extract.Query{Key: x.Key, Limit: 1}, &emitter{k: k, emit: func(r extract.Record) error {
			e := r.Entry()
			if e.Key != x.Key {
				return nil
			}
			*x = exampleOf(&e)
			x.Fields = k.differences(columns[e.Table], before, r.Row())
			return extract.ErrStop
		}})
		if err := k.again(err); err != nil {
			return err
		}
	}
	return nil
}

// differences names the columns that are not the same.
func (k *comparison) differences(columns []string, before []Field, row []string) []Field {
	var list []Field
	for i, name := range columns {
		if slices.Contains(measures[k.info.Kind], name) {
			continue
		}
		f := Field{Name: name}
		if i < len(before) {
			f.Old = before[i].Old
		}
		if i < len(row) {
			f.New = row[i]
		}
		if f.Old != f.New {
			f.Old, f.New = different(f.Old, f.New)
			list = append(list, f)
		}
	}
	return list
}

// different cuts two texts that are not the same around where they begin to differ.
func different(old, new string) (string, string) {
	if len(old) <= maxExampleText && len(new) <= maxExampleText {
		return clip(old), clip(new)
	}
	same := 0
	for same < min(len(old), len(new)) && old[same] == new[same] {
		same++
	}
	start := max(0, same-100)
	before := ""
	if start > 0 {
		before = "…"
	}
	return before + clip(old[start:]), before + clip(new[start:])
}
