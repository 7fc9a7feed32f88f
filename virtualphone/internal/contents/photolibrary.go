package contents

import (
	"fmt"
	"time"

	"github.com/keepsake-backup/keepsake/virtualphone/internal/contents/picture"
)

const photosDB = "Media/PhotoData/Photos.sqlite"

// Kinds of albums (content-schemas.md 2.2).
const (
	albumUser         = 2
	albumImport       = 1506
	albumDuplicates   = 1510
	albumProjectRoot  = 3998
	albumRootFolder   = 3999
	albumFolder       = 4000
	rootFolderPK      = 1
	travelFolderPK    = 3
	firstAlbumPK      = 4 // Z_PK of albumTitles[0]
	noPlace           = -180.0
	availableHere     = 1
	availableRemotely = -1
)

// albumTitles are the albums that assets are in; the first lies in a folder.
var albumTitles = []string{"Lisboa & back 🚋", "Family"}

// photos writes the photo library: pictures, database and what lies around it.
func (t *tree) photos(p plan, r release) []*asset {
	assets := t.planAssets(p)
	for _, a := range assets {
		t.writeAsset(a)
	}
	t.photoLibrary(r, assets)
	t.stray()
	if r.atLeast(15, 0) {
		t.sharedWithYou(r)
	}
	for _, name := range []string{"3307", "3324", "4531"} {
		t.noise(roll, "Media/PhotoData/Thumbnails/"+name+".ithmb", 64*len(assets))
	}
	t.plist(roll, "Media/PhotoData/Thumbnails/thumbnailConfiguration", map[string]any{"PLThumbnailManagerFormatVersion": 1})
	for _, title := range albumTitles {
		id := t.chance("album", title).uuid()
		t.plist(roll, "Media/PhotoData/AlbumsMetadata/"+id+".albummetadata", map[string]any{"title": title, "uuid": id, "kind": albumUser})
	}
	t.plist(roll, "Media/PhotoData/CPL/storage/clientLibraryVersion.plist", map[string]any{"version": 1})
	t.noise(roll, "Media/PhotoData/Caches/GraphService/cache.bin", 4000) // never backed up
	t.noise(roll, "Media/PhotoData/changes-wal.tmp", 300)                // never backed up
	t.noise(roll, "Media/PhotoData/PhotoCloudSharingData/shared.JPG", 2000)
	return assets
}

// sharedWithYou is the library of what came in messages (content-schemas.md 2): one
// picture that is there, and one that is not.
func (t *tree) sharedWithYou(r release) {
	const at = "Library/Photos/Libraries/Syndication.photoslibrary/"
	m := photoModelOf(r)
	t.database("HomeDomain", at+"database/Photos.sqlite", func(db *database) {
		db.photoStore(t, m)
		for i := range 2 {
			c := t.chance("shared with you", fmt.Sprint(i))
			a := t.newAsset(c, i+1, stillJPEG, t.now.Add(-time.Duration(9-i)*24*time.Hour), 6000)
			a.favourite, a.album, a.cloudOnly = false, 0, i == 1
			a.folder, a.name = a.uuid[:1], a.uuid+".jpeg"
			a.imported = fmt.Sprintf("IMG_%04d.jpeg", 7001+i)
			if !a.cloudOnly {
				data := t.original(a, c)
				a.size = len(data)
				t.fileAt("HomeDomain", at+"originals/"+a.folder+"/"+a.name, data, a.added)
			}
			db.addAsset(m, a)
			db.exec("UPDATE "+m.assets+" SET ZSAVEDASSETTYPE = 12 WHERE Z_PK = ?", a.pk)
		}
		db.countPhotos(m)
	})
}

// photoLibrary writes Photos.sqlite; the last tenth of the assets, at most ten,
// is only in its -wal. Without assets it is that of a new phone.
func (t *tree) photoLibrary(r release, assets []*asset) {
	m := photoModelOf(r)
	empty := func(db *database) { db.photoStore(t, m) }
	if len(assets) == 0 {
		t.database(roll, photosDB, empty)
		return
	}
	recent := len(assets) - max(1, min(10, len(assets)/10))
	t.liveDatabase(roll, photosDB, func(db *database) {
		empty(db)
		db.photoAlbums(t, m)
		for _, a := range assets[:recent] {
			db.addAsset(m, a)
		}
	}, func(db *database) {
		for _, a := range assets[recent:] {
			db.addAsset(m, a)
		}
		db.countPhotos(m)
	})
}

