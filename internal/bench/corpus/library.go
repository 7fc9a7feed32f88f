package corpus

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Folders and files of a phone, as packages extract/photos, messages and contacts know
// them.
const (
	mediaDir    = "CameraRollDomain/Media"
	photosDB    = mediaDir + "/PhotoData/Photos.sqlite"
	messagesDB  = "HomeDomain/Library/SMS/sms.db"
	addressesDB = "HomeDomain/Library/AddressBook/AddressBook.sqlitedb"
)

// Library makes a photo library of n pictures and films below fsDir, which has a folder
// for each domain; a library that is there gives way. The rows are about as wide as a
// phone's. One in ten is a film, one in ten in one of 200 albums, three in a hundred are
// edited, and of one picture in seven the file is not on the phone. Files hold their name.
func Library(ctx context.Context, fsDir string, n int) error {
	if err := library(ctx, fsDir, n); err != nil {
		return fmt.Errorf("make photo library: %w", err)
	}
	return nil
}

func library(ctx context.Context, fsDir string, n int) (err error) {
	at := filepath.Join(fsDir, filepath.FromSlash(photosDB))
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return err
	}
	for _, ending := range []string{"", "-wal", "-shm"} {
		if err := os.RemoveAll(at + ending); err != nil {
			return err
		}
	}
	db, err := openDatabase(ctx, at)
	if err != nil {
		return err
	}
	for _, s := range libraryRows(n) {
		if err := db.exec(s); err != nil {
			return errors.Join(err, db.close())
		}
	}
	if err := errors.Join(db.exec("PRAGMA wal_checkpoint(TRUNCATE)"), db.close()); err != nil {
		return err
	}
	return libraryFiles(ctx, filepath.Join(fsDir, filepath.FromSlash(mediaDir)), n)
}

func libraryRows(n int) []string {
	others := make([]string, 80)
	for i := range others {
		others[i] = fmt.Sprintf("ZOTHER%d INTEGER", i)
	}
	count := func(last int) string {
		return fmt.Sprintf("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < %d) ", last)
	}
	return []string{
		`CREATE TABLE ZASSET (Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, Z_OPT INTEGER, ` + strings.Join(others, ", ") + `, ZKIND INTEGER, ZKINDSUBTYPE INTEGER, ZPLAYBACKSTYLE INTEGER, ZWIDTH INTEGER,
			ZHEIGHT INTEGER, ZFAVORITE INTEGER, ZHIDDEN INTEGER, ZTRASHEDSTATE INTEGER, ZADJUSTMENTSSTATE INTEGER, ZADDITIONALATTRIBUTES INTEGER, ZEXTENDEDATTRIBUTES INTEGER,
			ZDATECREATED TIMESTAMP, ZADDEDDATE TIMESTAMP, ZMODIFICATIONDATE TIMESTAMP, ZLATITUDE FLOAT, ZLONGITUDE FLOAT, ZUUID VARCHAR, ZDIRECTORY VARCHAR, ZFILENAME VARCHAR,
			ZUNIFORMTYPEIDENTIFIER VARCHAR, ZAVALANCHEUUID VARCHAR, ZLOCATIONDATA BLOB)`,
		count(n) + `INSERT INTO ZASSET (Z_PK, Z_ENT, Z_OPT, ZKIND, ZKINDSUBTYPE, ZPLAYBACKSTYLE, ZWIDTH, ZHEIGHT, ZFAVORITE, ZHIDDEN, ZTRASHEDSTATE, ZADJUSTMENTSSTATE, ZADDITIONALATTRIBUTES,
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
		count(200) + `INSERT INTO ZGENERICALBUM SELECT i, 2, NULL, i, 0, 'ALBUM-' || i, 'Album ' || i FROM n`,
		`CREATE TABLE Z_30ASSETS (Z_30ALBUMS INTEGER, Z_3ASSETS INTEGER, Z_FOK_3ASSETS INTEGER, PRIMARY KEY (Z_30ALBUMS, Z_3ASSETS))`,
		`INSERT INTO Z_30ASSETS SELECT 1 + Z_PK % 200, Z_PK, Z_PK FROM ZASSET WHERE Z_PK % 10 = 3`,
		`CREATE TABLE ZDETECTEDFACE (Z_PK INTEGER PRIMARY KEY, ZASSETFORFACE INTEGER, ZPERSONFORFACE INTEGER, ZHIDDEN INTEGER)`,
		`INSERT INTO ZDETECTEDFACE (ZASSETFORFACE, ZPERSONFORFACE) SELECT Z_PK, 1 + Z_PK % 50 FROM ZASSET WHERE Z_PK % 3 = 0`,
		`CREATE TABLE ZPERSON (Z_PK INTEGER PRIMARY KEY, ZFULLNAME VARCHAR, ZDISPLAYNAME VARCHAR)`,
		count(50) + `INSERT INTO ZPERSON SELECT i, 'Person ' || i, 'P' || i FROM n`,
	}
}

func libraryFiles(ctx context.Context, media string, n int) error {
	write := func(name string) error {
		at := filepath.Join(media, filepath.FromSlash(name))
		err := os.WriteFile(at, []byte(name), 0o644)
		if os.IsNotExist(err) {
			if err = os.MkdirAll(filepath.Dir(at), 0o755); err == nil {
				err = os.WriteFile(at, []byte(name), 0o644)
			}
		}
		return err
	}
	for i := 1; i <= n; i++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		folder, name := fmt.Sprintf("DCIM/%dAPPLE/", 100+i/1000), fmt.Sprintf("IMG_%04d", i%10000)
		var err error
		switch {
		case i%10 == 0:
			err = write(folder + name + ".MOV")
		case i%7 > 0: // the others are in iCloud
			err = write(folder + name + ".HEIC")
		}
		if err == nil && i%33 == 0 && i%10 > 0 {
			err = write("PhotoData/Mutations/" + folder + name + "/Adjustments/FullSizeRender.jpg")
		}
		if err != nil {
			return err
		}
	}
	return nil
}
