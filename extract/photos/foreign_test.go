package photos

import (
	"fmt"
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
)

// What others have shared is no picture of the owner's: it is in no list of favourites or
// films, but in one of its own. Values are those of iLEAPP (Ph001, Ph130) and of
// ScottKjr3347's queries; the older column of depth is osxphotos' (_constants.py).
func TestRead_foreign(t *testing.T) {
	for _, s := range []struct{ name, table, columns, values, want, groups string }{
		{"iOS 13", "ZGENERICASSET", "ZDEPTHSTATES INTEGER, ZSAVEDASSETTYPE INTEGER, ZMOMENTSHARE INTEGER",
			"(0, 3, 0), (2, 6, 0), (0, 4, 0), (0, 8, 1)",
			"U1; U2 portrait cloud; U3 shared; U4 shared", "Favourites 2; Shared 2"},
		{"iOS 18", "ZASSET", "ZDEPTHTYPE INTEGER, ZSAVEDASSETTYPE INTEGER, ZBUNDLESCOPE INTEGER, ZACTIVELIBRARYSCOPEPARTICIPATIONSTATE INTEGER, ZLIBRARYSCOPESHARESTATE INTEGER, ZSPATIALTYPE INTEGER, ZSYNDICATIONSTATE INTEGER, ZTRASHEDREASON INTEGER",
			"(0, 3, 0, 0, 0, 0, 0, 0), (1, 6, 0, 1, 16, 0, 0, 0), (0, 4, 2, 0, 0, 0, 0, 0), (0, 8, 1, 0, 0, 0, 0, 0), (0, 12, 3, 0, 0, 0, 1, 0), (0, 6, 0, 0, 0, 1, 0, 0), (0, 3, 3, 0, 0, 0, 0, 0), (0, NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
			"U1; U2 portrait cloud library; U3 shared; U4 shared; U5 shared; U6 cloud spatial; U7 shared; U8", "Favourites 4; Shared 4"},
	} {
		t.Run(s.name, func(t *testing.T) {
			statements := []string{"CREATE TABLE " + s.table + " (Z_PK INTEGER PRIMARY KEY AUTOINCREMENT, ZKIND INTEGER DEFAULT 0, ZFAVORITE INTEGER DEFAULT 1, ZTRASHEDSTATE INTEGER DEFAULT 0, ZHIDDEN INTEGER DEFAULT 0, ZDATECREATED TIMESTAMP, ZUUID VARCHAR, ZDIRECTORY VARCHAR DEFAULT 'DCIM/100APPLE', ZFILENAME VARCHAR, " + s.columns + ")"}
			var names []string
			for _, c := range strings.Split(s.columns, ", ") {
				names = append(names, strings.TrimSuffix(c, " INTEGER"))
			}
			statements = append(statements, fmt.Sprintf("INSERT INTO %s (%s) VALUES %s", s.table, strings.Join(names, ", "), s.values),
				"UPDATE "+s.table+" SET ZUUID = 'U' || Z_PK, ZFILENAME = 'IMG_000' || Z_PK || '.HEIC', ZDATECREATED = 600000000 + Z_PK")
			src := extracttest.Source(t, camera(made(t, statements...)))
			extracttest.Conform(t, New(), src)
			var got []string
			for _, p := range read(t, src, extract.Query{}) {
				line := p.Key
				for _, x := range []struct {
					word string
					is   bool
				}{{"portrait", p.Portrait}, {"shared", p.Shared}, {"cloud", p.InCloud}, {"library", p.SharedLibrary}, {"spatial", p.Spatial}} {
					if x.is {
						line += " " + x.word
					}
				}
				got = append(got, line)
			}
			if got := strings.Join(got, "; "); got != s.want {
				t.Errorf("read %s\nwant %s", got, s.want)
			}
			groups, err := New().Groups(t.Context(), src)
			if err != nil {
				t.Fatal(err)
			}
			var list []string
			for _, g := range groups {
				list = append(list, fmt.Sprintf("%s %d", g.Title, g.Count))
			}
			if got := strings.Join(list, "; "); got != s.groups {
				t.Errorf("groups %s\nwant %s", got, s.groups)
			}
		})
	}
}

// People of whom the owner said that they are one are one; their faces stay theirs (immy,
// apple_photos.py). Two who are each other keep their names.
func TestRead_merged(t *testing.T) {
	src := extracttest.Source(t, camera(made(t,
		"CREATE TABLE ZASSET (Z_PK INTEGER PRIMARY KEY, ZKIND INTEGER, ZUUID VARCHAR, ZDIRECTORY VARCHAR, ZFILENAME VARCHAR)", "INSERT INTO ZASSET VALUES (1, 0, 'U1', 'DCIM/100APPLE', 'IMG_0001.HEIC')",
		"CREATE TABLE ZDETECTEDFACE (Z_PK INTEGER PRIMARY KEY, ZASSETFORFACE INTEGER, ZPERSONFORFACE INTEGER)", "INSERT INTO ZDETECTEDFACE VALUES (1, 1, 1), (2, 1, 2), (3, 1, 3), (4, 1, 4), (5, 1, 5), (6, 1, 6), (7, 1, 7), (8, 1, 8)",
		"CREATE TABLE ZPERSON (Z_PK INTEGER PRIMARY KEY, ZFULLNAME VARCHAR, ZDISPLAYNAME VARCHAR, ZMERGETARGETPERSON INTEGER)",
		"INSERT INTO ZPERSON VALUES (1, '', '', 2), (2, 'Jo', '', 3), (3, 'Joanna Lee', 'Jo', NULL), (4, 'Ann', '', 5), (5, 'Bea', '', 4), (6, 'Cy', '', 99), (7, 'Di', '', 8), (8, '', '', NULL)")))
	if p := read(t, src, extract.Query{})[0]; strings.Join(p.People, ", ") != "Joanna Lee, Ann, Bea, Cy, Di" {
		t.Errorf("people %q", p.People)
	}
}

