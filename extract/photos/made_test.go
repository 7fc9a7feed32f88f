package photos

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// made makes a database of statements, with real SQLite.
func made(t testing.TB, statements ...string) []byte {
	t.Helper()
	at := filepath.Join(t.TempDir(), "made.sqlite")
	db, err := sql.Open("sqlite", at)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	run := func(s string) {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%.200s: %v", s, err)
		}
	}
	for len(statements) > 0 && strings.HasPrefix(statements[0], "PRAGMA") {
		run(statements[0])
		statements = statements[1:]
	}
	run("BEGIN") // thousands of rows of their own would take seconds
	for _, s := range statements {
		run(s)
	}
	run("COMMIT")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(at)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// camera is a source of a library and files with some content each.
func camera(library []byte, files ...string) fstest.MapFS {
	fsys := fstest.MapFS{}
	if library != nil {
		fsys[libraryDB] = &fstest.MapFile{Data: library, Mode: 0o600}
	}
	for i, name := range files {
		fsys[media+"/"+name] = &fstest.MapFile{Data: []byte(name), Mode: 0o600, ModTime: time.Unix(1_600_000_000+int64(i), 0)}
	}
	return fsys
}

// quote makes an SQL text.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

const many = 100_000

// manyRows are a library of 100,000 assets in rows about as wide as a phone's: three
// in a hundred edited, one in ten in an album.
func manyRows() []string {
	columns := make([]string, 80)
	for i := range columns {
		columns[i] = fmt.Sprintf("ZOTHER%d INTEGER", i)
	}
	return []string{
		"PRAGMA journal_mode=OFF; PRAGMA page_size=4096",
		`CREATE TABLE ZASSET (Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, Z_OPT INTEGER, ` + strings.Join(columns, ", ") + `, ZKIND INTEGER, ZKINDSUBTYPE INTEGER, ZPLAYBACKSTYLE INTEGER, ZWIDTH INTEGER,
			ZHEIGHT INTEGER, ZFAVORITE INTEGER, ZHIDDEN INTEGER, ZTRASHEDSTATE INTEGER, ZADJUSTMENTSSTATE INTEGER, ZADDITIONALATTRIBUTES INTEGER, ZEXTENDEDATTRIBUTES INTEGER,
			ZDATECREATED TIMESTAMP, ZADDEDDATE TIMESTAMP, ZMODIFICATIONDATE TIMESTAMP, ZLATITUDE FLOAT, ZLONGITUDE FLOAT, ZUUID VARCHAR, ZDIRECTORY VARCHAR, ZFILENAME VARCHAR,
			ZUNIFORMTYPEIDENTIFIER VARCHAR, ZAVALANCHEUUID VARCHAR, ZLOCATIONDATA BLOB)`,
		`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 100000)
			INSERT INTO ZASSET (Z_PK, Z_ENT, Z_OPT, ZKIND, ZKINDSUBTYPE, ZPLAYBACKSTYLE, ZWIDTH, ZHEIGHT, ZFAVORITE, ZHIDDEN, ZTRASHEDSTATE, ZADJUSTMENTSSTATE, ZADDITIONALATTRIBUTES,
				ZEXTENDEDATTRIBUTES, ZDATECREATED, ZADDEDDATE, ZMODIFICATIONDATE, ZLATITUDE, ZLONGITUDE, ZUUID, ZDIRECTORY, ZFILENAME, ZUNIFORMTYPEIDENTIFIER, ZLOCATIONDATA)
			SELECT i, 3, 1, i % 10 = 0, (i % 10 = 0) * 100, 1, 4032, 3024, i % 20 = 0, 0, 0, (i % 33 = 0) * 2, i, i, 400000000.5 + (i * 7919) % 100000 * 3600, 400000000, 400000000, 52.5, 13.4,
				printf('%08X-0000-4000-8000-%012X', i * 2654435761 % 4294967296, i), printf('DCIM/%dAPPLE', 100 + i / 1000), printf('IMG_%04d.%s', i % 10000, iif(i % 10, 'HEIC', 'MOV')),
				iif(i % 10, 'public.heic', 'com.apple.quicktime-movie'), randomblob(200) FROM n`,
		`CREATE TABLE ZADDITIONALASSETATTRIBUTES (Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, Z_OPT INTEGER, ZASSET INTEGER, ZASSETDESCRIPTION INTEGER, ZTIMEZONEOFFSET INTEGER, ZORIGINALFILESIZE INTEGER,
			ZORIGINALFILENAME VARCHAR, ZTIMEZONENAME VARCHAR, ZEXIFTIMESTAMPSTRING VARCHAR, ZTITLE VARCHAR, ZREVERSELOCATIONDATA BLOB)`,
		`INSERT INTO ZADDITIONALASSETATTRIBUTES SELECT Z_PK, 1, 1, Z_PK, NULL, 3600, 2500000, ZFILENAME, 'Europe/Berlin', '2020:01:01 00:00:00', NULL, randomblob(600) FROM ZASSET`,
		`CREATE TABLE ZEXTENDEDATTRIBUTES (Z_PK INTEGER PRIMARY KEY, ZASSET INTEGER, ZISO INTEGER, ZAPERTURE FLOAT, ZSHUTTERSPEED FLOAT, ZFOCALLENGTH FLOAT, ZCAMERAMAKE VARCHAR, ZCAMERAMODEL VARCHAR, ZLENSMODEL VARCHAR)`,
		`INSERT INTO ZEXTENDEDATTRIBUTES SELECT Z_PK, Z_PK, 100, 1.8, 0.01, 5.7, 'Lichtung', 'L1', 'main lens 5.7mm f/1.8' FROM ZASSET`,
		`CREATE TABLE ZGENERICALBUM (Z_PK INTEGER PRIMARY KEY, ZKIND INTEGER, ZPARENTFOLDER INTEGER, Z_FOK_PARENTFOLDER INTEGER, ZTRASHEDSTATE INTEGER, ZUUID VARCHAR, ZTITLE VARCHAR)`,
		`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 200) INSERT INTO ZGENERICALBUM SELECT i, 2, NULL, i, 0, 'ALBUM-' || i, 'Album ' || i FROM n`,
		`CREATE TABLE Z_30ASSETS (Z_30ALBUMS INTEGER, Z_3ASSETS INTEGER, Z_FOK_3ASSETS INTEGER, PRIMARY KEY (Z_30ALBUMS, Z_3ASSETS))`,
		`INSERT INTO Z_30ASSETS SELECT 1 + Z_PK % 200, Z_PK, Z_PK FROM ZASSET WHERE Z_PK % 10 = 3`,
		`CREATE TABLE ZDETECTEDFACE (Z_PK INTEGER PRIMARY KEY, ZASSETFORFACE INTEGER, ZPERSONFORFACE INTEGER, ZHIDDEN INTEGER)`,
		`INSERT INTO ZDETECTEDFACE (ZASSETFORFACE, ZPERSONFORFACE) SELECT Z_PK, 1 + Z_PK % 50 FROM ZASSET WHERE Z_PK % 3 = 0`,
		`CREATE TABLE ZPERSON (Z_PK INTEGER PRIMARY KEY, ZFULLNAME VARCHAR, ZDISPLAYNAME VARCHAR)`,
		`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 50) INSERT INTO ZPERSON SELECT i, 'Person ' || i, 'P' || i FROM n`,
	}
}

// manyPhotos makes the library and its files, which are empty, in a folder.
func manyPhotos(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	write := func(name string, data []byte) {
		at := filepath.Join(dir, filepath.FromSlash(name))
		err := os.WriteFile(at, data, 0o600)
		if os.IsNotExist(err) {
			if err = os.MkdirAll(filepath.Dir(at), 0o700); err == nil {
				err = os.WriteFile(at, data, 0o600)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	write(libraryDB, made(t, manyRows()...))
	for i := 1; i <= many; i++ {
		folder, name := fmt.Sprintf("DCIM/%dAPPLE/", 100+i/1000), fmt.Sprintf("IMG_%04d", i%10000)
		if i%10 == 0 {
			write(media+"/"+folder+name+".MOV", nil)
			continue
		}
		if i%7 > 0 { // the others are in iCloud
			write(media+"/"+folder+name+".HEIC", nil)
		}
		if i%33 == 0 {
			write(mutations+"/"+folder+name+"/Adjustments/FullSizeRender.jpg", nil)
		}
	}
	return dir
}
