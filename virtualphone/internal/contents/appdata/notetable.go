package appdata

import (
	"slices"
	"time"

	"github.com/google/uuid"
)

// A table is a pool of objects that refer to each other by number, gzip around
// a protocol buffer in ZMERGEABLEDATA1 (content-schemas.md 7):
//
//	2 document { 1: 0, 2: 0, 3 data {
//	  1 { 1 {1 replica, 2 clock} }   2 ""
//	  3 object …, 4 key name …, 5 type name …, 6 UUID … } }
//
// Kinds of object, by the field they have:
//
//	1  register { 1 timestamp, 2 value }     the direction of the columns
//	6  dictionary { 1 {1 key, 2 value} … }   cellColumns: column → (row → cell)
//	10 note, as in a note's body             a cell
//	13 map { 1 type, 3 {1 key, 2 value} … }  the table, and one identity per row and column
//	16 ordered set { 1 ordering { 1 array { 1 note of one U+FFFC an element,
//	     2 {1 index, 2 UUID} … }, 2 dictionary }, 2 dictionary }   crRows, crColumns
//
// A value is {2 number}, {4 string} or {6 object}. The ordering's dictionary
// leads from the identity in the array to the one that cells use.
var (
	tableKeys  = []string{"identity", "crTableColumnDirection", "self", "crRows", "UUIDIndex", "crColumns", "cellColumns"}
	tableTypes = []string{"com.apple.CRDT.NSNumber", "com.apple.CRDT.NSString", "com.apple.CRDT.NSUUID", "com.apple.CRDT.CRTuple",
		"com.apple.CRDT.CRRegisterMultiValueLeast", "com.apple.CRDT.CRRegisterMultiValue", "com.apple.CRDT.CRTree",
		"com.apple.CRDT.CRTreeNode", "com.apple.notes.CRTable", "com.apple.notes.ICTable"}
)

// tablePool is a table in the making.
type tablePool struct {
	r       *rng
	when    time.Time
	device  uuid.UUID
	objects []pb
	uuids   []uuid.UUID
}

// encodeTable makes the blob of a table given as rows of cells.
func encodeTable(r *rng, when time.Time, cells [][]string) ([]byte, error) {
	return encodeTableOf(r, when, cells, "CRTableColumnDirectionLeftToRight")
}

func encodeTableOf(r *rng, when time.Time, cells [][]string, towards string) ([]byte, error) {
	t := &tablePool{r: r, when: when, device: r.uuid()}
	t.uuids = append(t.uuids, t.device)
	root := t.reserve() // the table is the first object
	rows, columns := t.axis(len(cells)), t.axis(len(cells[0]))
	direction := t.direction(towards)
	rowSet, columnSet := t.orderedSet(rows), t.orderedSet(columns)
	cellColumns := t.cells(rows, columns, cells)
	t.objects[root].message(13, func(p *pb) {
		p.varint(1, uint64(slices.Index(tableTypes, "com.apple.notes.ICTable")))
		entry(p, "crTableColumnDirection", direction)
		entry(p, "crRows", rowSet)
		entry(p, "crColumns", columnSet)
		entry(p, "cellColumns", cellColumns)
	})
	return t.encode()
}

func (t *tablePool) encode() ([]byte, error) {
	var doc pb
	doc.varint(1, 0)
	doc.message(2, func(p *pb) {
		p.varint(1, 0)
		p.varint(2, 0)
		p.message(3, func(p *pb) {
			p.message(1, func(p *pb) { p.message(1, func(p *pb) { p.varint(1, 0); p.varint(2, uint64(len(t.objects))) }) })
			p.bytes(2, nil)
			for _, o := range t.objects {
				p.bytes(3, o)
			}
			for _, k := range tableKeys {
				p.str(4, k)
			}
			for _, k := range tableTypes {
				p.str(5, k)
			}
			for _, id := range t.uuids {
				p.bytes(6, id[:])
			}
		})
	})
	return gzipped(doc)
}

func (t *tablePool) reserve() int {
	t.objects = append(t.objects, nil)
	return len(t.objects) - 1
}

// entry writes a map entry whose value is an object.
func entry(p *pb, key string, object int) {
	p.message(3, func(p *pb) {
		p.varint(1, uint64(slices.Index(tableKeys, key)))
		p.message(2, func(p *pb) { p.varint(6, uint64(object)) })
	})
}

