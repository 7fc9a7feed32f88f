package photos

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
)

// shape is one row of content-schemas.md 2.1.
type shape struct {
	ios, assets    string
	albums, asset  int // entity numbers of the join table
	keywords       int // 0: no such table
	edited         string
	face, person   string
	forth, back    bool // which of the two directions between tables there is
	extendedCamera bool
}

var shapes = []shape{
	{"11", "ZGENERICASSET", 20, 27, 0, "ZHASADJUSTMENTS", "ZASSET", "ZPERSON", true, true, false},
	{"12", "ZGENERICASSET", 23, 30, 34, "ZHASADJUSTMENTS", "ZASSET", "ZPERSON", true, true, false},
	{"13", "ZGENERICASSET", 26, 34, 37, "ZHASADJUSTMENTS", "ZASSET", "ZPERSON", true, true, true},
	{"14", "ZASSET", 26, 3, 36, "ZHASADJUSTMENTS", "ZASSET", "ZPERSON", true, true, true},
	{"15", "ZASSET", 27, 3, 38, "ZHASADJUSTMENTS", "ZASSET", "ZPERSON", true, true, true},
	{"16", "ZASSET", 28, 3, 40, "ZHASADJUSTMENTS", "ZASSET", "ZPERSON", true, true, true},
	{"17.6", "ZASSET", 29, 3, 41, "ZHASADJUSTMENTS", "ZASSETFORFACE", "ZPERSONFORFACE", true, true, true},
	{"18", "ZASSET", 30, 3, 47, "ZADJUSTMENTSSTATE", "ZASSETFORFACE", "ZPERSONFORFACE", true, true, true},
	{"26", "ZASSET", 33, 3, 52, "ZADJUSTMENTSSTATE", "ZASSETFORFACE", "ZPERSONFORFACE", true, true, true},
	{"to come", "ZASSET", 71, 5, 99, "ZADJUSTMENTSSTATE", "ZASSETFORFACE", "ZPERSONFORFACE", false, true, true},
	{"one way", "ZASSET", 71, 5, 99, "ZADJUSTMENTSSTATE", "ZASSETFORFACE", "ZPERSONFORFACE", true, false, true},
}

