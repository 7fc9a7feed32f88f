package photos

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/extract/outtree"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// assets is a table of assets with the columns that are usual since long, and one of
// the rest.
const (
	assetTable = `CREATE TABLE ZASSET (Z_PK INTEGER PRIMARY KEY, ZUUID VARCHAR, ZDIRECTORY VARCHAR, ZFILENAME VARCHAR, ZKIND INTEGER, ZKINDSUBTYPE INTEGER, ZDATECREATED TIMESTAMP,
		ZTRASHEDSTATE INTEGER, ZHIDDEN INTEGER, ZADDITIONALATTRIBUTES INTEGER)`
	moreTable = `CREATE TABLE ZADDITIONALASSETATTRIBUTES (Z_PK INTEGER PRIMARY KEY, ZORIGINALFILENAME VARCHAR, ZTIMEZONEOFFSET INTEGER)`
)

func asset(pk int, folder, name, original string, subtype int, date any) []string {
	return []string{
		fmt.Sprintf("INSERT INTO ZASSET VALUES (%d, 'U-%d', %s, %s, %d, %d, %v, 0, 0, %d)", pk, pk, folder, name, subtype/100, subtype, date, pk),
		fmt.Sprintf("INSERT INTO ZADDITIONALASSETATTRIBUTES VALUES (%d, %s, 0)", pk, original),
	}
}

func library1(rows ...[]string) []string {
	return append([]string{assetTable, moreTable}, slices.Concat(rows...)...)
}

// A library of iOS 11, with entity numbers that no version is known to have, and
// columns that are missing.
func TestRead_otherSchemas(t *testing.T) {
	old := made(t,
		`CREATE TABLE ZGENERICASSET (Z_PK INTEGER PRIMARY KEY, ZUUID VARCHAR, ZDIRECTORY VARCHAR, ZFILENAME VARCHAR, ZKIND INTEGER, ZHASADJUSTMENTS INTEGER, ZDATECREATED TIMESTAMP)`,
		`INSERT INTO ZGENERICASSET VALUES (7, 'A', 'DCIM/100APPLE', 'IMG_0007.JPG', 0, 1, 500000000.25), (8, 'B', 'DCIM/100APPLE', 'IMG_0008.MOV', 1, 0, 400000000)`,
		`CREATE TABLE Z_91ASSETS (Z_88ASSETS INTEGER, Z_91ALBUMS INTEGER, Z_FOK_88ASSETS INTEGER)`,
		`INSERT INTO Z_91ASSETS VALUES (7, 3, 1), (7, 4, 1), (999, 3, 1), (NULL, 3, 1)`,
		`CREATE TABLE Z_17ASSETS (Z_88ASSETS INTEGER, Z_17MEMORIES INTEGER)`, // no albums
		`CREATE TABLE ZGENERICALBUM (Z_PK INTEGER PRIMARY KEY, ZKIND INTEGER, ZTITLE VARCHAR, ZPARENTFOLDER INTEGER)`,
		`INSERT INTO ZGENERICALBUM VALUES (3, 2, 'Old', NULL), (4, 3571, 'progress', NULL), (5, 1505, NULL, 3), (6, 4711, 'New kind', 9), (9, 4000, 'Outer', 10), (10, 4000, 'Inner', 9), (11, 4711, NULL, NULL)`,
	)
	src := extracttest.Source(t, camera(old, "DCIM/100APPLE/IMG_0007.JPG"))
	extracttest.Conform(t, New(), src)
	got := read(t, src, extract.Query{})
	if len(got) != 2 || got[0].Key != "B" || got[0].Availability != Missing || got[0].Kind != "video" || got[0].Subtype != Video {
		t.Fatalf("%+v", got)
	}
	if p := got[1]; !p.Edited || p.Name != "IMG_0007.JPG" || p.Availability != Original || len(p.Albums) != 1 || p.Albums[0] != (Album{"album/3", "Old"}) || p.Taken.Nanosecond() != 250_000_000 {
		t.Errorf("%+v", p)
	}
	groups, err := New().Groups(t.Context(), src)
	if err != nil {
		t.Fatal(err)
	}
	var titles []string
	for _, g := range groups {
		titles = append(titles, g.Title)
	}
	if want := []string{"New kind", "Inner", "Outer", "Old", "Untitled", "Videos"}; !equalSets(titles, want) {
		t.Errorf("groups %q, want %q", titles, want)
	}

	least := made(t, "CREATE TABLE ZASSET (Z_PK INTEGER PRIMARY KEY)", "INSERT INTO ZASSET VALUES (1), (2)")
	c := extracttest.Read(t, New(), extracttest.Source(t, camera(least, "DCIM/100APPLE/IMG_0001.JPG")), extract.Query{})
	if len(c.Records) != 3 || len(c.Problems) != 2 || c.Records[1].Entry().Key != "asset/2" || c.Records[2].Entry().Table != tableFiles {
		t.Errorf("of almost nothing: %d records, %v", len(c.Records), c.Problems)
	}
	none := made(t, "CREATE TABLE ZSOMETHING (Z_PK INTEGER PRIMARY KEY)")
	if err := New().Read(t.Context(), extracttest.Source(t, camera(none)), extract.Query{}, &extracttest.Collector{}); !errors.Is(err, sqlitefs.ErrDamaged) {
		t.Errorf("no library: %v", err)
	}
}

