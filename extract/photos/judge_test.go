package photos

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
)

// schema is a line of content-schemas.md 2.1, typed in from there.
type schema struct {
	asset                  string
	albums, inAlbum, album string // join table, its column of assets, its column of albums
	keywords               string // column of Z_1KEYWORDS
	edited                 string // condition
	faceAsset, facePerson  string
}

var schemas = map[string]schema{
	"13.7": {"ZGENERICASSET", "Z_26ASSETS", "Z_34ASSETS", "Z_26ALBUMS", "Z_37KEYWORDS", "ZHASADJUSTMENTS = 1", "ZASSET", "ZPERSON"},
	"14.8": {"ZASSET", "Z_26ASSETS", "Z_3ASSETS", "Z_26ALBUMS", "Z_36KEYWORDS", "ZHASADJUSTMENTS = 1", "ZASSET", "ZPERSON"},
	"15.3": {"ZASSET", "Z_27ASSETS", "Z_3ASSETS", "Z_27ALBUMS", "Z_38KEYWORDS", "ZHASADJUSTMENTS = 1", "ZASSET", "ZPERSON"},
	"16.3": {"ZASSET", "Z_28ASSETS", "Z_3ASSETS", "Z_28ALBUMS", "Z_40KEYWORDS", "ZHASADJUSTMENTS = 1", "ZASSET", "ZPERSON"},
	"17.3": {"ZASSET", "Z_28ASSETS", "Z_3ASSETS", "Z_28ALBUMS", "Z_40KEYWORDS", "ZHASADJUSTMENTS = 1", "ZASSETFORFACE", "ZPERSONFORFACE"},
	"17.6": {"ZASSET", "Z_29ASSETS", "Z_3ASSETS", "Z_29ALBUMS", "Z_41KEYWORDS", "ZHASADJUSTMENTS = 1", "ZASSETFORFACE", "ZPERSONFORFACE"},
	"18.6": {"ZASSET", "Z_30ASSETS", "Z_3ASSETS", "Z_30ALBUMS", "Z_47KEYWORDS", "ZADJUSTMENTSSTATE IN (2, 3)", "ZASSETFORFACE", "ZPERSONFORFACE"},
	"26.1": {"ZASSET", "Z_33ASSETS", "Z_3ASSETS", "Z_33ALBUMS", "Z_52KEYWORDS", "ZADJUSTMENTSSTATE IN (2, 3)", "ZASSETFORFACE", "ZPERSONFORFACE"},
}