// statements are a library of four photos, whose numbers in the tables beside are not
// their own.
func (s shape) statements() []string {
	column := func(when bool, name string) string {
		if when {
			return name
		}
		return "ZUNUSED_" + name
	}
	forth, back := func(n string) string { return column(s.forth, n) }, func(n string) string { return column(s.back, n) }
	list := []string{
		fmt.Sprintf(`CREATE TABLE %s (Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, Z_OPT INTEGER, ZKIND INTEGER, ZKINDSUBTYPE INTEGER, ZTRASHEDSTATE INTEGER, ZHIDDEN INTEGER, %s INTEGER, %s INTEGER, %s INTEGER,
			ZDATECREATED TIMESTAMP, ZLATITUDE FLOAT, ZLONGITUDE FLOAT, ZUUID VARCHAR, ZDIRECTORY VARCHAR, ZFILENAME VARCHAR)`, s.assets, s.edited, forth("ZADDITIONALATTRIBUTES"), forth("ZEXTENDEDATTRIBUTES")),
		fmt.Sprintf(`INSERT INTO %s VALUES (1, 3, 1, 0, 0, 0, 0, 0, 101, 201, 600000000, -180, -180, 'U1', 'DCIM/100APPLE', 'IMG_0001.HEIC'), (2, 3, 1, 0, 0, 0, 0, 2, 102, 202, 600000001, 52.5, 13.25, 'U2', 'DCIM/100APPLE', 'IMG_0002.HEIC'),
			(3, 3, 1, 0, 0, 0, 0, 0, 103, 203, 600000002, NULL, NULL, 'U3', 'DCIM/100APPLE', 'IMG_0003.HEIC'), (4, 3, 1, 0, 0, 1, 0, 0, 104, 204, 600000003, -180, -180, 'U4', 'DCIM/100APPLE', 'IMG_0004.HEIC')`, s.assets),
		fmt.Sprintf("CREATE TABLE ZADDITIONALASSETATTRIBUTES (Z_PK INTEGER PRIMARY KEY, %s INTEGER, %s INTEGER, ZTIMEZONEOFFSET INTEGER, ZORIGINALFILENAME VARCHAR)", back("ZASSET"), forth("ZASSETDESCRIPTION")),
		"INSERT INTO ZADDITIONALASSETATTRIBUTES VALUES (101, 1, NULL, 3600, 'one.HEIC'), (102, 2, 302, 3600, 'two.HEIC'), (103, 3, NULL, NULL, NULL), (104, 4, NULL, 0, 'four.HEIC')",
		fmt.Sprintf("CREATE TABLE ZASSETDESCRIPTION (Z_PK INTEGER PRIMARY KEY, %s INTEGER, ZLONGDESCRIPTION VARCHAR)", back("ZASSETATTRIBUTES")), "INSERT INTO ZASSETDESCRIPTION VALUES (302, 102, 'The harbour')",
		"CREATE TABLE ZGENERICALBUM (Z_PK INTEGER PRIMARY KEY, ZKIND INTEGER, ZTRASHEDSTATE INTEGER, ZCUSTOMSORTKEY INTEGER, ZPARENTFOLDER INTEGER, Z_FOK_PARENTFOLDER INTEGER, ZUUID VARCHAR, ZTITLE VARCHAR)",
		`INSERT INTO ZGENERICALBUM VALUES (1, 3999, 0, 0, NULL, NULL, 'R', NULL), (2, 2, 0, 0, 1, 300, 'A2', 'By hand'), (3, 2, 0, 1, 6, 100, 'A3', 'By date'), (4, 2, 1, 0, 1, 200, 'A4', 'Thrown away'),
			(5, 1506, 0, 0, 1, 400, 'A5', 'Import of March'), (6, 4000, 0, 0, 1, 50, 'F6', 'Folder'), (7, 1552, 0, 0, 1, 500, 'A7', 'From the computer'), (8, 3571, 0, 0, 1, 600, 'A8', 'progress-sync'), (9, 4000, 1, 0, 1, 700, 'F9', 'Old folder'),
			(10, 2, 0, 0, 9, 1, 'A10', 'In the old folder')`,
		fmt.Sprintf("CREATE TABLE Z_%dASSETS (Z_%dALBUMS INTEGER, Z_%dASSETS INTEGER, Z_FOK_%dASSETS INTEGER)", s.albums, s.albums, s.asset, s.asset),
		fmt.Sprintf("INSERT INTO Z_%dASSETS VALUES (2, 3, 1024), (2, 1, 2048), (2, 2, 3072), (2, 4, 10), (3, 3, 1024), (3, 1, 2048), (4, 1, 1), (5, 2, NULL), (7, 3, 1), (8, 3, 1), (10, 3, 1)", s.albums),
		fmt.Sprintf("CREATE TABLE Z_%dMEMORIES (Z_%dALBUMS INTEGER, Z_%dASSETS INTEGER)", s.albums+1, s.albums, s.asset), // of another name
		fmt.Sprintf("CREATE TABLE ZDETECTEDFACE (Z_PK INTEGER PRIMARY KEY, ZHIDDEN INTEGER, %s INTEGER, %s INTEGER)", s.face, s.person), "INSERT INTO ZDETECTEDFACE VALUES (1, 0, 2, 9), (2, 1, 2, 8), (3, 0, 1, NULL), (4, 0, 3, 99)",
		"CREATE TABLE ZPERSON (Z_PK INTEGER PRIMARY KEY, ZFULLNAME VARCHAR, ZDISPLAYNAME VARCHAR)", "INSERT INTO ZPERSON VALUES (9, '', 'Jo'), (8, 'Wrong Face', NULL)",
	}
	if s.keywords > 0 {
		list = append(list, fmt.Sprintf("CREATE TABLE Z_1KEYWORDS (Z_1ASSETATTRIBUTES INTEGER, Z_%dKEYWORDS INTEGER)", s.keywords), "INSERT INTO Z_1KEYWORDS VALUES (102, 5), (103, 77)",
			"CREATE TABLE ZKEYWORD (Z_PK INTEGER PRIMARY KEY, ZTITLE VARCHAR)", "INSERT INTO ZKEYWORD VALUES (5, 'ships')")
	}
	if s.extendedCamera {
		list = append(list, fmt.Sprintf("CREATE TABLE ZEXTENDEDATTRIBUTES (Z_PK INTEGER PRIMARY KEY, %s INTEGER, ZCAMERAMODEL VARCHAR)", back("ZASSET")), "INSERT INTO ZEXTENDEDATTRIBUTES VALUES (201, 1, 'L1'), (202, 2, 'L2')")
	}
	return list
}

