package appdata

import (
	"context"
	"fmt"
	"strings"
	"time"
)

const (
	addressBook       = "Library/AddressBook/AddressBook.sqlitedb"
	addressBookImages = "Library/AddressBook/AddressBookImages.sqlitedb"
)

// Values of ABMultiValue.property (content-schemas.md 1).
const (
	propPhone   = 3
	propMail    = 4
	propAddress = 5
	propDate    = 12
	propIM      = 13
	propURL     = 22
	propRelated = 23
	propSocial  = 46
)

// Stores of the address book: rows of ABStore.
const (
	storeLocal  = 0
	storeCloud  = 1
	storeGoogle = 2
)

// contactBook writes cards and keeps the small tables that their rows refer to
// by implicit rowid.
type contactBook struct {
	d       *db
	r       *rng
	created span
	labels  map[string]int
	keys    map[string]int
	lastRow int // ABPerson.ROWID
	lastUID int // ABMultiValue.UID
}

func createContacts(ctx context.Context, w *world) error {
	r := w.rng("contacts")
	f := dbFile{path: w.path(homeDomain, addressBook), mtime: w.now.Add(-3 * time.Hour)}
	err := build(ctx, f, func(d *db) {
		d.schema("addressbook.sql")
		b := &contactBook{d: d, r: r, created: span{w.begin(), w.now.Add(-24 * time.Hour)}, labels: map[string]int{}, keys: map[string]int{}}
		b.appendColumns(w.major)
		b.stores()
		for _, p := range w.people {
			b.card(p, storeOf(p), "")
		}
		b.ownCard(w.me)
		b.linkedCard(w.people[0])
		b.groups(len(w.people))
		b.oddCards(w.rng("odd contacts"))
		contactProperties(d, r, b.lastRow)
	})
	if err != nil {
		return err
	}
	return createContactImages(ctx, w)
}

func storeOf(p person) int {
	if p.index%4 == 3 {
		return storeGoogle
	}
	return storeCloud
}

// hasPicture says who has a photo.
func hasPicture(p person) bool { return p.index%3 == 0 }

func contactProperties(d *db, r *rng, people int) {
	for _, kv := range [][2]string{
		{"_ClientVersion", "83"}, {"_UniqueIdentifier", r.guid()}, {"PersonLinkerVersion", "9"},
		{"SortingCacheLanguage", "en-US"}, {"SortingCacheVersion", "35"}, {"DefaultStore", "1"}, {"MeSourceID", "1"},
		{"PeakContactCount", fmt.Sprint(people)}, {"__CPRecordSequenceNumber", fmt.Sprint(20 + people)},
	} {
		d.insert("_SqliteDatabaseProperties", "key", kv[0], "value", kv[1])
	}
}

func (b *contactBook) stores() {
	d, r := b.d, b.r
	for i := 1; i <= 2; i++ {
		d.insert("ABAccount", "ROWID", i, "AccountIdentifier", r.guid(), "Flags", 0, "DefaultSourceID", 0, "guid", r.guid()+":ABAccount")
	}
	d.insert("ABStore", "ROWID", storeLocal, "Type", 0, "StoreInternalIdentifier", "local", "AccountID", -1, "Enabled", 0, "guid", r.guid())
	d.insert("ABStore", "ROWID", storeCloud, "Name", "Card", "ExternalIdentifier", "/100000000/carddavhome/card/", "Type", 4,
		"AccountID", 1, "MeIdentifier", -1, "guid", r.guid(), "LastSyncDate", fmt.Sprintf("%.6f", cocoa(b.created.to)))
	d.insert("ABStore", "ROWID", storeGoogle, "Name", "Address Book", "ExternalIdentifier", "/carddav/v1/principals/rowan.keeper%40example.com/lists/default/",
		"Type", 4, "AccountID", 2, "MeIdentifier", -1, "guid", r.guid(), "LastSyncDate", fmt.Sprintf("%.6f", cocoa(b.created.to)))
}