func equalSets(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}

// What is no date is behind in both orders; values of the wrong type do no harm.
func TestRead_dates(t *testing.T) {
	const f = "'DCIM/100APPLE'"
	var rows [][]string
	for i, date := range []string{"NULL", "600000000.5", "63113904000", "0", "-99999999999", "'yesterday'", "x'0011'", "600000000", "9e999", "-1000", "'550000000'"} {
		rows = append(rows, asset(i+1, f, fmt.Sprintf("'IMG_%04d.JPG'", i+1), "NULL", 0, date))
	}
	rows = append(rows, []string{"UPDATE ZADDITIONALASSETATTRIBUTES SET ZTIMEZONEOFFSET = 99999999 WHERE Z_PK = 2", "UPDATE ZADDITIONALASSETATTRIBUTES SET ZTIMEZONEOFFSET = -12600 WHERE Z_PK = 8",
		"UPDATE ZASSET SET ZKIND = 'x', ZKINDSUBTYPE = 777, ZHIDDEN = x'01' WHERE Z_PK = 8"})
	src := extracttest.Source(t, camera(made(t, library1(rows...)...)))
	extracttest.Conform(t, New(), src)
	keys := func(list []*Photo) (keys []string) {
		for _, p := range list {
			keys = append(keys, strings.TrimPrefix(p.Key, "U-"))
		}
		return keys
	}
	oldest, newest := read(t, src, extract.Query{}), read(t, src, extract.Query{Newest: true})
	if got, want := strings.Join(keys(oldest), " "), "10 11 8 2 1 3 4 5 6 7 9"; got != want {
		t.Errorf("oldest first: %s, want %s", got, want)
	}
	if got, want := strings.Join(keys(newest), " "), "2 8 11 10 1 3 4 5 6 7 9"; got != want {
		t.Errorf("newest first: %s, want %s", got, want)
	}
	if got := oldest[2].Taken.Format(time.RFC3339); got != "2020-01-06T07:10:00-03:30" || oldest[2].SubtypeCode != 777 || oldest[2].Kind != "photo" {
		t.Errorf("taken %s, %+v", got, oldest[2])
	}
	if _, offset := oldest[3].Taken.Zone(); offset != 0 {
		t.Errorf("a zone of %d seconds was believed", offset)
	}
}