// everything is what sqlite3 is asked: one line for each asset, oldest first.
func (s schema) everything() string {
	return strings.NewReplacer("$asset", s.asset, "$albums", s.albums, "$inAlbum", s.inAlbum, "$album", s.album, "$keywords", s.keywords, "$edited", s.edited,
		"$faceAsset", s.faceAsset, "$facePerson", s.facePerson).Replace(`
	SELECT a.ZUUID, x.ZORIGINALFILENAME, a.ZDIRECTORY || '/' || a.ZFILENAME, CASE a.ZKIND WHEN 1 THEN 'video' ELSE 'photo' END,
		CASE a.ZKINDSUBTYPE WHEN 1 THEN 'panorama' WHEN 2 THEN 'live-photo' WHEN 10 THEN 'screenshot' WHEN 100 THEN 'video' WHEN 101 THEN 'slow-motion'
			WHEN 102 THEN 'time-lapse' WHEN 103 THEN 'screen-recording' ELSE CASE a.ZPLAYBACKSTYLE WHEN 2 THEN 'animated' ELSE 'still' END END,
		strftime('%Y-%m-%dT%H:%M:%S', a.ZDATECREATED + 978307200 + x.ZTIMEZONEOFFSET, 'unixepoch'), x.ZTIMEZONEOFFSET,
		strftime('%Y-%m-%dT%H:%M:%SZ', a.ZADDEDDATE + 978307200, 'unixepoch'), strftime('%Y-%m-%dT%H:%M:%SZ', a.ZMODIFICATIONDATE + 978307200, 'unixepoch'),
		strftime('%Y-%m-%dT%H:%M:%SZ', a.ZTRASHEDDATE + 978307200, 'unixepoch'),
		a.ZUNIFORMTYPEIDENTIFIER, a.ZWIDTH || 'x' || a.ZHEIGHT, x.ZORIGINALFILESIZE, printf('%.1f', a.ZDURATION),
		a.ZFAVORITE, a.ZHIDDEN, a.ZTRASHEDSTATE, a.$edited, a.ZAVALANCHEUUID,
		CASE WHEN a.ZLATITUDE > -180 THEN printf('%.5f,%.5f', a.ZLATITUDE, a.ZLONGITUDE) END,
		x.ZTITLE, (SELECT d.ZLONGDESCRIPTION FROM ZASSETDESCRIPTION d WHERE d.Z_PK = x.ZASSETDESCRIPTION),
		(SELECT group_concat(k.ZTITLE) FROM Z_1KEYWORDS j JOIN ZKEYWORD k ON k.Z_PK = j.$keywords WHERE j.Z_1ASSETATTRIBUTES = x.Z_PK),
		(SELECT group_concat(p.ZFULLNAME) FROM ZDETECTEDFACE f JOIN ZPERSON p ON p.Z_PK = f.$facePerson WHERE f.$faceAsset = a.Z_PK),
		(SELECT group_concat(g.ZTITLE, '+') FROM (SELECT * FROM $albums ORDER BY 1) j JOIN ZGENERICALBUM g ON g.Z_PK = j.$album WHERE j.$inAlbum = a.Z_PK),
		e.ZCAMERAMODEL, e.ZISO
	FROM $asset a JOIN ZADDITIONALASSETATTRIBUTES x ON x.Z_PK = a.ZADDITIONALATTRIBUTES LEFT JOIN ZEXTENDEDATTRIBUTES e ON e.ZASSET = a.Z_PK
	ORDER BY a.ZDATECREATED, a.Z_PK`)
}

// line is a record in the words of sqlite3.
func line(p *Photo) []string {
	bit := map[bool]string{true: "1", false: "0"}
	stamp := func(at time.Time) string {
		if at.IsZero() {
			return ""
		}
		return at.Format("2006-01-02T15:04:05Z")
	}
	_, offset := p.Taken.Zone()
	burst, place, model, iso := "", "", "", ""
	if p.Burst != nil {
		burst = p.Burst.ID
	}
	if p.Place != nil {
		place = fmt.Sprintf("%.5f,%.5f", p.Place.Latitude, p.Place.Longitude)
	}
	if p.Camera != nil {
		model, iso = p.Camera.Model, fmt.Sprint(p.Camera.ISO)
	}
	var albums []string
	for _, a := range p.Albums {
		albums = append(albums, a.Title)
	}
	return []string{p.UUID, p.Name, p.folder + "/" + p.fileName, p.Kind, p.Subtype, p.Taken.Format("2006-01-02T15:04:05"), fmt.Sprint(offset), stamp(p.Added), stamp(p.Modified), stamp(p.Trashed),
		p.UTI, fmt.Sprintf("%dx%d", p.Width, p.Height), fmt.Sprint(p.Size), fmt.Sprintf("%.1f", p.Seconds), bit[p.Favourite], bit[p.Hidden], bit[p.Deleted], bit[p.Edited], burst, place,
		p.Title, p.Caption, strings.Join(p.Keywords, ","), strings.Join(p.People, ","), strings.Join(albums, "+"), model, iso}
}

