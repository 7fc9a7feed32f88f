package appdata

import (
	"encoding/base64"

	"github.com/keepsake-backup/keepsake/internal/plist"
)

// entity is a class of a Core Data model. Its number is its place in the list,
// from 1, as Core Data counts: a subclass follows its parent.
type entity struct {
	name, super string
	// optional entities are in some models only: the seed decides, which
	// shifts the numbers of all that follow (content-schemas.md 0).
	optional bool
}

// model is the entity table of one Core Data store.
type model struct {
	ents  []entity
	num   map[string]int    // entity name → Z_ENT
	super map[string]string // entity name → parent's name, "" at the root
	last  map[string]int    // root entity name → highest Z_PK
}

func emptyModel() *model {
	return &model{num: map[string]int{}, super: map[string]string{}, last: map[string]int{}}
}

func newModel(r *rng, list []entity) *model {
	m := emptyModel()
	for _, e := range list {
		if e.optional && r.chance(0.5) {
			continue
		}
		m.add(e, len(m.ents)+1)
	}
	return m
}

func (m *model) add(e entity, num int) {
	m.ents = append(m.ents, e)
	m.num[e.name], m.super[e.name] = num, e.super
}

// root is the entity whose table, and therefore key sequence, e shares.
func (m *model) root(name string) string {
	for m.super[name] != "" {
		name = m.super[name]
	}
	return name
}

// next gives the key of a new row.
func (m *model) next(name string) int {
	root := m.root(name)
	m.last[root]++
	return m.last[root]
}

// insert adds a row of an entity to its table, with the three columns that all
// Core Data rows have, and returns its key.
func (m *model) insert(d *db, table, ent string, kv ...any) int {
	pk := m.next(ent)
	m.insertAs(d, table, ent, pk, kv...)
	return pk
}

// insertAs is insert with a key taken before.
func (m *model) insertAs(d *db, table, ent string, pk int, kv ...any) {
	d.insert(table, append([]any{"Z_PK", pk, "Z_ENT", m.num[ent], "Z_OPT", 1 + pk%4}, kv...)...)
}

// metadata is what a store says of itself besides the common keys.
type metadata struct {
	identifier string         // model version identifier, often empty
	extra      map[string]any // keys of the app
}

// writeTables creates and fills Z_PRIMARYKEY, Z_METADATA and Z_MODELCACHE.
// Z_MAX is kept at the root of each family (NoteStore of iOS 17.3).
func (m *model) writeTables(d *db, r *rng, md metadata) {
	d.schema("coredata.sql")
	hashes := map[string]any{}
	for _, e := range m.ents {
		super, top := 0, 0
		if e.super != "" {
			super = m.num[e.super]
		} else {
			top = m.last[e.name]
		}
		d.insert("Z_PRIMARYKEY", "Z_ENT", m.num[e.name], "Z_NAME", e.name, "Z_SUPER", super, "Z_MAX", top)
		hashes[e.name] = r.bytes(32)
	}
	info := map[string]any{
		"NSPersistenceFrameworkVersion":    1340,
		"NSStoreModelVersionChecksumKey":   base64.StdEncoding.EncodeToString(r.bytes(32)),
		"NSStoreModelVersionHashes":        hashes,
		"NSStoreModelVersionHashesDigest":  base64.StdEncoding.EncodeToString(r.bytes(64)),
		"NSStoreModelVersionHashesVersion": 3,
		"NSStoreModelVersionIdentifiers":   []any{md.identifier},
		"NSStoreType":                      "SQLite",
		"_NSAutoVacuumLevel":               "2",
	}
	for k, v := range md.extra {
		info[k] = v
	}
	b, err := plist.Marshal(info, plist.Binary)
	d.fail(err)
	d.insert("Z_METADATA", "Z_VERSION", 1, "Z_UUID", r.guid(), "Z_PLIST", b)
	d.insert("Z_MODELCACHE", "Z_CONTENT", r.bytes(2048))
}

// loadModel reads the entity table of an existing store.
func loadModel(d *db) *model {
	m := emptyModel()
	names := map[int]string{}
	d.rows("SELECT Z_ENT, Z_NAME, Z_SUPER, Z_MAX FROM Z_PRIMARYKEY ORDER BY Z_ENT", func(scan func(...any) error) error {
		var num, super, top int
		var name string
		if err := scan(&num, &name, &super, &top); err != nil {
			return err
		}
		names[num] = name
		m.add(entity{name: name, super: names[super]}, num)
		if super == 0 {
			m.last[name] = top
		}
		return nil
	})
	return m
}

// saveMax writes the key sequences back.
func (m *model) saveMax(d *db) {
	for _, e := range m.ents {
		if e.super == "" {
			d.exec("UPDATE Z_PRIMARYKEY SET Z_MAX=? WHERE Z_ENT=?", m.last[e.name], m.num[e.name])
		}
	}
}
