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