// Every shape of the library that is known, and some that are not.
func TestRead_shapes(t *testing.T) {
	for _, s := range shapes {
		t.Run(s.ios, func(t *testing.T) {
			src := extracttest.Source(t, camera(made(t, s.statements()...), "DCIM/100APPLE/IMG_0001.HEIC"))
			extracttest.Conform(t, New(), src)
			keywords, model := []string{"ships"}, "L2"
			if s.keywords == 0 {
				keywords = nil
			}
			all := read(t, src, extract.Query{})
			if len(all) != 4 {
				t.Fatalf("%d photos", len(all))
			}
			p := all[1]
			if s.extendedCamera && (p.Camera == nil || p.Camera.Model != model) {
				t.Errorf("camera %+v", p.Camera)
			}
			if p.Name != "two.HEIC" || p.Caption != "The harbour" || !p.Edited || !slices.Equal(p.Keywords, keywords) || !slices.Equal(p.People, []string{"Jo"}) || p.Place == nil || p.Place.Longitude != 13.25 ||
				p.Taken.Format("15:04:05Z07:00") != "11:40:01+01:00" || p.albumTitles() != "By hand, Import of March" {
				t.Errorf("%+v", p)
			}
			if p := all[0]; p.Place != nil || p.Edited || p.albumTitles() != "By hand, By date" || p.Availability != Original {
				t.Errorf("%+v", p)
			}
			if p := all[2]; p.Name != "IMG_0003.HEIC" || p.albumTitles() != "By hand, By date, From the computer" {
				t.Errorf("%+v", p)
			}
			var shown []string
			groups, err := New().Groups(t.Context(), src)
			if err != nil {
				t.Fatal(err)
			}
			for _, g := range groups {
				if !strings.HasPrefix(g.Key, smartPrefix) {
					shown = append(shown, fmt.Sprintf("%s %d %q %t", g.Title, g.Count, g.Parent, g.Deleted))
				}
			}
			if got, want := strings.Join(shown, "\n"), `Folder -1 "" false
By date 2 "F6" false
Thrown away 1 "" true
By hand 3 "" false
Import of March 1 "" false
From the computer 1 "" false
Old folder -1 "" true
In the old folder 1 "F9" true`; got != want {
				t.Errorf("albums:\n%s\nwant\n%s", got, want)
			}
			for group, want := range map[string]string{"A2": "U3 U1 U2", "A3": "U1 U3", "A5": "U2", "F6": "U1 U3", "A8": "U3"} {
				for _, limit := range []int{0, 2} {
					var got []string
					for skip := 0; skip == 0 || limit > 0 && skip < 4; skip += 2 {
						for _, p := range read(t, src, extract.Query{Group: group, Limit: limit, Skip: skip}) {
							got = append(got, p.Key)
						}
					}
					if strings.Join(got, " ") != want {
						t.Errorf("album %s, %d at once: %q, want %s", group, limit, got, want)
					}
				}
			}
			if got := read(t, src, extract.Query{Group: "A2", Newest: true}); len(got) != 3 || got[0].Key != "U3" || got[2].Key != "U1" {
				t.Errorf("newest of an album: %v", got)
			}
		})
	}
}

