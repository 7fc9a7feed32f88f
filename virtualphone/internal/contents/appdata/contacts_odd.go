package appdata

import "fmt"

// appendColumns gives ABPerson the columns of newer releases, which are appended and
// which nobody reads (content-schemas.md 1).
func (b *contactBook) appendColumns(major int) {
	if major >= 17 {
		b.d.exec("ALTER TABLE ABPerson ADD COLUMN Wallpaper BLOB")
		b.d.exec("ALTER TABLE ABPerson ADD COLUMN WallpaperMetadata BLOB")
	}
	if major >= 18 {
		b.d.exec("ALTER TABLE ABPerson ADD COLUMN SensitiveContentConfiguration BLOB")
	}
}

// oddCards are what a reader must get right and few people have: every field at once,
// names of other scripts, separators of vCards in names and notes, a card without a
// name, and links of which one half is gone.
func (b *contactBook) oddCards(r *rng) {
	made := cocoaSeconds(b.created.from)
	cardIn := func(store int, kv ...any) int {
		b.lastRow++
		id, guid := b.lastRow, r.guid()
		b.d.insert("ABPerson", append([]any{"ROWID", id, "Kind", 0, "StoreID", store, "guid", guid, "ExternalUUID", guid, "FirstSortSection", "{",
			"LastSortSection", "{", "CreationDate", made + int64(id), "ModificationDate", made + int64(id)}, kv...)...)
		return id
	}
	card := func(kv ...any) int { return cardIn(storeCloud, kv...) }
	phone := func(id int, label string) {
		n := fictionNumber(400 + id%100)
		uid := b.value(id, propPhone, 0, label, displayNumber(n, id))
		b.d.insert("ABPhoneLastFour", "multivalue_id", uid, "value", n[len(n)-4:])
	}
	all := card("Prefix", "Dr.", "First", "Saskia", "Middle", "Q.", "Last", "O'Brook; Vale, Jr", "Suffix", "MD", "FirstPhonetic", "SAS-kia", "MiddlePhonetic", "cue",
		"LastPhonetic", "o-BROOK", "Nickname", "Sas", "PreviousFamilyName", "Meer", "Organization", "Bell, Book; Candle \\ Co", "Department", "R&D", "JobTitle", "Head of ropes",
		"OrganizationPhonetic", "bell", "FirstPronunciation", "SAHS-kee-ah", "LastPronunciation", "oh BROOK", "AlternateBirthday", "chinese-78-4-0-12",
		"Note", "First line;\nsecond, with a \\ and\n\na gap.")
	phone(all, "_$!<HomeFAX>!$_")
	uid := b.value(all, propAddress, 0, "Summer, house", nil)
	b.entries(uid, "Street", "1 Mill Lane\nFlat 2", "SubLocality", "Old Town", "City", "Fernbridge", "SubAdministrativeArea", "North", "ZIP", "ZZ99 9ZZ", "Country", "United Kingdom", "CountryCode", "gb")
	b.value(all, propDate, 0, "_$!<Anniversary>!$_", fmt.Sprint(cocoaSeconds(b.created.from.AddDate(-3, 0, 0))))
	b.value(all, propDate, 1, "First swim", "-12500000000.0")
	b.value(all, propRelated, 0, "_$!<Spouse>!$_", "Robin Vale")
	for _, name := range []string{"Ren \U0001F33F\U0001F469\u200D\U0001F33E", "\u05E9\u05DC\u05D5\u05DD", "..", "CON", "A\nB"} {
		phone(card("First", name), "_$!<Mobile>!$_")
	}
	phone(card("First", "\u660E", "Last", "\u5C71\u7530", "FirstPhonetic", "Akira", "LastPhonetic", "Yamada"), "iPhone")
	phone(card(), "_$!<Main>!$_") // a number, and no name
	// The other card of a link is gone, and so is the link.
	card("First", "Lone", "Last", "Link", "PersonLink", 4711)
	// A link of three, whose name and picture are those of different cards.
	link := b.d.number("SELECT coalesce(max(ROWID), 0) + 1 FROM ABPersonLink")
	a := card("First", "Bob", "PersonLink", link, "IsPreferredName", 0)
	c := cardIn(storeGoogle, "First", "Robert", "Last", "Lee", "PersonLink", link, "IsPreferredName", 1)
	cardIn(storeLocal, "First", "R.", "Last", "Lee", "PersonLink", link, "IsPreferredName", 0)
	b.d.insert("ABPersonLink", "ROWID", link, "PreferredImagePersonID", a, "PreferredNamePersonID", c, "guid", r.guid())
}
