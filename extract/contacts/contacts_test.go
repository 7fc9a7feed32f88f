package contacts_test

import (
	"bytes"
	"errors"
	"flag"
	"image"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/contacts"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/extract/outtree"
)

const (
	folder = "HomeDomain/Library/AddressBook"
	book   = folder + "/AddressBook.sqlitedb"
	images = folder + "/AddressBookImages.sqlitedb"
)

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func public(t testing.TB) fs.FS { return extracttest.Public(t, "ios15-contacts", folder) }

// byName gives the contacts of a source by their names.
func byName(t *testing.T, fsys fs.FS) map[string]*contacts.Contact {
	t.Helper()
	all := map[string]*contacts.Contact{}
	for _, r := range extracttest.Read(t, contacts.New(), extracttest.Source(t, fsys), extract.Query{}).Records {
		c := r.(*contacts.Contact)
		all[c.Name] = c
	}
	return all
}

func TestEverybody(t *testing.T) {
	fsys := everybody(t)
	extracttest.Conform(t, contacts.New(), extracttest.Source(t, fsys))
	all := byName(t, fsys)
	for _, name := range []string{"Dr. Zoë Q. Ångström Jr.; MD", "Lantern Works", "Rowan Keeper", "+1 202 555 0177", "Robert Reed", "Loop", "Lone", "No Name", "山田"} {
		if all[name] == nil {
			t.Errorf("there is no %q", name)
		}
	}
	if me := all["Rowan Keeper"]; !me.Me || me.Birthday.String() != "--12-12" || me.Account != "iCloud" {
		t.Errorf("the owner's card: %+v", me)
	}
	if c := all["Lantern Works"]; !c.Organisation || c.Account != "On this phone" {
		t.Errorf("the organisation: %+v", c)
	}
	if c := all["Dr. Zoë Q. Ångström Jr.; MD"]; !slices.Equal(c.Groups, []string{"Choir", "Basses"}) && !slices.Equal(c.Groups, []string{"Basses", "Choir"}) || len(c.Other) != 2 {
		t.Errorf("groups %q, other values %+v", c.Groups, c.Other)
	}
}

func TestLinked(t *testing.T) {
	c := byName(t, everybody(t))["Robert Reed"]
	if c.Key != "L-4" || c.First != "Robert" || len(c.Parts) != 3 || c.Parts[0].GUID != "L-4" {
		t.Fatalf("linked: %+v", c)
	}
	if c.Note != "another\n\na note" || c.Account != "Google (rowan@example.com), iCloud, Exchange (Contacts)" {
		t.Errorf("note %q, account %q", c.Note, c.Account)
	}
	if len(c.Phones) != 1 || c.Phones[0].Value != "202-555-0188" || len(c.Emails) != 1 {
		t.Errorf("phones %v, mail %v", c.Phones, c.Emails)
	}
	if c.Created.Unix() != 600000004+978307200 || c.Modified.Unix() != 600000009+978307200 || !slices.Equal(c.Groups, []string{"Choir"}) {
		t.Errorf("created %v, modified %v, groups %v", c.Created, c.Modified, c.Groups)
	}
}

func TestGroups(t *testing.T) {
	groups, err := contacts.New().Groups(t.Context(), extracttest.Source(t, everybody(t)))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, g := range groups {
		got = append(got, strings.Join([]string{g.Key, g.Title, g.Detail, g.Parent}, ","))
	}
	want := []string{"store:S0,On this phone,,", "store:S1,iCloud,,", "G3,Altos,,G2", "G2,Basses,,G1", "G1,Choir,,store:S1", "store:S2,Google,rowan@example.com,", "store:S3,Exchange,Contacts,",
		"store:S4,Exchange,,", "G1/5,Choir,,store:S4", "group:4,Untitled Group,,"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("groups (- want, + got):\n%s", diff)
	}
}

