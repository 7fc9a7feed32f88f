package contents

import (
	"fmt"

	"github.com/keepsake-backup/keepsake/virtualphone/internal/contents/picture"
)

// traits are the codes of a kind in ZASSET.
type traits struct {
	kind, subtype, playback int
	uti                     string
	importedBy              int
	seconds                 float64
}

var assetTraits = map[assetKind]traits{
	stillHEIC:       {0, 0, 1, "public.heic", 1, 0},
	stillJPEG:       {0, 0, 1, "public.jpeg", 1, 0},
	livePhoto:       {0, 2, 3, "public.heic", 1, 0},
	screenshot:      {0, 10, 1, "public.png", 8, 0},
	film:            {1, 100, 4, "com.apple.quicktime-movie", 1, 2},
	slowMotion:      {1, 101, 4, "com.apple.quicktime-movie", 1, 2},
	screenRecording: {1, 103, 4, "public.mpeg-4", 8, 2},
	panorama:        {0, 1, 1, "public.jpeg", 1, 0},
	timeLapse:       {1, 102, 4, "com.apple.quicktime-movie", 1, 2},
	animation:       {0, 0, 2, "com.compuserve.gif", 3, 0},
}

// addAsset writes the rows of one asset.
func (db *database) addAsset(m photoModel, a *asset) {
	lat, long, zone, offset := noPlace, noPlace, "Europe/Berlin", 3600
	if a.place >= 0 {
		f := a.facts()
		lat, long, zone, offset = f.Latitude, f.Longitude, places[a.place].zone, places[a.place].offset
	}
	db.addAssetRow(m, a, lat, long)
	local := a.facts().Taken.Format("2006:01:02 15:04:05")
	row := cols{"Z_PK", a.pk, "Z_ENT", 1, "Z_OPT", 2, "ZASSET", a.pk, "ZORIGINALFILENAME", a.originalName(), "ZORIGINALFILESIZE", a.length(), "ZORIGINALWIDTH", a.width,
		"ZORIGINALHEIGHT", a.height, "ZORIGINALORIENTATION", 1, "ZTIMEZONENAME", zone, "ZTIMEZONEOFFSET", offset, "ZEXIFTIMESTAMPSTRING", local, "ZIMPORTEDBY", assetTraits[a.kind].importedBy,
		"ZGPSHORIZONTALACCURACY", 8.5, "ZALLOWEDFORANALYSIS", 1}
	if m.since(14) {
		row = append(row, "ZIMPORTEDBYBUNDLEIDENTIFIER", "com.apple.camera")
	}
	if a.caption != "" {
		row = append(row, "ZTITLE", "Harbour", "ZASSETDESCRIPTION", a.pk)
		db.insert("ZASSETDESCRIPTION", cols{"Z_PK", a.pk, "Z_ENT", m.entity("AssetDescription"), "Z_OPT", 1, "ZASSETATTRIBUTES", a.pk, "ZLONGDESCRIPTION", a.caption})
	}
	if a.edited {
		row = append(row, "ZUNMANAGEDADJUSTMENT", a.pk, "ZEDITORBUNDLEID", "com.apple.camera")
		db.insert("ZUNMANAGEDADJUSTMENT", cols{"Z_PK", a.pk, "Z_ENT", m.entity("UnmanagedAdjustment"), "Z_OPT", 1, "ZASSETATTRIBUTES", a.pk, "ZADJUSTMENTTIMESTAMP", cocoa(a.modified),
			"ZADJUSTMENTFORMATIDENTIFIER", "com.apple.photo", "ZADJUSTMENTFORMATVERSION", "1.5", "ZUUID", a.uuid})
	}
	db.insert("ZADDITIONALASSETATTRIBUTES", row)
	if m.since(13) {
		db.insert("ZEXTENDEDATTRIBUTES", cols{"Z_PK", a.pk, "Z_ENT", m.entity("ExtendedAttributes"), "Z_OPT", 1, "ZASSET", a.pk, "ZCAMERAMAKE", picture.Maker, "ZCAMERAMODEL", a.camera,
			"ZLENSMODEL", "main lens 5.7mm f/1.8", "ZISO", a.iso, "ZAPERTURE", 1.8, "ZSHUTTERSPEED", 1.0 / 120, "ZFOCALLENGTH", 5.7, "ZLATITUDE", lat, "ZLONGITUDE", long})
	}
	if a.keyword != "" && m.keyword > 0 {
		db.insert("Z_1KEYWORDS", cols{"Z_1ASSETATTRIBUTES", a.pk, fmt.Sprintf("Z_%dKEYWORDS", m.keyword), 1})
	}
	for i := range albumTitles {
		if a.album != i+1 && !a.everyAlbum {
			continue
		}
		db.insert(m.albumAssets(), cols{fmt.Sprintf("Z_%dALBUMS", m.album), firstAlbumPK + i, fmt.Sprintf("Z_%dASSETS", m.asset), a.pk,
			fmt.Sprintf("Z_FOK_%dASSETS", m.asset), a.pk * 1024})
	}
	if m.since(12) {
		db.addResources(m, a)
	}
}

// originalName is the camera's name, even where iCloud Photos gave another.
func (a *asset) originalName() string {
	if a.imported != "" {
		return a.imported
	}
	return a.cameraName()
}

// cameraName is the name that the phone gives.
func (a *asset) cameraName() string {
	return fmt.Sprintf("IMG_%04d%s", a.number%10000, extensions[a.kind])
}

func (a *asset) length() int64 { return max(a.large, int64(a.size)) }

