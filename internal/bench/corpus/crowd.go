package corpus

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// firstPerson is the number of the first of a crowd, behind all that a small phone has.
const firstPerson = 1_000_000

// Crowd adds n people to the address book of the phone below fsDir.
func Crowd(ctx context.Context, fsDir string, n int) error {
	err := grow(ctx, filepath.Join(fsDir, filepath.FromSlash(addressesDB)), func(db *database) error {
		return People(firstPerson, n, func(query string, args ...any) error {
			_, err := db.conn.ExecContext(ctx, query, args...)
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("make address book: %w", err)
	}
	return nil
}

// numberOf is the telephone number of person i of a crowd, as the address book has it.
func numberOf(i int) string { return fmt.Sprintf("+1 (202) 5%02d-%04d", i/10000, i%10000) }

// People inserts n people with two numbers, two addresses of mail and one of a house
// each, whose row numbers begin behind first. The address book knows the usual labels.
func People(first, n int, exec func(query string, args ...any) error) error {
	for _, name := range []string{"_$!<Mobile>!$_", "_$!<Home>!$_", "Allotment"} {
		if err := exec(`INSERT OR IGNORE INTO ABMultiValueLabel (value) VALUES (?)`, name); err != nil {
			return err
		}
	}
	for _, name := range []string{"Street", "City", "ZIP", "Country", "CountryCode"} {
		if err := exec(`INSERT OR IGNORE INTO ABMultiValueEntryKey (value) VALUES (?)`, name); err != nil {
			return err
		}
	}
	label := func(name string) string {
		return "(SELECT rowid FROM ABMultiValueLabel WHERE value = '" + name + "')"
	}
	mobile, home, garden := label("_$!<Mobile>!$_"), label("_$!<Home>!$_"), label("Allotment")
	values := `INSERT INTO ABMultiValue (UID, record_id, property, identifier, label, value, guid) VALUES
		(?1, ?2, 3, 0, ` + mobile + `, ?3, ?7||0), (?1+1, ?2, 3, 1, ` + home + `, ?4, ?7||1), (?1+2, ?2, 4, 0, ` + home + `, ?5, ?7||2), (?1+3, ?2, 4, 1, ` + garden + `, ?6, ?7||3), (?1+4, ?2, 5, 0, ` + home + `, NULL, ?7||4)`
	var entries strings.Builder
	entries.WriteString("INSERT INTO ABMultiValueEntry (parent_id, key, value) VALUES ")
	for i, e := range [][2]string{{"Street", "1 Mill Lane"}, {"City", "Springvale"}, {"ZIP", "90099"}, {"Country", "United States"}, {"CountryCode", "us"}} {
		if i > 0 {
			entries.WriteString(", ")
		}
		fmt.Fprintf(&entries, "(?1, (SELECT rowid FROM ABMultiValueEntryKey WHERE value = '%s'), '%s')", e[0], e[1])
	}
	for i := 1; i <= n; i++ {
		id, guid := first+i, fmt.Sprintf("%08X-0000-4000-8000-000000000000", first+i)
		err := exec(`INSERT INTO ABPerson (ROWID, First, Last, Organization, Note, Kind, Birthday, StoreID, CreationDate, ModificationDate, guid) VALUES (?,?,?,?,?,0,?,0,?,?,?)`,
			id, fmt.Sprintf("Given%d", i*7919%n), fmt.Sprintf("Family%d", i*104729%n), "Works", "Met at the harbour, a long time ago.", "-207748800.0", 600000000+i, 700000000+i, guid)
		if err == nil {
			err = exec(values, 5*id, id, numberOf(i), fmt.Sprintf("+4420%08d", i), fmt.Sprintf("p%d@example.com", i), fmt.Sprintf("p%d@example.org", i), guid[:35])
		}
		if err == nil {
			err = exec(entries.String(), 5*id+4)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// grow lets fill add rows to a database, in one transaction. Triggers, which call
// functions that only a phone has, and indexes, which are made faster at once, come back
// afterwards.
func grow(ctx context.Context, path string, fill func(*database) error) (err error) {
	db, err := openDatabase(ctx, path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.close()) }()
	drop, again, err := db.extras()
	if err != nil {
		return err
	}
	// A log would take the room of the database once more.
	for _, s := range []string{"PRAGMA journal_mode = OFF", "BEGIN"} {
		if err := db.exec(s); err != nil {
			return err
		}
	}
	for _, s := range drop {
		if err := db.exec(s); err != nil {
			return err
		}
	}
	if err := fill(db); err != nil {
		return err
	}
	for _, s := range again {
		if err := db.exec(s); err != nil {
			return err
		}
	}
	return errors.Join(db.exec("COMMIT"), db.exec("PRAGMA journal_mode = WAL"), db.exec("PRAGMA wal_checkpoint(TRUNCATE)"))
}

// extras gives the statements that take triggers and indexes away, and that make them.
func (d *database) extras() (drop, again []string, err error) {
	rows, err := d.conn.QueryContext(d.ctx, "SELECT type, name, sql FROM sqlite_master WHERE type IN ('trigger', 'index') AND sql IS NOT NULL ORDER BY type")
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var kind, name, text string
		if err := rows.Scan(&kind, &name, &text); err != nil {
			return nil, nil, err
		}
		drop, again = append(drop, "DROP "+kind+` "`+name+`"`), append(again, text)
	}
	return drop, again, rows.Err()
}