// Every value of every photo of every generation, as sqlite3 reads it.
func TestRead_sqlite3(t *testing.T) {
	for _, ios := range extracttest.Generations {
		t.Run(ios, func(t *testing.T) {
			fsys := phone(t, ios)
			want := extracttest.SQL(t, fsys, libraryDB, schemas[ios].everything())
			got := read(t, extracttest.Source(t, fsys), extract.Query{Table: tablePhotos})
			if len(got) != len(want) || len(got) == 0 {
				t.Fatalf("%d photos, sqlite3 has %d", len(got), len(want))
			}
			for i, p := range got {
				if g := line(p); !slices.Equal(g, want[i]) {
					t.Errorf("photo %d:\n got %q\nwant %q", i, g, want[i])
				}
			}
		})
	}
}

// What lies in each group, as sqlite3 counts it.
func TestGroups_sqlite3(t *testing.T) {
	for _, ios := range extracttest.Generations {
		t.Run(ios, func(t *testing.T) {
			fsys, s := phone(t, ios), schemas[ios]
			got := map[string]string{}
			groups, err := New().Groups(t.Context(), extracttest.Source(t, fsys))
			if err != nil {
				t.Fatal(err)
			}
			for _, g := range groups {
				got[g.Title] = fmt.Sprint(g.Count)
			}
			shown := " WHERE ZTRASHEDSTATE = 0 AND ZHIDDEN = 0 AND "
			for title, query := range map[string]string{
				"Favourites":        "SELECT count(*) FROM " + s.asset + shown + "ZFAVORITE = 1",
				"Videos":            "SELECT count(*) FROM " + s.asset + shown + "ZKIND = 1",
				"Live Photos":       "SELECT count(*) FROM " + s.asset + shown + "ZKINDSUBTYPE = 2",
				"Slow motion":       "SELECT count(*) FROM " + s.asset + shown + "ZKINDSUBTYPE = 101",
				"Bursts":            "SELECT count(*) FROM " + s.asset + shown + "ZAVALANCHEUUID IS NOT NULL",
				"Screenshots":       "SELECT count(*) FROM " + s.asset + shown + "ZKINDSUBTYPE = 10",
				"Screen recordings": "SELECT count(*) FROM " + s.asset + shown + "ZKINDSUBTYPE = 103",
				"Hidden":            "SELECT count(*) FROM " + s.asset + " WHERE ZTRASHEDSTATE = 0 AND ZHIDDEN = 1",
				"Recently Deleted":  "SELECT count(*) FROM " + s.asset + " WHERE ZTRASHEDSTATE = 1",
			} {
				if want := extracttest.SQL(t, fsys, libraryDB, query)[0][0]; got[title] != want {
					t.Errorf("%s: %q, sqlite3 counts %s", title, got[title], want)
				}
			}
			albums := fmt.Sprintf(`SELECT g.ZTITLE, (SELECT count(*) FROM %s j JOIN %s a ON a.Z_PK = j.%s WHERE j.%s = g.Z_PK AND a.ZTRASHEDSTATE = 0),
				(SELECT ZTITLE FROM ZGENERICALBUM f WHERE f.Z_PK = g.ZPARENTFOLDER AND f.ZKIND = 4000) FROM ZGENERICALBUM g WHERE g.ZKIND = 2`, s.albums, s.asset, s.inAlbum, s.album)
			for _, row := range extracttest.SQL(t, fsys, libraryDB, albums) {
				i := slices.IndexFunc(groups, func(g extract.Group) bool { return g.Title == row[0] })
				if i < 0 || fmt.Sprint(groups[i].Count) != row[1] {
					t.Errorf("album %s: %q, sqlite3 counts %s", row[0], got[row[0]], row[1])
					continue
				}
				parent := slices.IndexFunc(groups, func(g extract.Group) bool { return g.Key == groups[i].Parent })
				if (parent >= 0) != (row[2] != "") || parent >= 0 && groups[parent].Title != row[2] {
					t.Errorf("album %s lies in %q, sqlite3 says %q", row[0], groups[i].Parent, row[2])
				}
			}
		})
	}
}