func (db *database) addAssetRow(m photoModel, a *asset, lat, long float64) {
	k := assetTraits[a.kind]
	adjusted := 0
	if a.edited {
		adjusted = map[string]int{"ZADJUSTMENTSSTATE": 2}[m.adjustment]
		adjusted = max(adjusted, 1)
		if adjusted == 2 && a.kind == livePhoto {
			adjusted = 3
		}
	}
	row := cols{"Z_PK", a.pk, "Z_ENT", m.asset, "Z_OPT", 3, "ZUUID", a.uuid, "ZDIRECTORY", a.folder, "ZFILENAME", a.name, "ZKIND", k.kind, "ZKINDSUBTYPE", k.subtype,
		"ZPLAYBACKSTYLE", k.playback, "ZUNIFORMTYPEIDENTIFIER", k.uti, "ZWIDTH", a.width, "ZHEIGHT", a.height, "ZORIENTATION", 1, "ZDURATION", k.seconds,
		"ZDATECREATED", cocoa(a.taken), "ZADDEDDATE", cocoa(a.added), "ZMODIFICATIONDATE", cocoa(a.modified), "ZSORTTOKEN", cocoa(a.taken), "ZLATITUDE", lat, "ZLONGITUDE", long,
		"ZFAVORITE", a.favourite, "ZHIDDEN", a.hidden, "ZTRASHEDSTATE", a.trashed, m.adjustment, adjusted, "ZDEPTHTYPE", a.portrait, "ZCOMPLETE", 1,
		"ZSAVEDASSETTYPE", 3, "ZCLOUDLOCALSTATE", 0, "ZADDITIONALATTRIBUTES", a.pk, "ZVISIBILITYSTATE", 0, "ZAVALANCHEPICKTYPE", a.burstPick, "ZMOMENT", db.moment(m, a, lat, long)}
	if a.trashed {
		row = append(row, "ZTRASHEDDATE", cocoa(a.modified)+86400)
	}
	if a.burst != "" {
		row = append(row, "ZAVALANCHEUUID", a.burst)
		if a.burstPick == 2 {
			row[indexOf(row, "ZVISIBILITYSTATE")+1] = 2
		}
	}
	if a.kind == livePhoto {
		row = append(row, "ZMEDIAGROUPUUID", a.uuid)
	}
	if a.inCloud() {
		row[indexOf(row, "ZSAVEDASSETTYPE")+1], row[indexOf(row, "ZCLOUDLOCALSTATE")+1] = 6, 1
		row = append(row, "ZMASTER", a.pk)
		db.insert("ZCLOUDMASTER", cols{"Z_PK", a.pk, "Z_ENT", m.entity("CloudMaster"), "Z_OPT", 1, "ZCREATIONDATE", cocoa(a.taken), "ZORIGINALFILENAME", a.originalName(),
			"ZUNIFORMTYPEIDENTIFIER", k.uti, "ZCLOUDMASTERGUID", a.uuid})
	}
	if m.since(13) {
		row = append(row, "ZEXTENDEDATTRIBUTES", a.pk)
	}
	if m.since(18) {
		row = append(row, "ZISDETECTEDSCREENSHOT", a.kind == screenshot)
	}
	db.insert(m.assets, row)
}

// inCloud tells whether iCloud Photos knows the asset.
func (a *asset) inCloud() bool { return a.cloudOnly || len(a.folder) > 4 && a.folder[:4] != "DCIM" }

func indexOf(row cols, name string) int {
	for i := 0; i < len(row); i += 2 {
		if row[i] == name {
			return i
		}
	}
	return -1
}

// moment gives the moment of an asset's day.
func (db *database) moment(m photoModel, a *asset, lat, long float64) int64 {
	day := a.taken.Unix() / 86400
	if db.number("SELECT COUNT(*) FROM ZMOMENT WHERE Z_PK = ?", day) == 0 {
		at := float64(day*86400 - cocoaEpoch)
		db.insert("ZMOMENT", cols{"Z_PK", day, "Z_ENT", m.entity("Moment"), "Z_OPT", 1, "ZSTARTDATE", at, "ZENDDATE", at + 86399, "ZREPRESENTATIVEDATE", cocoa(a.taken),
			"ZAPPROXIMATELATITUDE", lat, "ZAPPROXIMATELONGITUDE", long, "ZCACHEDCOUNT", 1, "ZUUID", fmt.Sprintf("%08X-0000-4000-8000-%012X", day, a.pk)})
	}
	return day
}

// addResources writes what files an asset consists of.
func (db *database) addResources(m photoModel, a *asset) {
	row := func(kind, subtype int, length int64) {
		here, fingerprint := availableHere, any(nil)
		if subtype == 1 && a.cloudOnly {
			here = availableRemotely
		}
		if a.inCloud() {
			fingerprint = "A" + a.uuid[:8] + fmt.Sprint(subtype)
		}
		db.insert("ZINTERNALRESOURCE", cols{"Z_ENT", m.entity("InternalResource"), "Z_OPT", 1, "ZASSET", a.pk, "ZRESOURCETYPE", kind, "ZDATASTORESUBTYPE", subtype, "ZDATASTORECLASSID", 0,
			"ZLOCALAVAILABILITY", here, "ZLOCALAVAILABILITYTARGET", 0, "ZREMOTEAVAILABILITY", a.inCloud(), "ZDATALENGTH", length, "ZTRASHEDSTATE", a.trashed, "ZFINGERPRINT", fingerprint,
			"ZCOMPACTUTI", assetTraits[a.kind].uti, "ZUNORIENTEDWIDTH", a.width, "ZUNORIENTEDHEIGHT", a.height, "ZVERSION", 0})
	}
	row(assetTraits[a.kind].kind, 1, a.length())
	if a.kind == livePhoto {
		row(3, 18, int64(a.liveSize))
	}
	if a.edited {
		row(0, 2, int64(a.size/2))
		row(5, 5, 300)
	}
	if a.aae {
		row(5, 22, 300)
	}
}