// card writes one ABPerson with its values and gives its ROWID. A guid is made
// up unless given.
func (b *contactBook) card(p person, store int, guid string) int {
	d, r := b.d, b.r
	b.lastRow++
	id := b.lastRow
	if guid == "" {
		guid = p.guid
	}
	made := r.moment(b.created)
	kind, section := 0, sortSection(p.last)
	var org, first, last any = nil, p.first, p.last
	if p.company != "" {
		kind, org, first, last, section = 1, p.company, nil, nil, sortSection(p.company)
	}
	var imageType any
	if hasPicture(p) {
		imageType = "PHOTO"
	}
	d.insert("ABPerson", "ROWID", id, "First", first, "Last", last, "Middle", orNull(p.middle), "Nickname", orNull(p.nick),
		"Organization", org, "JobTitle", orNull(p.job), "Note", orNull(p.note), "Kind", kind, "Birthday", birthdayText(p.birthday),
		"FirstSort", sortKey(p.first+" "+p.last), "LastSort", sortKey(p.last+" "+p.first), "FirstSortSection", sortSection(p.first),
		"LastSortSection", section, "FirstSortLanguageIndex", 0, "LastSortLanguageIndex", 0,
		"CreationDate", cocoaSeconds(made), "ModificationDate", cocoaSeconds(r.moment(span{made, b.created.to})),
		"ExternalUUID", guid, "ExternalIdentifier", fmt.Sprintf("/carddav/%d/%s.vcf", store, guid), "StoreID", store,
		"ImageType", imageType, "guid", guid)
	d.insert("ABPersonSearchKey", "person_id", id, "SearchKey", []byte(sortKey(p.name())), "NameOnlySearchKey", []byte(sortKey(p.name())))
	b.values(id, p)
	return id
}

// values writes phones, mail, addresses and the rarer kinds of value.
func (b *contactBook) values(id int, p person) {
	phoneLabels := []string{"_$!<Mobile>!$_", "_$!<Home>!$_", "_$!<Work>!$_"}
	if p.company != "" {
		phoneLabels = []string{"_$!<Main>!$_", "_$!<Work>!$_", "_$!<Work>!$_"}
	}
	for i, n := range p.phones {
		uid := b.value(id, propPhone, i, phoneLabels[i%3], displayNumber(n, p.index))
		b.d.insert("ABPhoneLastFour", "multivalue_id", uid, "value", n[len(n)-4:])
	}
	for i, m := range p.mails {
		label := []string{"_$!<Home>!$_", "Allotment"}[i%2] // the second is a label of the user's own
		b.value(id, propMail, i, label, m)
	}
	if p.index%2 == 0 {
		uid := b.value(id, propAddress, 0, "_$!<Home>!$_", nil)
		b.entries(uid, "Street", p.street, "ZIP", p.city.zip, "City", p.city.name, "CountryCode", p.city.code, "State", p.city.state, "Country", p.city.country)
	}
	switch p.index % 12 {
	case 2:
		b.value(id, propURL, 0, "_$!<HomePage>!$_", "https://www.example.com/~"+strings.ToLower(p.first))
	case 4:
		b.value(id, propRelated, 0, "_$!<Sister>!$_", pick(b.r, givenNames)+" "+p.last)
	case 6:
		b.value(id, propDate, 0, "_$!<Anniversary>!$_", fmt.Sprint(cocoaSeconds(b.created.from.AddDate(-8, 0, 0))))
	case 8:
		uid := b.value(id, propSocial, 0, "_$!<Home>!$_", nil)
		b.entries(uid, "username", strings.ToLower(p.first), "service", "mastodon", "url", "https://social.example.org/@"+strings.ToLower(p.first))
	case 10:
		uid := b.value(id, propIM, 0, "_$!<Work>!$_", nil)
		b.entries(uid, "username", p.mail(), "service", "Jabber")
	}
}

func (b *contactBook) value(record, property, identifier int, label string, value any) int {
	b.lastUID++
	b.d.insert("ABMultiValue", "UID", b.lastUID, "record_id", record, "property", property, "identifier", identifier,
		"label", b.lookup("ABMultiValueLabel", b.labels, label), "value", value, "guid", b.r.guid())
	return b.lastUID
}

func (b *contactBook) entries(parent int, kv ...string) {
	for i := 0; i+1 < len(kv); i += 2 {
		if kv[i+1] != "" {
			b.d.insert("ABMultiValueEntry", "parent_id", parent, "key", b.lookup("ABMultiValueEntryKey", b.keys, kv[i]), "value", kv[i+1])
		}
	}
}