// The list is sorted by last name, what is no letter behind, nameless people at the end.
func TestOrder(t *testing.T) {
	fsys := phone(database(t, schema, func(s script) {
		for i, n := range [][3]any{{"Ann", "Zed", nil}, {"Zoe", "Ärger", nil}, {"Bob", "Arno", nil}, {nil, nil, "3M"}, {nil, nil, nil}, {"Olga", nil, "ignored"}, {"Zoe", "arno", nil}, {nil, nil, "Lantern"}, {"明", "山田", nil}} {
			s.exec(`INSERT INTO ABPerson (ROWID, First, Last, Organization, guid) VALUES (?,?,?,?,?)`, i+1, n[0], n[1], n[2], i)
		}
	}), nil)
	var got []string
	for _, r := range extracttest.Read(t, contacts.New(), extracttest.Source(t, fsys), extract.Query{}).Records {
		got = append(got, r.Entry().Title)
	}
	want := []string{"Zoe Ärger", "Bob Arno", "Zoe arno", "Lantern", "Olga", "Ann Zed", "山田明", "3M", "No Name"}
	if !slices.Equal(got, want) {
		t.Errorf("order is %q, want %q", got, want)
	}
}

// An address book of which hardly anything is left, as old ones and those of other
// makers may be.
func TestFewColumns(t *testing.T) {
	fsys := phone(database(t, `CREATE TABLE ABPerson (ROWID INTEGER PRIMARY KEY, Last TEXT); INSERT INTO ABPerson VALUES (4, 'Reed'), (7, NULL);
		CREATE TABLE ABMultiValue (UID INTEGER PRIMARY KEY, record_id INTEGER, property INTEGER, value TEXT); INSERT INTO ABMultiValue VALUES (1, 7, 4, 'a@example.com')`, nil), nil)
	src := extracttest.Source(t, fsys)
	extracttest.Conform(t, contacts.New(), src)
	c := extracttest.Read(t, contacts.New(), src, extract.Query{})
	if len(c.Records) != 2 || len(c.Problems) != 0 || c.Records[0].Entry().Key != "row:4" || c.Records[1].Entry().Title != "a@example.com" {
		t.Errorf("read %+v, problems %v", c.Records, c.Problems)
	}
}

// Thousands of cards with one link are not one person.
func TestLinkedCrowd(t *testing.T) {
	fsys := phone(database(t, schema, func(s script) {
		for i := range 300 {
			s.exec(`INSERT INTO ABPerson (First, guid, PersonLink) VALUES ('x', ?, 1)`, i)
		}
	}), nil)
	c := extracttest.Read(t, contacts.New(), extracttest.Source(t, fsys), extract.Query{})
	if len(c.Records) != 300 || len(c.Problems) != 1 {
		t.Errorf("%d contacts, problems %v", len(c.Records), c.Problems)
	}
}

// What is left without its pictures, links, groups and values is still told.
func TestDamagedParts(t *testing.T) {
	fsys := everybody(t).(fstest.MapFS)
	fsys[images] = &fstest.MapFile{Data: []byte("no database at all, but long enough to be looked at"), Mode: 0o600}
	c := extracttest.Read(t, contacts.New(), extracttest.Source(t, fsys), extract.Query{})
	if len(c.Records) < 20 || len(c.Problems) != 1 || c.Problems[0].What != "pictures of contacts" {
		t.Errorf("%d contacts, problems %v", len(c.Records), c.Problems)
	}
	fsys[book] = &fstest.MapFile{Data: nil}
	src := extracttest.Source(t, fsys)
	if err := contacts.New().Read(t.Context(), src, extract.Query{}, &extracttest.Collector{}); err == nil || errors.Is(err, extract.ErrAbsent) {
		t.Errorf("an empty address book gives %v", err)
	}
}

