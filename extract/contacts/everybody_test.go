package contacts_test

import (
	"image/color"
	"io/fs"
	"strings"
	"testing"
)

// everybody is an address book with all that may be in one, and what should not be.
func everybody(t testing.TB) fs.FS {
	pictures := database(t, imageSchema, func(s script) {
		red, blue := square(t, 64, color.RGBA{200, 0, 0, 255}), square(t, 200, color.RGBA{0, 0, 200, 255})
		s.exec(`INSERT INTO ABThumbnailImage (record_id, format, data) VALUES (1, 5, ?), (1, 0, ?), (5, 0, ?), (6, 0, ?)`, blue, red, red, red)
		s.exec(`INSERT INTO ABFullSizeImage (record_id, data) VALUES (1, ?), (7, ?), (8, ?), (6, ?)`, blue, []byte("<svg onload=alert(1)>"), append([]byte{0xff, 0xd8, 0xff}, "no more"...), blue)
	})
	return phone(database(t, schema, func(s script) {
		s.exec(`INSERT INTO ABStore (ROWID, Name, Type, ExternalIdentifier, guid, MeIdentifier) VALUES (0, NULL, 0, NULL, 'S0', -1), (1, 'Card', 4, '/1/carddavhome/card/', 'S1', 3),
			(2, 'Address Book', 4, '/carddav/v1/principals/rowan%40example.com/lists/default/', 'S2', -1), (3, 'Contacts', 1, NULL, 'S3', -1), (4, NULL, 16777217, NULL, 'S4', -1)`)
		s.exec(`INSERT INTO ABMultiValueLabel (rowid, value) VALUES (1,'_$!<Mobile>!$_'),(2,'_$!<Home>!$_'),(3,'_$!<Work>!$_'),(4,'iPhone'),(5,'_$!<Main>!$_'),(6,'_$!<HomeFAX>!$_'),(7,'_$!<WorkFAX>!$_'),
			(8,'_$!<Pager>!$_'),(9,'_$!<Other>!$_'),(10,'Summer; house, "old"'),(11,'_$!<HomePage>!$_'),(12,'_$!<Anniversary>!$_'),(13,'_$!<Mother>!$_'),(14,'_$!<Spouse>!$_'),(15,'Home'),(16,'_$!<iPhone>!$_'),(17,'_$!<School>!$_')`)
		s.exec(`INSERT INTO ABMultiValueEntryKey (rowid, value) VALUES (11,'Street'),(12,'ZIP'),(13,'City'),(14,'CountryCode'),(15,'State'),(16,'Country'),(17,'SubLocality'),(18,'SubAdministrativeArea'),
			(19,'username'),(20,'service'),(21,'url'),(22,'identifier'),(23,'displayname'),(24,'x')`)
		// All fields.
		s.exec(`INSERT INTO ABPerson (ROWID, First, Last, Middle, FirstPhonetic, MiddlePhonetic, LastPhonetic, Organization, Department, Note, Kind, Birthday, JobTitle, Nickname, Prefix, Suffix, CreationDate, ModificationDate,
			StoreID, guid, AlternateBirthday, FirstPronunciation, MiddlePronunciation, LastPronunciation, OrganizationPhonetic, OrganizationPronunciation, PreviousFamilyName, ImageType) VALUES
			(1,'Zoë','Ångström','Q.','Zo-ee','Kyu','Ong','Smith; Sons, Ltd','R\D; new','Line one
line two, with; much
	tab',0,'-207748800.0','Head','Zo, Z','Dr.','Jr.; MD',600000000,700000001,1,'11111111-0000-4000-8000-000000000001','chinese-30-7','ZOH','kew','ONG','Smeeth','SMITH','Berg','PHOTO')`)
		n := 0
		value := func(record, property int, label, text any, parts ...any) {
			n++
			s.exec(`INSERT INTO ABMultiValue (UID, record_id, property, identifier, label, value) VALUES (?,?,?,?,?,?)`, n, record, property, n, label, text)
			for i := 0; i+1 < len(parts); i += 2 {
				s.exec(`INSERT INTO ABMultiValueEntry (parent_id, key, value) VALUES (?,?,?)`, n, parts[i], parts[i+1])
			}
		}
		for i, label := range []any{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 16, nil, 17} {
			value(1, 3, label, "+1 (202) 555-01"+string(rune('0'+i/10))+string(rune('0'+i%10)))
		}
		value(1, 4, 2, "zoe@example.com")
		value(1, 4, 10, "Zoë@exämple.org")
		value(1, 5, 2, nil, 11, "1 Mill Lane\nFlat 2; rear, left", 12, "ZZ99 9ZZ", 13, "Fernbridge", 14, "gb", 16, "United Kingdom", 17, "Old Town, by; the sea", 18, `The "North"`)
		value(1, 5, 10, nil, 13, "Rivermouth", 15, "NY")
		value(1, 12, 12, "178243200.0")
		value(1, 12, 10, "-12506140800.0") // 1604-09-13
		value(1, 12, 12, "209779200.0")
		value(1, 13, 3, nil, 19, "zoe@jabber.example.com", 20, "Jabber")
		value(1, 13, nil, nil, 19, "zoë space/slash", 20, "Skype")
		value(1, 22, 11, "https://www.example.com/~zoe?a=1,2;3")
		value(1, 22, 2, "www.example.org")
		value(1, 23, 13, "Ada, the \"first\"")
		value(1, 23, 14, "Lin")
		value(1, 46, nil, nil, 19, "zoe", 20, "mastodon", 21, "https://social.example.org/@zoe", 22, "4711", 23, "Zoë ☀")
		value(1, 46, 10, nil, 19, `z:o,e;"^`, 20, "other")
		value(1, 99, 2, "some new thing")
		value(1, 98, 10, nil, 24, "y")
		// An organisation, the owner, people with nothing but an address.
		s.exec(`INSERT INTO ABPerson (ROWID, First, Last, Organization, Kind, StoreID, guid, Birthday, CreationDate) VALUES (2, NULL, NULL, 'Lantern Works', 1, 0, 'O-2', NULL, 600000002), (3, 'Rowan', 'Keeper', NULL, 0, 1, 'O-3', '-12498278400.0', 600000003),
			(4, NULL, NULL, NULL, 0, 0, NULL, NULL, NULL)`)
		value(4, 3, 1, "+1 202 555 0177")
		// Linked: three cards, the second gives the name, the third the picture.
		s.exec(`INSERT INTO ABPerson (ROWID, First, Last, Kind, StoreID, guid, PersonLink, Note, CreationDate, ModificationDate) VALUES (5, 'Bob', NULL, 0, 1, 'L-5', 7, 'a note', 600000005, 600000005),
			(6, 'Robert', 'Reed', 0, 2, 'L-4', 7, 'another', 600000004, 600000009), (9, 'R.', 'Reed', 0, 3, 'L-6', 7, 'a note', NULL, NULL)`)
		s.exec(`INSERT INTO ABPersonLink (ROWID, PreferredNamePersonID, PreferredImagePersonID, guid) VALUES (7, 6, 5, 'LINK'), (8, 8, 8, 'LOOP')`)
		value(5, 3, 1, "(202) 555-0188")
		value(6, 3, 1, "202-555-0188")
		value(9, 4, 3, "reed@example.org")
		// A link to itself, and one that nothing says more about.
		s.exec(`INSERT INTO ABPerson (ROWID, First, Kind, StoreID, guid, PersonLink) VALUES (7, 'Loop', 0, 0, 'P-7', 8), (8, 'Lone', 0, 77, 'P-8', 4711)`)
		// Names that nobody should have.
		for i, name := range hostile {
			s.exec(`INSERT INTO ABPerson (ROWID, First, Kind, StoreID, guid, PersonLink, Birthday) VALUES (?,?,0,0,?,NULL,?)`, 20+i, name, "H-"+name, []any{nil, "x", 1e300, "NaN", "-1e18"}[i%5])
			value(20+i, 3, 4711, name)
		}
		s.exec(`INSERT INTO ABPerson (ROWID, First, Kind, guid) VALUES (90, x'80ff', 'a', 'H-..'), (91, 5, 0, x'00')`)
		// Groups within each other, in a circle, and of nobody.
		s.exec(`INSERT INTO ABGroup (ROWID, Name, StoreID, guid) VALUES (1, 'Choir', 1, 'G1'), (2, 'Basses', 1, 'G2'), (3, 'Altos', 1, 'G3'), (4, NULL, 99, NULL), (5, 'Choir', 4, 'G1')`)
		s.exec(`INSERT INTO ABGroupMembers (group_id, member_type, member_id) VALUES (1,1,2),(2,1,3),(3,1,1),(1,0,1),(2,0,1),(1,0,9),(4,0,4711),(4711,0,1)`)
	}), pictures)
}

// hostile are names that break what trusts them.
var hostile = []string{"new\nline", "semi;colon", `back\slash\n`, "👩‍👩‍👧 ☀", "\u200fשלום עולם", "..", "nul\x00byte", "CON", strings.Repeat("ü", 127) + "x",
	"BEGIN:VCARD\r\nFN:Mallory", " lead and trail ", "=cmd|' /C calc'!A0", "a/b", "\u2028\u0085\v\f", "\x1b[31m", "<b>bold</b>", "山田", "%41", "", "All Contacts", "all contacts"}