// Kinds of assets and of files that nothing is known of are listed.
func TestRead_unknownKinds(t *testing.T) {
	rows := [][]string{
		asset(1, "'DCIM/100APPLE'", "'IMG_0001.MOV'", "NULL", 0, 6e8), asset(2, "'DCIM/100APPLE'", "'NOTE.M4A'", "NULL", 0, 6e8+1),
		asset(3, "'DCIM/100APPLE'", "'IMG_0003.HEIC'", "NULL", 0, 6e8+2), asset(4, "'DCIM/100APPLE'", "'IMG_0004.JPG'", "NULL", 0, 6e8+3), asset(5, "'DCIM/100APPLE'", "'IMG_0004.MOV'", "NULL", 100, 6e8+4),
		asset(6, "'DCIM/100APPLE'", "'IMG_0006.JPG'", "NULL", 0, 6e8+5), asset(9223372036854775807, "'DCIM/100APPLE'", "'IMG_0007.HEIC'", "NULL", 2, 6e8+6),
		asset(8, "'DCIM/100APPLE'", "'IMG_0009.PNG'", "NULL", 10, 6e8+7), {"UPDATE ZASSET SET ZUUID = 'U-6' WHERE Z_PK = 8"}, // the key of another
		{"UPDATE ZASSET SET ZKIND = NULL WHERE Z_PK = 1", "UPDATE ZASSET SET ZKIND = 3 WHERE Z_PK = 2"},
	}
	files := []string{"DCIM/100APPLE/IMG_0001.MOV", "DCIM/100APPLE/NOTE.M4A", "DCIM/100APPLE/IMG_0003.HEIC", "DCIM/100APPLE/IMG_0003.MOV", "DCIM/100APPLE/IMG_0003.mp4", "DCIM/100APPLE/IMG_0003.AAE",
		"DCIM/100APPLE/IMG_0004.JPG", "DCIM/100APPLE/IMG_0004.MOV", "DCIM/100APPLE/IMG_0006.JPG", "DCIM/100APPLE/IMG_0006.NEF", "DCIM/100APPLE/IMG_0006.DNG", "DCIM/100APPLE/IMG_0007.HEIC", "DCIM/100APPLE/IMG_0007.m4v",
		"DCIM/top.JPG", "DCIM/100APPLE/scan.pdf", "DCIM/100APPLE/LOST.AAE", "DCIM/100APPLE/.hidden", "DCIM/100APPLE/IMG_0008.PNG", "DCIM/100APPLE/IMG_O0008.AAE"}
	src := extracttest.Source(t, camera(made(t, library1(rows...)...), files...))
	extracttest.Conform(t, New(), src)
	var got []string
	for _, p := range read(t, src, extract.Query{}) {
		line := p.table + " " + p.Kind
		for _, f := range p.files() {
			line += " " + strings.TrimPrefix(strings.TrimPrefix(f, media+"/DCIM/"), "100APPLE/")
		}
		got = append(got, line)
	}
	want := []string{"photos video IMG_0001.MOV", "photos file NOTE.M4A", "photos photo IMG_0003.HEIC IMG_0003.MOV IMG_0003.AAE", "photos photo IMG_0004.JPG", "photos video IMG_0004.MOV",
		"photos photo IMG_0006.JPG IMG_0006.DNG", "photos photo IMG_0007.HEIC", "photos photo", "files video IMG_0003.mp4 IMG_0003.AAE", "files photo IMG_0006.NEF", "files video IMG_0007.m4v", "files photo top.JPG", "files file scan.pdf",
		"files file LOST.AAE", "files photo IMG_0008.PNG IMG_O0008.AAE"}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if twins := append(read(t, src, extract.Query{Key: "U-6"}), read(t, src, extract.Query{Key: "U-6#8"})...); len(twins) != 2 || twins[0].Name != "IMG_0006.JPG" || twins[1].Name != "IMG_0009.PNG" {
		t.Errorf("photos of one UUID: %+v", twins)
	}
	if p := read(t, src, extract.Query{Key: "U-2"})[0]; p.KindCode != 3 || p.Row()[2] == "" {
		t.Errorf("%+v", p)
	}
}