// Paths that lead elsewhere are no paths, and say so; the photo is listed.
func TestRead_hostilePaths(t *testing.T) {
	rows := [][]string{
		asset(1, "'../../HomeDomain/Library'", "'secret.JPG'", "'a'", 0, 1e8),
		asset(2, "'/etc'", "'passwd'", "'b'", 0, 1e8),
		asset(3, "'DCIM/100APPLE'", "'../../../HomeDomain/Library/secret.JPG'", "'c'", 0, 1e8),
		asset(4, "'DCIM/100APPLE/..'", "'x.JPG'", "'d'", 0, 1e8),
		asset(5, "'DCIM/100APPLE' || char(0)", "'x.JPG'", "'e'", 0, 1e8),
		asset(6, "'DCIM/100APPLE'", "'..'", "'f'", 2, 1e8),
		asset(7, "NULL", "NULL", "NULL", 0, 1e8),
		asset(8, "'DCIM/100APPLE'", "'.'", "'g'", 0, 1e8),
		asset(9, "'DCIM//100APPLE'", "'x.JPG'", "'h'", 0, 1e8),
	}
	fsys := camera(made(t, library1(rows...)...), "DCIM/100APPLE/x.JPG")
	fsys["CameraRollDomain/HomeDomain/Library/secret.JPG"] = &fstest.MapFile{Data: []byte("secret")}
	fsys["HomeDomain/Library/secret.JPG"] = &fstest.MapFile{Data: []byte("secret")}
	src := extracttest.Source(t, fsys)
	c := extracttest.Read(t, New(), src, extract.Query{Table: tablePhotos})
	if len(c.Records) != len(rows) || len(c.Problems) != len(rows) {
		t.Errorf("%d records, %d problems of %d rows: %v", len(c.Records), len(c.Problems), len(rows), c.Problems)
	}
	for _, r := range c.Records {
		if p := r.(*Photo); len(p.files()) > 0 || p.Availability != Missing {
			t.Errorf("%s has %q", p.Name, p.files())
		}
		if _, err := New().Preview(t.Context(), src, r.Entry().Key, 200); !errors.Is(err, extract.ErrNoPreview) {
			t.Errorf("%s: %v", r.Entry().Title, err)
		}
	}
	dir := t.TempDir()
	exportTo(t, dir, src, extract.ExportOptions{})
	for _, l := range listing(t, dir) {
		if strings.Contains(l, "secret") || strings.Contains(l, "passwd") {
			t.Error(l)
		}
	}
}