// Shared albums of iOS 26 and later are in ZSHARE, told by their entity from shared
// libraries and links to iCloud (osxphotos, test_shared_album_zshare.py); where entities
// have no names, by ZSCOPETYPE.
func TestRead_shares(t *testing.T) {
	for _, s := range []struct{ name, entities, shares string }{
		{"entities", "CREATE TABLE Z_PRIMARYKEY (Z_ENT INTEGER PRIMARY KEY, Z_NAME VARCHAR); INSERT INTO Z_PRIMARYKEY VALUES (66, 'Share'), (67, 'CollectionShare'), (68, 'LibraryScope')",
			"(1, 67, 7, 0, 'S1', 'Holidays'), (2, 67, 0, 1, 'S2', 'Thrown away'), (3, 68, 0, 0, 'S3', 'Library'), (4, 67, NULL, 0, '', NULL)"},
		{"scopes", "", "(1, 5, 0, 0, 'S1', 'Holidays'), (2, 5, 0, 1, 'S2', 'Thrown away'), (3, 5, 4, 0, 'S3', 'Library'), (4, 5, NULL, 0, '', NULL)"},
	} {
		t.Run(s.name, func(t *testing.T) {
			statements := []string{"CREATE TABLE ZASSET (Z_PK INTEGER PRIMARY KEY, ZKIND INTEGER, ZTRASHEDSTATE INTEGER, ZFAVORITE INTEGER, ZCOLLECTIONSHARE INTEGER, ZSAVEDASSETTYPE INTEGER, ZDATECREATED TIMESTAMP, ZUUID VARCHAR, ZDIRECTORY VARCHAR, ZFILENAME VARCHAR)",
				"INSERT INTO ZASSET SELECT column1, 0, column2, 1, column3, 3, 600000000 + column1, 'U' || column1, 'DCIM/100APPLE', 'IMG_000' || column1 || '.HEIC' FROM (VALUES (1, 0, NULL), (2, 0, 1), (3, 0, 1), (4, 1, 1), (5, 0, 2), (6, 0, 3), (7, 0, 4), (8, 0, 99))",
				"CREATE TABLE ZSHARE (Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, ZSCOPETYPE INTEGER, ZTRASHEDSTATE INTEGER, ZUUID VARCHAR, ZTITLE VARCHAR)", "INSERT INTO ZSHARE VALUES " + s.shares,
				"CREATE TABLE ZGENERICALBUM (Z_PK INTEGER PRIMARY KEY, ZKIND INTEGER, ZUUID VARCHAR, ZTITLE VARCHAR)", "INSERT INTO ZGENERICALBUM VALUES (1, 2, 'A1', 'Mine')",
				"CREATE TABLE Z_33ASSETS (Z_33ALBUMS INTEGER, Z_3ASSETS INTEGER, Z_FOK_3ASSETS INTEGER)", "INSERT INTO Z_33ASSETS VALUES (1, 1, 1), (1, 3, 2)"}
			if s.entities != "" {
				statements = append(statements, s.entities)
			}
			src := extracttest.Source(t, camera(made(t, statements...)))
			extracttest.Conform(t, New(), src)
			var got []string
			for _, p := range read(t, src, extract.Query{}) {
				got = append(got, fmt.Sprintf("%s %t %s", p.Key, p.Shared, p.albumTitles()))
			}
			if got, want := strings.Join(got, "; "), "U1 false Mine; U2 true Holidays; U3 true Mine, Holidays; U4 true Holidays; U5 true ; U6 false ; U7 true Untitled; U8 false "; got != want {
				t.Errorf("read %s\nwant %s", got, want)
			}
			groups, err := New().Groups(t.Context(), src)
			if err != nil {
				t.Fatal(err)
			}
			got = nil
			for _, g := range groups {
				n := len(read(t, src, extract.Query{Group: g.Key}))
				got = append(got, fmt.Sprintf("%s %s %d", g.Key, g.Title, g.Count))
				if n != g.Count {
					t.Errorf("%d photos in %s, want %d", n, g.Title, g.Count)
				}
			}
			if got, want := strings.Join(got, "; "), "S1 Holidays 2; A1 Mine 2; S2 Thrown away 1; album/-4 Untitled 1; smart/favourites Favourites 3; smart/shared Shared 4; smart/deleted Recently Deleted 1"; got != want {
				t.Errorf("groups %s\nwant %s", got, want)
			}
			if one := read(t, src, extract.Query{Group: "S1", Limit: 1, Newest: true}); len(one) != 1 || one[0].Key != "U3" || one[0].albumTitles() != "Mine, Holidays" {
				t.Errorf("the newest of an album: %+v", one)
			}
		})
	}
}