// element writes a dictionary entry of two objects.
func element(p *pb, key, value int) {
	p.message(1, func(p *pb) {
		p.message(1, func(p *pb) { p.varint(6, uint64(key)) })
		p.message(2, func(p *pb) { p.varint(6, uint64(value)) })
	})
}

// tableLine is a row or a column: its place in the order and what cells call it
// are two identities.
type tableLine struct {
	place, name int // objects
	placeID     uuid.UUID
}

func (t *tablePool) axis(n int) []tableLine {
	lines := make([]tableLine, n)
	for i := range lines {
		place, id := t.identity()
		name, _ := t.identity()
		lines[i] = tableLine{place: place, name: name, placeID: id}
	}
	return lines
}

// identity makes an object that stands for a new UUID.
func (t *tablePool) identity() (object int, id uuid.UUID) {
	id = t.r.uuid()
	t.uuids = append(t.uuids, id)
	object = t.reserve()
	t.objects[object].message(13, func(p *pb) {
		p.varint(1, uint64(slices.Index(tableTypes, "com.apple.CRDT.NSUUID")))
		p.message(3, func(p *pb) {
			p.varint(1, uint64(slices.Index(tableKeys, "UUIDIndex")))
			p.message(2, func(p *pb) { p.varint(2, uint64(len(t.uuids)-1)) })
		})
	})
	return object, id
}

// direction makes the register that holds the string object of the direction.
func (t *tablePool) direction(value string) int {
	text, register := t.reserve(), t.reserve()
	t.objects[text].message(13, func(p *pb) {
		p.varint(1, uint64(slices.Index(tableTypes, "com.apple.CRDT.NSString")))
		p.message(3, func(p *pb) {
			p.varint(1, uint64(slices.Index(tableKeys, "self")))
			p.message(2, func(p *pb) { p.str(4, value) })
		})
	})
	t.objects[register].message(1, func(p *pb) {
		p.message(1, func(p *pb) { p.varint(1, 0); p.varint(2, 1) })
		p.message(2, func(p *pb) { p.varint(6, uint64(text)) })
	})
	return register
}

func (t *tablePool) orderedSet(lines []tableLine) int {
	set := t.reserve()
	array := noteText{when: t.when, id: t.device}
	for range lines {
		array.add(noteRun{style: styleBody, text: "\ufffc"})
	}
	t.objects[set].message(16, func(p *pb) {
		p.message(1, func(p *pb) {
			p.message(1, func(p *pb) {
				p.message(1, array.writeNote)
				for i, l := range lines {
					p.message(2, func(p *pb) { p.varint(1, uint64(i)); p.bytes(2, l.placeID[:]) })
				}
			})
			p.message(2, func(p *pb) {
				for _, l := range lines {
					element(p, l.place, l.name)
				}
			})
		})
		p.message(2, func(p *pb) {
			for _, l := range lines {
				element(p, l.name, l.name)
			}
		})
	})
	return set
}

// cells makes one dictionary a column and one note a cell; empty cells are left
// out, as on phones.
func (t *tablePool) cells(rows, columns []tableLine, cells [][]string) int {
	all := t.reserve()
	inner := make([]int, len(columns))
	for c := range columns {
		inner[c] = t.reserve()
		var dict pb
		for r := range rows {
			if cells[r][c] == "" {
				continue
			}
			cell := t.reserve()
			text := noteText{when: t.when, id: t.device}
			text.add(noteRun{style: styleBody, text: cells[r][c]})
			t.objects[cell].message(10, text.writeNote)
			element(&dict, rows[r].name, cell)
		}
		t.objects[inner[c]].bytes(6, dict)
	}
	t.objects[all].message(6, func(p *pb) {
		for c, l := range columns {
			element(p, l.name, inner[c])
		}
	})
	return all
}

// encodeGallery makes the blob of a gallery: a string object for the identifier of each
// attachment in it.
func encodeGallery(r *rng, ids []string) ([]byte, error) {
	t := &tablePool{r: r, device: r.uuid()}
	t.uuids = append(t.uuids, t.device)
	for _, id := range ids {
		o := t.reserve()
		t.objects[o].message(13, func(p *pb) {
			p.varint(1, uint64(slices.Index(tableTypes, "com.apple.CRDT.NSString")))
			p.message(3, func(p *pb) {
				p.varint(1, uint64(slices.Index(tableKeys, "self")))
				p.message(2, func(p *pb) { p.str(4, id) })
			})
		})
	}
	return t.encode()
}