// Names that some disk refuses, or that are taken, and what belongs together.
func TestExport_names(t *testing.T) {
	const first, second = "'DCIM/100APPLE'", "'DCIM/101APPLE'"
	long := strings.Repeat("ü", 125) + ".JPG" // 254 bytes
	rows := [][]string{
		asset(1, first, "'IMG_0001.HEIC'", "'IMG_0001.HEIC'", 2, 6e8),
		asset(2, second, "'IMG_0001.HEIC'", "'IMG_0001.HEIC'", 2, 6e8+1),
		asset(3, second, "'IMG_0002.MOV'", "'IMG_0001.MOV'", 100, 6e8+2), // a film of the same name
		asset(4, first, "'IMG_0004.JPG'", "'CON.jpg'", 0, 6e8+3),
		asset(5, first, "'IMG_0005.JPG'", "'..'", 0, 6e8+4),
		asset(6, first, "'IMG_0006.JPG'", "'a' || char(0) || 'b.JPG'", 0, 6e8+5),
		asset(7, first, "'IMG_0007.JPG'", quote(long), 0, 6e8+6),
		asset(8, first, "'IMG_0008.JPG'", "'👩‍👩‍👧 عيد ميلاد.JPG'", 0, 6e8+7),
		asset(9, first, "'IMG_0009.JPG'", "'../../up.JPG'", 0, 6e8+8),
		asset(10, first, "'IMG_0010.JPG'", "'photo'", 0, 6e8+9),          // no ending
		asset(11, first, "'IMG_0011.JPG'", "'IMG_0011.HEIC'", 0, 6e8+10), // converted on the phone
		asset(12, first, "'IMG_0012.JPG'", "'img_0001.jpeg'", 0, 6e8+11), // the same but for case
		asset(13, first, "'IMG_0013.JPG'", "'IMG_0013.JPG'", 0, 6e8+12),  // with raw data
		asset(14, first, "'IMG_0014.JPG'", "'IMG_0014.JPG'", 0, 6e8+13),  // with a raw asset beside
		asset(15, first, "'IMG_0014.DNG'", "'IMG_0014.DNG'", 0, 6e8+14),  //
		asset(16, first, "'IMG_0016.JPG'", "x'ff2e4a5047'", 0, 6e8+15),   // no UTF-8
		asset(17, first, "'IMG_0017.JPG'", "'version 1.2'", 0, 6e8+16),   // a dot that ends nothing
	}
	files := []string{"DCIM/100APPLE/IMG_0001.HEIC", "DCIM/100APPLE/IMG_0001.MOV", "DCIM/101APPLE/IMG_0001.HEIC", "DCIM/101APPLE/IMG_0001.MOV", "DCIM/101APPLE/IMG_0002.MOV",
		"DCIM/100APPLE/IMG_0013.DNG", "DCIM/100APPLE/IMG_0014.DNG", "PhotoData/Mutations/DCIM/100APPLE/IMG_0007/Adjustments/FullSizeRender.jpg",
		"PhotoData/Mutations/DCIM/100APPLE/IMG_0004/Adjustments/1B0C.JPG", "DCIM/100APPLE/IMG_O0004.AAE", "DCIM/100APPLE/IMG_0004.AAE"}
	for i := 4; i <= 17; i++ {
		if i != 15 {
			files = append(files, fmt.Sprintf("DCIM/100APPLE/IMG_%04d.JPG", i))
		}
	}
	fsys := camera(made(t, library1(rows...)...), files...)
	src := extracttest.Source(t, fsys)
	extracttest.Conform(t, New(), src)
	dir := t.TempDir()
	if _, problems := exportTo(t, dir, src, extract.ExportOptions{}); len(problems) > 0 {
		t.Error(problems)
	}
	content := map[string]string{} // by path on the phone
	for _, l := range listing(t, dir) {
		name, _, _ := strings.Cut(l, "\t")
		if filepath.Ext(name) == ".xmp" || filepath.Ext(name) == ".json" {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		content[string(data)] = strings.TrimPrefix(name, "Photos/2020/2020-01/")
	}
	for origin, want := range map[string]string{
		"DCIM/100APPLE/IMG_0001.HEIC": "IMG_0001.HEIC", "DCIM/100APPLE/IMG_0001.MOV": "IMG_0001.MOV", "DCIM/101APPLE/IMG_0001.HEIC": "IMG_0001 (2).HEIC",
		"DCIM/101APPLE/IMG_0001.MOV": "IMG_0001 (2).MOV", "DCIM/101APPLE/IMG_0002.MOV": "IMG_0001 (3).MOV", "DCIM/100APPLE/IMG_0012.JPG": "img_0001 (4).jpeg",
		"DCIM/100APPLE/IMG_0004.JPG": "%43ON.jpg", "DCIM/100APPLE/IMG_0005.JPG": "...JPG", "DCIM/100APPLE/IMG_0006.JPG": "a%00b.JPG", "DCIM/100APPLE/IMG_0008.JPG": "👩‍👩‍👧 عيد ميلاد.JPG",
		"DCIM/100APPLE/IMG_0009.JPG": "..%2F..%2Fup.JPG", "DCIM/100APPLE/IMG_0010.JPG": "photo.JPG", "DCIM/100APPLE/IMG_0011.JPG": "IMG_0011.JPG",
		"DCIM/100APPLE/IMG_0013.DNG": "IMG_0013.DNG", "DCIM/100APPLE/IMG_0014.DNG": "IMG_0014 (2).DNG", "DCIM/100APPLE/IMG_0016.JPG": "%FF.JPG", "DCIM/100APPLE/IMG_0017.JPG": "version 1.2.JPG",
		"DCIM/100APPLE/IMG_0007.JPG": strings.Repeat("ü", 100) + ".JPG", "PhotoData/Mutations/DCIM/100APPLE/IMG_0007/Adjustments/FullSizeRender.jpg": strings.Repeat("ü", 100) + " (edited).jpg",
		"PhotoData/Mutations/DCIM/100APPLE/IMG_0004/Adjustments/1B0C.JPG": "CON (edited).JPG", "DCIM/100APPLE/IMG_0004.AAE": "%43ON.AAE",
	} {
		if got := content[origin]; got != want {
			t.Errorf("%s is called %q, want %q", origin, got, want)
		}
	}
	if len(content) != len(files) {
		t.Errorf("%d files of %d", len(content), len(files))
	}
	var index []struct{ Name string }
	data, err := os.ReadFile(filepath.Join(dir, "Photos/photos.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &index); err != nil || index[6].Name != long {
		t.Errorf("the index has lost a long name: %v", err)
	}
}

// What is added later never moves what is there, and stays together.
func TestExport_later(t *testing.T) {
	const folder = "'DCIM/100APPLE'"
	late := asset(2, folder, "'IMG_0001.HEIC'", "'IMG_0001.HEIC'", 2, 6e8)
	early := asset(1, "'DCIM/101APPLE'", "'IMG_0001.HEIC'", "'IMG_0001.HEIC'", 2, 6e8-1)
	files := []string{"DCIM/100APPLE/IMG_0001.HEIC", "DCIM/100APPLE/IMG_0001.MOV", "DCIM/101APPLE/IMG_0001.HEIC", "DCIM/101APPLE/IMG_0001.MOV"}
	dir := t.TempDir()
	exportTo(t, dir, extracttest.Source(t, camera(made(t, library1(late)...), files[:2]...)), extract.ExportOptions{})
	exportTo(t, dir, extracttest.Source(t, camera(made(t, library1(early, late)...), files...)), extract.ExportOptions{})
	for name, want := range map[string]string{"IMG_0001.HEIC": files[0], "IMG_0001.MOV": files[1], "IMG_0001 (2).HEIC": files[2], "IMG_0001 (2).MOV": files[3]} {
		if got, err := os.ReadFile(filepath.Join(dir, "Photos/2020/2020-01", name)); err != nil || string(got) != want {
			t.Errorf("%s holds %s, want %s: %v", name, got, want, err)
		}
	}
	if n := len(listing(t, dir)); n != 7 { // and two sidecars and the index
		t.Errorf("%d files:\n%s", n, strings.Join(listing(t, dir), "\n"))
	}
}

// Without the library the files are listed, and it is said why they are all there is.
func TestRead_noLibrary(t *testing.T) {
	files := []string{"DCIM/100APPLE/IMG_0001.HEIC", "DCIM/100APPLE/IMG_0001.MOV", "DCIM/100APPLE/IMG_0001.AAE", "DCIM/101APPLE/IMG_0001.JPG", "DCIM/101APPLE/notes.txt",
		"PhotoData/CPLAssets/group7/ABC.PNG", "DCIM/.MISC/x.JPG", "PhotoData/Mutations/DCIM/101APPLE/IMG_0001/Adjustments/FullSizeRender.jpg"}
	for what, library := range map[string][]byte{"missing": nil, "damaged": []byte("this is no database at all, and never was one")} {
		src := extracttest.Source(t, camera(library, files...))
		c := extracttest.Read(t, New(), src, extract.Query{})
		if len(c.Records) != 4 || len(c.Problems) != 1 {
			t.Fatalf("%s: %d records, %v", what, len(c.Records), c.Problems)
		}
		if p := c.Records[0].(*Photo); p.table != tablePhotos || p.Subtype != LivePhoto || p.Live == "" || len(p.Sidecars) != 1 || p.Key != "file/DCIM/100APPLE/IMG_0001.HEIC" {
			t.Errorf("%s: %+v", what, p)
		}
		if p := c.Records[1].(*Photo); !p.Edited || p.File == "" || p.Modified.IsZero() {
			t.Errorf("%s: %+v", what, p)
		}
		if what == "missing" {
			extracttest.Conform(t, New(), src)
		}
	}
	if _, err := New().Groups(t.Context(), extracttest.Source(t, camera([]byte("no database"), files...))); !errors.Is(err, sqlitefs.ErrDamaged) {
		t.Errorf("groups of a damaged library: %v", err)
	}
}

// A page of the library is gone: the photos around it are read, and the files of the
// others are still listed.
func TestRead_brokenPage(t *testing.T) {
	var rows [][]string
	var files []string
	const n = 2000
	for i := 1; i <= n; i++ {
		name := fmt.Sprintf("IMG_%04d.JPG", i)
		rows = append(rows, asset(i, "'DCIM/100APPLE'", quote(name), quote(name), 0, 5e8+i))
		files = append(files, "DCIM/100APPLE/"+name)
	}
	whole := made(t, append([]string{"PRAGMA page_size=1024"}, library1(rows...)...)...)
	inAssets := bytes.Index(whole, []byte("APPLEIMG_1000.JPG"))
	beside := bytes.Index(bytes.Replace(whole, []byte("APPLEIMG_1000.JPG"), make([]byte, 17), 1), []byte("IMG_1000.JPG"))
	for what, at := range map[string]int{"of assets": inAssets, "beside them": beside} {
		data := bytes.Clone(whole)
		at = at / 1024 * 1024
		clear(data[at : at+1024])
		c := extracttest.Read(t, New(), extracttest.Source(t, camera(data, files...)), extract.Query{})
		counts, seen := map[string]int{}, map[string]bool{}
		for _, r := range c.Records {
			p := r.(*Photo)
			counts[p.table]++
			if p.File == "" || seen[p.File] {
				t.Errorf("%s: %s is there twice", what, p.File)
			}
			seen[p.File] = true
		}
		if len(seen) != n || len(c.Problems) == 0 || len(c.Problems) > 5 || (counts[tableFiles] > 0) != (what == "of assets") || counts[tableFiles] > 100 {
			t.Errorf("%s: %v, problems %v", what, counts, c.Problems)
		}
		for _, p := range c.Problems {
			if !errors.Is(p, sqlitefs.ErrDamaged) {
				t.Error(p)
			}
		}
	}
}

// A file that cannot be read is reported and the rest exported; a disk that is full
// ends it.
func TestExport_errors(t *testing.T) {
	rows := [][]string{asset(1, "'DCIM/100APPLE'", "'IMG_0001.JPG'", "'IMG_0001.JPG'", 0, 6e8), asset(2, "'DCIM/100APPLE'", "'IMG_0002.JPG'", "'IMG_0002.JPG'", 0, 6e8)}
	fsys := camera(made(t, library1(rows...)...), "DCIM/100APPLE/IMG_0001.JPG", "DCIM/100APPLE/IMG_0002.JPG")
	broken := extracttest.Source(t, unreadable{fsys, media + "/DCIM/100APPLE/IMG_0001.JPG"})
	dir := t.TempDir()
	if stats, problems := exportTo(t, dir, broken, extract.ExportOptions{}); len(problems) != 1 || stats.Written != 3 {
		t.Errorf("%+v, %v", stats, problems)
	}
	out, err := outtree.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if err := New().Export(t.Context(), extracttest.Source(t, fsys), extract.ExportOptions{Layout: "size"}, out, nil); err == nil || !strings.Contains(err.Error(), "album") {
		t.Errorf("unknown layout: %v", err)
	}
	at := t.TempDir()
	full, err := outtree.Open(at)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	if err := os.WriteFile(filepath.Join(at, "Photos"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var host *outtree.HostError
	if err := New().Export(t.Context(), extracttest.Source(t, fsys), extract.ExportOptions{}, full, nil); !errors.As(err, &host) {
		t.Errorf("a disk that takes nothing: %v", err)
	}
}

type unreadable struct {
	fs.FS
	name string
}

func (u unreadable) Open(name string) (fs.File, error) {
	if name == u.name {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errors.New("missing blob")}
	}
	return u.FS.Open(name)
}
