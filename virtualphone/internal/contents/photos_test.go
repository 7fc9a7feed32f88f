package contents

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// openLibrary opens Photos.sqlite of a phone as a backup takes it.
func openLibrary(t *testing.T, dir string) *sql.DB {
	t.Helper()
	at := filepath.Join(t.TempDir(), "Photos.sqlite")
	if err := os.WriteFile(at, snapshot(t, hostPath(dir, roll, photosDB)), 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func count(t *testing.T, db *sql.DB, query string) (n int) {
	t.Helper()
	if err := db.QueryRow(query).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

// checkLibrary sees that every asset has its file, but for those in iCloud, and
// the length that the library says.
func checkLibrary(t *testing.T, dir string) {
	t.Helper()
	db := openLibrary(t, dir)
	rows, err := db.Query(`SELECT ZDIRECTORY, ZFILENAME, ZORIGINALFILESIZE, (SELECT MIN(ZLOCALAVAILABILITY) FROM ZINTERNALRESOURCE r WHERE r.ZASSET = a.Z_PK)
		FROM ZASSET a JOIN ZADDITIONALASSETATTRIBUTES x ON x.Z_PK = a.ZADDITIONALATTRIBUTES`)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for rows.Next() {
		var folder, name string
		var size, here int64
		if err := rows.Scan(&folder, &name, &size, &here); err != nil {
			t.Fatal(err)
		}
		seen++
		info, err := os.Stat(hostPath(dir, roll, "Media/"+folder+"/"+name))
		switch {
		case here == availableRemotely:
			if !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s/%s is in iCloud only: %v", folder, name, err)
			}
		case err != nil:
			t.Error(err)
		case info.Size() != size:
			t.Errorf("%s/%s has %d bytes, the library says %d", folder, name, info.Size(), size)
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		t.Fatal(err)
	}
	if seen == 0 || seen != count(t, db, "SELECT COUNT(*) FROM ZASSET") {
		t.Errorf("%d assets have attributes", seen)
	}
}

func TestPhotos_everyCaseIsThere(t *testing.T) {
	dir := sharedPhone(t)
	checkLibrary(t, dir)
	db := openLibrary(t, dir)
	for name, query := range map[string]string{
		"favourite":      "SELECT COUNT(*) FROM ZASSET WHERE ZFAVORITE = 1",
		"hidden":         "SELECT COUNT(*) FROM ZASSET WHERE ZHIDDEN = 1",
		"trashed":        "SELECT COUNT(*) FROM ZASSET WHERE ZTRASHEDSTATE = 1 AND ZTRASHEDDATE IS NOT NULL",
		"live":           "SELECT COUNT(*) FROM ZASSET WHERE ZKINDSUBTYPE = 2 AND ZMEDIAGROUPUUID IS NOT NULL",
		"burst of three": "SELECT COUNT(*) = 3 FROM ZASSET WHERE ZAVALANCHEUUID IS NOT NULL GROUP BY ZAVALANCHEUUID",
		"portrait":       "SELECT COUNT(*) FROM ZASSET WHERE ZDEPTHTYPE = 1",
		"edited":         "SELECT COUNT(*) FROM ZASSET WHERE ZADJUSTMENTSSTATE = 2",
		"no place":       "SELECT COUNT(*) FROM ZASSET WHERE ZLATITUDE = -180 AND ZLONGITUDE = -180",
		"screenshot":     "SELECT COUNT(*) FROM ZASSET WHERE ZISDETECTEDSCREENSHOT = 1",
		"slow motion":    "SELECT COUNT(*) FROM ZASSET WHERE ZKINDSUBTYPE = 101",
		"in iCloud only": "SELECT COUNT(*) FROM ZINTERNALRESOURCE WHERE ZDATASTORESUBTYPE = 1 AND ZLOCALAVAILABILITY = -1 AND ZFINGERPRINT IS NOT NULL",
		"same names":     "SELECT COUNT(*) = 2 FROM ZASSET WHERE ZFILENAME = 'IMG_0004.JPG'",
		"caption":        "SELECT COUNT(*) FROM ZASSETDESCRIPTION WHERE ZLONGDESCRIPTION LIKE '%🌫️%'",
		"keyword":        "SELECT COUNT(*) FROM Z_1KEYWORDS JOIN ZKEYWORD ON Z_47KEYWORDS = ZKEYWORD.Z_PK",
		"album in a folder": `SELECT COUNT(*) FROM ZGENERICALBUM a JOIN ZGENERICALBUM f ON a.ZPARENTFOLDER = f.Z_PK AND f.ZKIND = 4000
			JOIN Z_30ASSETS j ON j.Z_30ALBUMS = a.Z_PK JOIN ZASSET p ON p.Z_PK = j.Z_3ASSETS WHERE a.ZKIND = 2`,
		"metadata": "SELECT COUNT(*) FROM Z_METADATA WHERE Z_PLIST IS NOT NULL",
		"greatest": "SELECT Z_MAX = (SELECT MAX(Z_PK) FROM ZASSET) FROM Z_PRIMARYKEY WHERE Z_NAME = 'Asset'",
	} {
		if count(t, db, query) < 1 {
			t.Errorf("no %s", name)
		}
	}
	for _, rel := range []string{"Media/DCIM/100APPLE/IMG_0003.MOV", "Media/DCIM/100APPLE/IMG_0011.AAE", "Media/PhotoData/Thumbnails/V2/DCIM/100APPLE/IMG_0001.HEIC/5005.JPG",
		"Media/PhotoData/Mutations/DCIM/100APPLE/IMG_0010/Adjustments/FullSizeRender.jpg", "Media/PhotoData/Mutations/DCIM/100APPLE/IMG_0010/Adjustments/Adjustments.plist"} {
		if _, err := os.Stat(hostPath(dir, roll, rel)); err != nil {
			t.Error(err)
		}
	}
}

// The tables of content-schemas.md 2.1.
func TestPhotoLibrary_versions(t *testing.T) {
	for _, test := range []struct {
		ios, assets, albums, assetCol, albumCol, lists, keywords, adjustment string
	}{
		{"11.4", "ZGENERICASSET", "Z_20ASSETS", "Z_27ASSETS", "Z_20ALBUMS", "Z_19ALBUMLISTS", "", "ZHASADJUSTMENTS"},
		{"12.5", "ZGENERICASSET", "Z_23ASSETS", "Z_30ASSETS", "Z_23ALBUMS", "Z_22ALBUMLISTS", "Z_34KEYWORDS", "ZHASADJUSTMENTS"},
		{"13.7", "ZGENERICASSET", "Z_26ASSETS", "Z_34ASSETS", "Z_26ALBUMS", "Z_25ALBUMLISTS", "Z_37KEYWORDS", "ZHASADJUSTMENTS"},
		{"14.8", "ZASSET", "Z_26ASSETS", "Z_3ASSETS", "Z_26ALBUMS", "Z_25ALBUMLISTS", "Z_36KEYWORDS", "ZHASADJUSTMENTS"},
		{"15.3.1", "ZASSET", "Z_27ASSETS", "Z_3ASSETS", "Z_27ALBUMS", "Z_26ALBUMLISTS", "Z_38KEYWORDS", "ZHASADJUSTMENTS"},
		{"16.1", "ZASSET", "Z_28ASSETS", "Z_3ASSETS", "Z_28ALBUMS", "Z_27ALBUMLISTS", "Z_40KEYWORDS", "ZHASADJUSTMENTS"},
		{"17.5.1", "ZASSET", "Z_28ASSETS", "Z_3ASSETS", "Z_28ALBUMS", "Z_27ALBUMLISTS", "Z_40KEYWORDS", "ZHASADJUSTMENTS"},
		{"17.6", "ZASSET", "Z_29ASSETS", "Z_3ASSETS", "Z_29ALBUMS", "Z_28ALBUMLISTS", "Z_41KEYWORDS", "ZHASADJUSTMENTS"},
		{"18.6", "ZASSET", "Z_30ASSETS", "Z_3ASSETS", "Z_30ALBUMS", "Z_29ALBUMLISTS", "Z_47KEYWORDS", "ZADJUSTMENTSSTATE"},
		{"26.0", "ZASSET", "Z_33ASSETS", "Z_3ASSETS", "Z_33ALBUMS", "Z_32ALBUMLISTS", "Z_52KEYWORDS", "ZADJUSTMENTSSTATE"},
	} {
		t.Run(test.ios, func(t *testing.T) {
			r, err := parseRelease(test.ios)
			if err != nil {
				t.Fatal(err)
			}
			w := newTree(t.Context(), t.TempDir(), 1, Options{}.state().Now)
			w.photoLibrary(r, w.planAssets(plans[Tiny]))
			if w.err != nil {
				t.Fatal(w.err)
			}
			db := openLibrary(t, w.dir)
			joined := fmt.Sprintf("SELECT COUNT(*) FROM %s JOIN %s a ON %s = a.Z_PK JOIN ZGENERICALBUM g ON g.Z_PK = %s", test.albums, test.assets, test.assetCol, test.albumCol)
			for _, query := range []string{joined, "SELECT COUNT(*) FROM " + test.lists, fmt.Sprintf("SELECT COUNT(*) FROM %s WHERE %s > 0", test.assets, test.adjustment)} {
				if count(t, db, query) == 0 {
					t.Errorf("nothing in %s", query)
				}
			}
			if test.keywords != "" && count(t, db, "SELECT COUNT("+test.keywords+") FROM Z_1KEYWORDS") == 0 {
				t.Error("no keyword")
			}
			if n := count(t, db, "SELECT COUNT(*) - COUNT(DISTINCT Z_NAME) FROM Z_PRIMARYKEY"); n != 0 {
				t.Errorf("%d entity names repeat", n)
			}
		})
	}
}