func TestPreview(t *testing.T) {
	src := extracttest.Source(t, everybody(t))
	r := contacts.New()
	for key, want := range map[string]bool{"11111111-0000-4000-8000-000000000001": true, "L-4": true, "P-7": false, "P-8": false, "O-2": false, "none": false, "": false} {
		p, err := r.Preview(t.Context(), src, key, 48)
		if !want {
			if !errors.Is(err, extract.ErrNoPreview) {
				t.Errorf("preview of %s: %v, want ErrNoPreview", key, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("preview of %s: %v", key, err)
			continue
		}
		if c, _, err := image.DecodeConfig(bytes.NewReader(p.Data)); err != nil || c.Width != 48 {
			t.Errorf("preview of %s is %d wide: %v", key, c.Width, err)
		}
	}
	if _, err := r.Preview(t.Context(), extracttest.Source(t, phone(database(t, schema, nil), nil)), "x", 48); !errors.Is(err, extract.ErrNoPreview) {
		t.Errorf("preview without pictures: %v", err)
	}
}

// The file of each person and that of all are what the export writes.
func TestFiles(t *testing.T) {
	fsys := everybody(t)
	src := extracttest.Source(t, fsys)
	text, want, _ := bundle(t, fsys, "vcard")
	var all, single bytes.Buffer
	names := map[string]int{}
	err := contacts.New().Files(t.Context(), src, func(f extract.File) error {
		names[f.Path[0]]++
		if f.Origin != "" || len(f.Path) != 1 {
			t.Errorf("file %+v", f)
		}
		if all.Len() == 0 {
			return f.Make(t.Context(), &all)
		}
		return f.Make(t.Context(), &single)
	})
	if err != nil || !bytes.Equal(all.Bytes(), text) || !bytes.Equal(single.Bytes(), text) {
		t.Errorf("files differ from the export: %d and %d bytes, want %d: %v", all.Len(), single.Len(), len(text), err)
	}
	if len(names) < len(want)-2 || names["new line.vcf"] != 1 || names["All Contacts.vcf"] != 2 {
		t.Errorf("names: %v", names)
	}
}

// A second run writes what has changed, and nothing else.
func TestExportAgain(t *testing.T) {
	dir := t.TempDir()
	run := func(fsys fs.FS, q extract.Query) outtree.Stats {
		tree, err := outtree.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer tree.Close()
		if err := contacts.New().Export(t.Context(), extracttest.Source(t, fsys), extract.ExportOptions{Query: q}, tree, &extracttest.Collector{}); err != nil {
			t.Fatal(err)
		}
		return tree.Stats()
	}
	fsys := everybody(t)
	first, second := run(fsys, extract.Query{}), run(fsys, extract.Query{})
	if first.Kept != 0 || second.Written != 0 || second.Kept != first.Written {
		t.Errorf("first run %+v, second %+v", first, second)
	}
	if s := run(fsys, extract.Query{Group: "G1"}); s.Written != 1 || s.Kept != 2 {
		t.Errorf("a group: %+v, want its two people as they are and one file with both", s)
	}
	if s := run(fsys, extract.Query{Key: "O-2"}); s.Written != 0 || s.Kept != 1 {
		t.Errorf("one person: %+v", s)
	}
	if _, err := os.Stat(dir + "/Contacts/Choir.vcf"); err != nil {
		t.Error(err)
	}
}

var update = flag.Bool("update", false, "write the golden files anew")

// Both formats as they were when people last looked at them.
func TestGolden(t *testing.T) {
	fsys := everybody(t).(fstest.MapFS)
	delete(fsys, images)
	for _, format := range []string{"vcard", "vcard3"} {
		text, _, _ := bundle(t, fsys, format)
		golden := "testdata/" + format + ".vcf"
		if *update {
			if err := os.WriteFile(golden, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(string(readFile(t, golden)), string(text)); diff != "" {
			t.Errorf("%s (- golden, + written):\n%s", golden, diff)
		}
	}
}

func TestReadNames(t *testing.T) {
	fsys := phone(database(t, schema, func(s script) {
		s.exec(`INSERT INTO ABPerson (ROWID, First, Last, guid) VALUES (1,'Ada','Abel','a'),(2,'Bo','Birch','b'),(3,'Cy','Cedar','c'),(4,'Di','Daisy','d'),(5,NULL,NULL,'e'),(6,'Ed','Elder','f'),(7,'Flo','Fern','g')`)
		for i, v := range []struct {
			id, property int
			value        string
		}{{1, 3, "(202) 555-0143"}, {2, 3, "+44 20 7946 0018"}, {3, 3, "030 2345678"}, {4, 3, "+55 11 8765-4321"}, {5, 3, "+1 303 555 0199"}, {1, 4, "Ada@Example.com"}, {6, 3, "1-800-MY-APPLE"},
			{6, 3, "7283"}, {7, 3, "(212) 555-0100"}, {3, 3, "(312) 555-0100 x12"}, {2, 3, "(312) 555-0111"}, {7, 3, "(404) 555-0111"}, {7, 4, "ada@example.com"}, {1, 3, "٠١٢ ٣٤٥٦ ٧٨٩٠"}} {
			s.exec(`INSERT INTO ABMultiValue (UID, record_id, property, value) VALUES (?,?,?,?)`, i+1, v.id, v.property, v.value)
		}
	}), nil)
	names, err := contacts.ReadNames(t.Context(), extracttest.Source(t, fsys))
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]string{
		"+12025550143": "Ada Abel", "2025550143": "Ada Abel", "12025550143@s.whatsapp.net": "Ada Abel", "tel:+1-202-555-0143": "Ada Abel",
		"ADA@example.COM": "Ada Abel", "mailto:ada@example.com": "Ada Abel", // two have it: the first in the list
		"02079460018": "Bo Birch", "00442079460018": "Bo Birch", "+12079460018": "",
		"+49302345678":   "Cy Cedar",
		"+5511987654321": "Di Daisy", // Brazil's ninth digit
		"+13035550199":   "",         // a card without a name
		"+18006927753":   "Ed Elder", "7283": "Ed Elder", "83": "", "17283": "",
		"+12125550100": "Flo Fern", "+13125550100": "Cy Cedar", "5550100": "", // a town's numbers
		"55550111":    "", // two people's
		"01234567890": "Ada Abel", "": "", "@": "", "+": "", "Ada Abel": "",
	} {
		if got := names.Name(address); got != want {
			t.Errorf("%q is %q, want %q", address, got, want)
		}
	}
	if _, err := contacts.ReadNames(t.Context(), extracttest.Source(t, fstest.MapFS{})); !errors.Is(err, extract.ErrAbsent) {
		t.Errorf("names of a phone without contacts: %v", err)
	}
}

// A card of hundreds of megabytes is cut, and said to be.
func TestHugeCards(t *testing.T) {
	fsys := phone(database(t, schema, func(s script) {
		for i := range 25 {
			s.exec(`INSERT INTO ABPerson (ROWID, First, Note, guid) VALUES (?, 'Big', ?, ?)`, i+1, strings.Repeat("€", 1<<20), i)
		}
		s.exec(`INSERT INTO ABPerson (ROWID, First, guid) VALUES (77, 'Small', 'small')`)
		s.exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO ABMultiValue (record_id, property, value) SELECT 77, 3, i FROM n`)
	}), nil)
	c := extracttest.Read(t, contacts.New(), extracttest.Source(t, fsys), extract.Query{})
	total := 0
	for _, r := range c.Records {
		total += len(r.(*contacts.Contact).Note)
	}
	if len(c.Records) != 26 || len(c.Problems) != 1 || total > 65<<20 || total < 30<<20 {
		t.Errorf("%d contacts with %d bytes of notes, problems %v", len(c.Records), total, c.Problems)
	}
	if n := len(c.Records[25].(*contacts.Contact).Phones); n != 5000 {
		t.Errorf("%d phones", n)
	}
}