// photoStore makes the tables and the folders that every library has.
func (db *database) photoStore(t *tree, m photoModel) {
	c := t.chance("photo store")
	db.coreData(c.uuid(), map[string]any{"PLModelVersion": m.version}, m.entities())
	db.photoTables(m)
	folder := m.entity("Folder")
	db.insert("ZGENERICALBUM", cols{"Z_PK", rootFolderPK, "Z_ENT", folder, "Z_OPT", 1, "ZKIND", albumRootFolder, "ZTITLE", nil, "ZUUID", "LibraryFolder", "ZTRASHEDSTATE", 0})
	db.insert("ZGENERICALBUM", cols{"Z_PK", 2, "Z_ENT", folder, "Z_OPT", 1, "ZKIND", albumProjectRoot, "ZUUID", "ProjectAlbumRootFolder", "ZTRASHEDSTATE", 0})
	db.insert("ZALBUMLIST", cols{"Z_PK", 1, "Z_ENT", 2, "Z_OPT", 1, "ZIDENTIFIER", 1, "ZUUID", c.uuid()})
	db.insert(m.albumLists(), cols{fmt.Sprintf("Z_%dALBUMS", m.album-1), rootFolderPK, "Z_2ALBUMLISTS", 1, fmt.Sprintf("Z_FOK_%dALBUMS", m.album-1), 1024})
	db.countRows("ZGENERICALBUM", "GenericAlbum")
}

// photoAlbums makes a folder, the owner's albums and two of the system's.
func (db *database) photoAlbums(t *tree, m photoModel) {
	c := t.chance("albums")
	at := cocoa(t.now) - 400*86400
	row := func(pk, ent, kind, parent int, title any) {
		db.insert("ZGENERICALBUM", cols{"Z_PK", pk, "Z_ENT", ent, "Z_OPT", 2, "ZKIND", kind, "ZTITLE", title, "ZUUID", c.uuid(), "ZPARENTFOLDER", parent,
			"Z_FOK_PARENTFOLDER", pk * 1024, "ZTRASHEDSTATE", 0, "ZCREATIONDATE", at + float64(pk), "ZCUSTOMSORTKEY", pk % 2, "ZCACHEDCOUNT", 0})
	}
	row(travelFolderPK, m.entity("Folder"), albumFolder, rootFolderPK, "Travel")
	for i, title := range albumTitles {
		row(firstAlbumPK+i, m.album, albumUser, []int{travelFolderPK, rootFolderPK}[min(i, 1)], title)
	}
	row(firstAlbumPK+len(albumTitles), m.album, albumImport, rootFolderPK, nil)
	row(firstAlbumPK+len(albumTitles)+1, m.album, albumDuplicates, rootFolderPK, nil)
	for i, kind := range []int{3571, 3572, 3573} {
		db.insert("ZGENERICALBUM", cols{"Z_PK", 20 + i, "Z_ENT", m.album, "Z_OPT", 1, "ZKIND", kind, "ZTITLE", fmt.Sprintf("progress-%d", i), "ZTRASHEDSTATE", 0})
	}
	db.insert("ZKEYWORD", cols{"Z_PK", 1, "Z_ENT", max(m.keyword, 1), "Z_OPT", 1, "ZTITLE", "harbour", "ZUUID", c.uuid()})
	db.insert("ZPERSON", cols{"Z_PK", 1, "Z_ENT", m.entity("Person"), "Z_OPT", 1, "ZFACECOUNT", 1, "ZTYPE", 1, "ZVERIFIEDTYPE", 1, "ZDISPLAYNAME", "Mira", "ZFULLNAME", "Mira Lindqvist", "ZPERSONUUID", c.uuid()})
	db.insert("ZDETECTEDFACE", cols{"Z_PK", 1, "Z_ENT", m.entity("DetectedFace"), "Z_OPT", 1, "ZHIDDEN", 0, "ZMANUAL", 0, "ZCENTERX", 0.5, "ZCENTERY", 0.6, "ZSIZE", 0.2,
		"ZSOURCEWIDTH", picture.HEICWidth, "ZSOURCEHEIGHT", picture.HEICHeight, m.face, 1, m.facePer, 1, "ZUUID", c.uuid()})
	db.insert("ZMEMORY", cols{"Z_PK", 1, "Z_ENT", m.entity("Memory"), "Z_OPT", 1, "ZTITLE", "A year in Lübeck", "ZCREATIONDATE", at, "ZUUID", c.uuid()})
}

// countPhotos brings the counters up to date.
func (db *database) countPhotos(m photoModel) {
	db.countRows(m.assets, map[string]string{"ZASSET": "Asset", "ZGENERICASSET": "GenericAsset"}[m.assets])
	db.countRows("ZADDITIONALASSETATTRIBUTES", "AdditionalAssetAttributes")
	db.countRows("ZGENERICALBUM", "GenericAlbum")
	db.countRows("ZMOMENT", "Moment")
	if m.since(12) {
		db.countRows("ZINTERNALRESOURCE", "InternalResource")
	}
	if m.since(13) {
		db.countRows("ZEXTENDEDATTRIBUTES", "ExtendedAttributes")
	}
	db.exec(fmt.Sprintf("UPDATE ZGENERICALBUM SET ZCACHEDCOUNT = (SELECT COUNT(*) FROM %s WHERE Z_%dALBUMS = ZGENERICALBUM.Z_PK) WHERE ZKIND = %d", m.albumAssets(), m.album, albumUser))
}
