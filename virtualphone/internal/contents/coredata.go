package contents

import (
	"time"

	"github.com/keepsake-backup/keepsake/internal/plist"
)

// cocoa gives seconds since 2001-01-01 UTC, the dates of Apple's databases.
func cocoa(at time.Time) float64 { return float64(at.Unix() - cocoaEpoch) }

const cocoaEpoch = 978307200

// entity is a row of Z_PRIMARYKEY. Numbers differ between versions of a model.
type entity struct {
	number int
	name   string
	super  int
}

// coreData makes the tables that every Core Data store has
// (content-schemas.md 0); maximum is filled in by countRows.
func (db *database) coreData(uuid string, info map[string]any, entities []entity) {
	db.exec(`CREATE TABLE Z_PRIMARYKEY (Z_ENT INTEGER PRIMARY KEY, Z_NAME VARCHAR, Z_SUPER INTEGER, Z_MAX INTEGER);
		CREATE TABLE Z_METADATA (Z_VERSION INTEGER PRIMARY KEY, Z_UUID VARCHAR(255), Z_PLIST BLOB);
		CREATE TABLE Z_MODELCACHE (Z_CONTENT BLOB)`)
	for _, e := range entities {
		db.insert("Z_PRIMARYKEY", cols{"Z_ENT", e.number, "Z_NAME", e.name, "Z_SUPER", e.super, "Z_MAX", 0})
	}
	all := map[string]any{
		"NSPersistenceFrameworkVersion": 1414, "NSPersistenceMaximumFrameworkVersion": 1414, "NSStoreType": "SQLite",
		"NSStoreModelVersionHashesVersion": 3, "NSAutoVacuumLevel": "2", "_NSAutoVacuumLevel": "2", "NSStoreModelVersionIdentifiers": []string{""},
	}
	for k, v := range info {
		all[k] = v
	}
	blob, err := plist.Marshal(all, plist.Binary)
	if err != nil && db.err == nil {
		db.err = err
	}
	db.insert("Z_METADATA", cols{"Z_VERSION", 1, "Z_UUID", uuid, "Z_PLIST", blob})
}

// countRows writes the greatest Z_PK of a table as Z_MAX of an entity.
func (db *database) countRows(table, name string) {
	db.exec("UPDATE Z_PRIMARYKEY SET Z_MAX = (SELECT COALESCE(MAX(Z_PK), 0) FROM "+table+") WHERE Z_NAME = ?", name)
}