// What is not in the backup is named, and its small picture taken.
func TestExport_notHere(t *testing.T) {
	rows := [][]string{asset(1, "'PhotoData/CPLAssets/group1'", "'A.HEIC'", "'one\tnight.HEIC'", 0, 6e8), asset(2, "'DCIM/100APPLE'", "'IMG_0002.HEIC'", "NULL", 0, 6e8+1), asset(3, "NULL", "NULL", "'three.MOV'", 100, "NULL"),
		{"ALTER TABLE ZASSET ADD COLUMN ZCLOUDLOCALSTATE INTEGER", "ALTER TABLE ZASSET ADD COLUMN ZSAVEDASSETTYPE INTEGER", "UPDATE ZASSET SET ZCLOUDLOCALSTATE = 1 WHERE Z_PK = 1", "UPDATE ZASSET SET ZSAVEDASSETTYPE = 4 WHERE Z_PK = 3"}}
	src := extracttest.Source(t, camera(made(t, library1(rows...)...), "PhotoData/Thumbnails/V2/PhotoData/CPLAssets/group1/A.HEIC/5003.JPG", "DCIM/100APPLE/IMG_0002.HEIC"))
	dir := t.TempDir()
	exportTo(t, dir, src, extract.ExportOptions{})
	var names []string
	for _, l := range listing(t, dir) {
		name, _, _ := strings.Cut(l, "\t")
		names = append(names, strings.TrimPrefix(name, "Photos/"))
	}
	want := []string{"2020/2020-01/IMG_0002.HEIC", "2020/2020-01/IMG_0002.HEIC.xmp", "2020/2020-01/one%09night (small).jpg", "2020/2020-01/one%09night (small).jpg.xmp", "Not in this backup.txt", "photos.json"}
	if !slices.Equal(names, want) {
		t.Errorf("%q, want %q", names, want)
	}
	text, err := os.ReadFile(filepath.Join(dir, "Photos", "Not in this backup.txt"))
	if want := "Originals that were not in the backup: 2\n\none night.HEIC\t2020-01-06 10:40\tin iCloud, not in this backup (but a small picture)\nthree.MOV\t\tin a shared album, not in this backup\n"; err != nil || string(text) != want {
		t.Errorf("%q, want %q, %v", text, want, err)
	}
}

// A photo is filed by the first moment that is known of it.
func TestPhoto_when(t *testing.T) {
	zone := time.FixedZone("", 7200)
	taken, added := time.Date(2024, 12, 31, 23, 30, 0, 0, time.UTC), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		photo Photo
		want  string
	}{
		{Photo{Taken: taken, CameraTime: "2020:01:01 00:00:00", Added: added}, "2025-01-01 01:30"},
		{Photo{Taken: taken.In(time.FixedZone("", -3600)), zoned: true}, "2024-12-31 22:30"},
		{Photo{CameraTime: "2020:01:01 00:10:00", Added: added}, "2020-01-01 00:10"},
		{Photo{CameraTime: "0000:00:00 00:00:00", Added: added}, "2026-01-01 02:00"},
		{Photo{CameraTime: "yesterday", Modified: added}, "2026-01-01 02:00"},
		{Photo{}, "0001-01-01 00:00"},
	} {
		if got := c.photo.when(zone).Format("2006-01-02 15:04"); got != c.want {
			t.Errorf("%+v is of %s, want %s", c.photo, got, c.want)
		}
	}
}

func TestRead_garbled(t *testing.T) {
	for _, ios := range []string{"13.7", "26.1"} {
		extracttest.Garble(t, New(), phone(t, ios), libraryDB)
	}
}
