package appdata

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
)

// liveUpdate is [update] for one day; a database that is not there is left out.
func liveUpdate(ctx context.Context, w *world, domain, rel string, sp span, r *rng, change func(*db)) error {
	f := dbFile{path: w.path(domain, rel), mtime: r.moment(sp)}
	return ifThere(update(ctx, f, false, 0, change))
}

// ifThere forgives a database that does not exist.
func ifThere(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// liveContacts adds a person, changes one and deletes one.
func liveContacts(ctx context.Context, w *world, sp span) error {
	return liveUpdate(ctx, w, homeDomain, addressBook, sp, w.rng("contacts live "+sp.label()), func(d *db) {
		b := openBook(d, sp)
		r := w.rng(fmt.Sprintf("contacts live %s after %d", sp.label(), b.lastRow))
		b.r = r
		p := makePerson(r, b.lastRow+1, sp.to)
		p.index = 1 // no picture
		p.phones = []string{fictionNumber(b.lastRow + 600)}
		p.mails = []string{fmt.Sprintf("new%d@example.com", b.lastRow+1)}
		b.card(p, storeCloud, r.guid())
		b.change(r)
		b.remove(r)
		d.exec("UPDATE _SqliteDatabaseProperties SET value=CAST(value AS INTEGER)+3 WHERE key='__CPRecordSequenceNumber'")
	})
}

// openBook takes up an existing address book.
func openBook(d *db, sp span) *contactBook {
	b := &contactBook{d: d, created: sp, labels: map[string]int{}, keys: map[string]int{}}
	// Deleted cards do not give their number back.
	b.lastRow = int(d.number("SELECT max(seq) FROM sqlite_sequence WHERE name='ABPerson'"))
	b.lastUID = int(d.number("SELECT max(UID) FROM ABMultiValue"))
	b.words("ABMultiValueLabel", b.labels)
	b.words("ABMultiValueEntryKey", b.keys)
	return b
}

func (b *contactBook) words(table string, into map[string]int) {
	b.d.rows("SELECT rowid, value FROM "+table, func(scan func(...any) error) error {
		var id int
		var word string
		if err := scan(&id, &word); err != nil {
			return err
		}
		into[word] = id
		return nil
	})
}

// change gives someone a new job and a note.
func (b *contactBook) change(r *rng) {
	id := b.d.number("SELECT ROWID FROM ABPerson WHERE Kind=0 AND PersonLink=-1 AND ROWID < ? ORDER BY abs(ROWID-?), ROWID LIMIT 1", b.lastRow, r.between(2, max(2, b.lastRow-1)))
	b.d.exec("UPDATE ABPerson SET JobTitle=?, Note=?, ModificationDate=? WHERE ROWID=?",
		pick(r, jobTitles), paragraph(r, 1), cocoaSeconds(r.moment(b.created)), id)
	b.d.insert("ABPersonChanges", "record", id, "type", 1, "sequence_number", b.lastRow, "PersonLink", -1, "Changes", 1)
}

// remove deletes a card that is neither linked nor the owner's, with its values,
// and leaves a trace in the change table.
func (b *contactBook) remove(r *rng) {
	d := b.d
	if d.number("SELECT count(*) FROM ABPerson") < 5 {
		return
	}
	id := d.number(`SELECT ROWID FROM ABPerson WHERE PersonLink=-1 AND ROWID != ? AND ROWID NOT IN (SELECT MeIdentifier FROM ABStore)
		ORDER BY abs(ROWID-?), ROWID LIMIT 1`, b.lastRow, r.between(3, max(3, b.lastRow-1)))
	guid := d.text("SELECT guid FROM ABPerson WHERE ROWID=?", id)
	d.exec("DELETE FROM ABMultiValueEntry WHERE parent_id IN (SELECT UID FROM ABMultiValue WHERE record_id=?)", id)
	d.exec("DELETE FROM ABMultiValue WHERE record_id=?", id)
	d.exec("DELETE FROM ABGroupMembers WHERE member_type=0 AND member_id=?", id)
	d.exec("DELETE FROM ABPerson WHERE ROWID=?", id)
	d.insert("ABPersonChanges", "record", id, "type", 2, "sequence_number", b.lastRow+1, "PersonLink", -1, "guid", guid)
}