// lookup gives the implicit rowid of a word in a one-column table.
func (b *contactBook) lookup(table string, known map[string]int, word string) int {
	if n, ok := known[word]; ok {
		return n
	}
	known[word] = len(known) + 1
	b.d.insert(table, "rowid", known[word], "value", word)
	return known[word]
}

// ownCard is the owner's, which the cloud store points to.
func (b *contactBook) ownCard(me person) {
	id := b.card(me, storeCloud, "")
	b.d.exec("UPDATE ABStore SET MeIdentifier=? WHERE ROWID=?", id, storeCloud)
}

// linkedCard is a second card of a person, in another store: the phone shows
// the two as one contact.
func (b *contactBook) linkedCard(p person) {
	second := p
	second.phones, second.mails, second.note = p.phones[:1], []string{"linked@example.org"}, ""
	second.index = 1 // no picture, no address
	id := b.card(second, storeGoogle, b.r.guid())
	b.d.insert("ABPersonLink", "ROWID", 1, "PreferredImagePersonID", -1, "PreferredNamePersonID", p.index+1, "guid", b.r.guid())
	b.d.exec("UPDATE ABPerson SET PersonLink=1 WHERE ROWID IN (?,?)", p.index+1, id)
}

func (b *contactBook) groups(people int) {
	for i, name := range []string{"Family", "Allotment", "Choir"} {
		b.d.insert("ABGroup", "ROWID", i+1, "Name", name, "StoreID", storeCloud, "ExternalUUID", b.r.guid(), "guid", b.r.guid())
		for member := i + 1; member <= people; member += 5 {
			b.d.insert("ABGroupMembers", "group_id", i+1, "member_type", 0, "member_id", member)
		}
	}
	// A group within a group.
	b.d.insert("ABGroupMembers", "group_id", 3, "member_type", 1, "member_id", 2)
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// birthdayText is how ABPerson.Birthday holds a date: Cocoa seconds as text.
func birthdayText(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return fmt.Sprintf("%d.0", cocoaSeconds(t))
}

func sortSection(s string) string {
	if s == "" {
		return "{"
	}
	return strings.ToUpper(s[:1])
}

// sortKey stands for the collation keys of a phone, which nobody interprets.
func sortKey(s string) string {
	b := []byte(strings.ToUpper(s))
	for i, c := range b {
		b[i] = '*' + (c-'A')*2%0x50
		if c == ' ' {
			b[i] = 2
		}
	}
	return string(b) + "\x01"
}

func createContactImages(ctx context.Context, w *world) error {
	r := w.rng("contact images")
	// The one database of the contacts phone with larger pages, and full auto-vacuum.
	f := dbFile{path: w.path(homeDomain, addressBookImages), pageSize: 8192, autoVacuum: 1, mtime: w.now.Add(-5 * time.Hour)}
	return build(ctx, f, func(d *db) {
		d.schema("addressbookimages.sql")
		for _, kv := range [][2]string{{"_ClientVersion", "8"}, {"_UniqueIdentifier", r.guid()}, {"__CPRecordSequenceNumber", "4"}} {
			d.insert("_SqliteDatabaseProperties", "key", kv[0], "value", kv[1])
		}
		row := 0
		for _, p := range w.people {
			if !hasPicture(p) {
				continue
			}
			row++
			contactImages(d, r, row, p.index+1)
		}
	})
}

// contactImages writes a person's thumbnail, its second format, and the whole picture.
func contactImages(d *db, r *rng, row, record int) {
	small, err := drawJPEG(r, 64, 64)
	d.fail(err)
	full, err := drawJPEG(r, 240, 240)
	d.fail(err)
	d.insert("ABThumbnailImage", "ROWID", 2*row-1, "record_id", record, "format", 0, "derived_from_format", -1, "data", small)
	d.insert("ABThumbnailImage", "ROWID", 2*row, "record_id", record, "format", 5, "derived_from_format", 0, "data", small)
	d.insert("ABFullSizeImage", "ROWID", row, "record_id", record, "crop_x", 0, "crop_y", 0, "crop_width", 240, "data", full)
}
