package contents

import (
	"fmt"
	"slices"
	"strings"
)

// photoModel is what differs between the versions of Photos.sqlite
// (content-schemas.md 2.1).
type photoModel struct {
	from          release
	assets        string // table
	asset         int    // entity of assets
	album         int    // entity of albums; their folders have one less
	keyword       int
	adjustment    string // column
	face, facePer string // foreign keys of ZDETECTEDFACE
	version       int    // PLModelVersion
}

var photoModels = []photoModel{
	{release{26, 0}, "ZASSET", 3, 33, 52, "ZADJUSTMENTSSTATE", "ZASSETFORFACE", "ZPERSONFORFACE", 26200},
	{release{18, 0}, "ZASSET", 3, 30, 47, "ZADJUSTMENTSSTATE", "ZASSETFORFACE", "ZPERSONFORFACE", 18200},
	{release{17, 6}, "ZASSET", 3, 29, 41, "ZHASADJUSTMENTS", "ZASSETFORFACE", "ZPERSONFORFACE", 17600},
	{release{17, 0}, "ZASSET", 3, 28, 40, "ZHASADJUSTMENTS", "ZASSETFORFACE", "ZPERSONFORFACE", 17200},
	{release{16, 0}, "ZASSET", 3, 28, 40, "ZHASADJUSTMENTS", "ZASSET", "ZPERSON", 16320},
	{release{15, 0}, "ZASSET", 3, 27, 38, "ZHASADJUSTMENTS", "ZASSET", "ZPERSON", 15331},
	{release{14, 0}, "ZASSET", 3, 26, 36, "ZHASADJUSTMENTS", "ZASSET", "ZPERSON", 14300},
	{release{13, 0}, "ZGENERICASSET", 34, 26, 37, "ZHASADJUSTMENTS", "ZASSET", "ZPERSON", 13400},
	{release{12, 0}, "ZGENERICASSET", 30, 23, 34, "ZHASADJUSTMENTS", "ZASSET", "ZPERSON", 12310},
	{release{11, 0}, "ZGENERICASSET", 27, 20, 0, "ZHASADJUSTMENTS", "ZASSET", "ZPERSON", 11400},
}

func photoModelOf(r release) photoModel {
	for _, m := range photoModels {
		if r.atLeast(m.from.major, m.from.minor) {
			return m
		}
	}
	return photoModels[len(photoModels)-1]
}

func (m photoModel) since(major int) bool { return m.from.major >= major }

// albumAssets and the like name the join tables, which carry entity numbers.
func (m photoModel) albumAssets() string { return fmt.Sprintf("Z_%dASSETS", m.album) }
func (m photoModel) albumLists() string  { return fmt.Sprintf("Z_%dALBUMLISTS", m.album-1) }

// entities gives every entity a number: those that the tables' names fix theirs,
// the others what is left, in alphabetical order as Core Data does.
func (m photoModel) entities() []entity {
	assetName := strings.TrimPrefix(m.assets, "Z")
	fixed := []entity{{1, "AdditionalAssetAttributes", 0}, {2, "AlbumList", 0}, {m.asset, map[string]string{"ASSET": "Asset", "GENERICASSET": "GenericAsset"}[assetName], 0},
		{m.album - 1, "GenericAlbum", 0}, {m.album, "Album", m.album - 1}}
	if m.keyword > 0 {
		fixed = append(fixed, entity{m.keyword, "Keyword", 0})
	}
	taken := map[int]bool{}
	for _, e := range fixed {
		taken[e.number] = true
	}
	number := 3
	for _, name := range []string{"AssetAnalysisState", "AssetDescription", "CloudMaster", "CloudMasterMediaMetadata", "CloudSharedComment", "DetectedFace",
		"ExtendedAttributes", "FaceCrop", "Folder", "ImportSession", "InternalResource", "LimitedLibraryFetchFilter", "Memory", "Moment", "Person",
		"ProjectAlbum", "SceneClassification", "Share", "SidecarFile", "UnmanagedAdjustment"} {
		for taken[number] {
			number++
		}
		super := 0
		if name == "Folder" || name == "ProjectAlbum" {
			super = m.album - 1
		}
		fixed, taken[number] = append(fixed, entity{number, name, super}), true
	}
	slices.SortFunc(fixed, func(a, b entity) int { return a.number - b.number })
	return fixed
}

func (m photoModel) entity(name string) int {
	for _, e := range m.entities() {
		if e.name == name {
			return e.number
		}
	}
	return 0
}

// table is the DDL of one Core Data table: I INTEGER, T TIMESTAMP, F FLOAT,
// V VARCHAR, B BLOB, each followed by its columns.
func (db *database) table(name string, columns ...string) {
	types := map[string]string{"I": "INTEGER", "T": "TIMESTAMP", "F": "FLOAT", "V": "VARCHAR", "B": "BLOB"}
	all := []string{"Z_PK INTEGER PRIMARY KEY", "Z_ENT INTEGER", "Z_OPT INTEGER"}
	for _, group := range columns {
		kind, names, _ := strings.Cut(group, " ")
		for _, column := range strings.Fields(names) {
			all = append(all, column+" "+types[kind])
		}
	}
	db.exec("CREATE TABLE " + name + " (" + strings.Join(all, ", ") + ")")
}

// photoTables makes the tables and columns of content-schemas.md 2.2.
func (db *database) photoTables(m photoModel) {
	pick := func(when bool, column string) string {
		if when {
			return " " + column
		}
		return ""
	}
	db.table(m.assets,
		"I ZAVALANCHEPICKTYPE ZCLOUDBATCHPUBLISHDATE ZCLOUDDELETESTATE ZCLOUDDOWNLOADREQUESTS ZCLOUDHASCOMMENTSBYME ZCLOUDHASUNSEENCOMMENTS ZCLOUDISDELETABLE ZCLOUDISMYASSET "+
			"ZCLOUDLOCALSTATE ZCLOUDPLACEHOLDERKIND ZCOMPLETE ZCUSTOMRENDEREDVALUE ZDEFERREDPROCESSINGNEEDED ZDEPTHTYPE ZFAVORITE ZHASADJUSTMENTSPLACEHOLDER "+m.adjustment+
			" ZHDRTYPE ZHEIGHT ZHIDDEN ZKIND ZKINDSUBTYPE ZORIENTATION ZPLAYBACKSTYLE ZPLAYBACKVARIATION ZSAVEDASSETTYPE ZTHUMBNAILINDEX ZTRASHEDSTATE ZVIDEOCPDURATIONVALUE "+
			"ZVISIBILITYSTATE ZWIDTH ZADDITIONALATTRIBUTES ZMASTER ZMOMENT ZIMPORTSESSION"+
			pick(m.since(13), "ZEXTENDEDATTRIBUTES")+pick(m.since(18), "ZISDETECTEDSCREENSHOT")+pick(m.since(14), "ZACTIVELIBRARYSCOPEPARTICIPATIONSTATE"),
		"T ZADDEDDATE ZDATECREATED ZMODIFICATIONDATE ZTRASHEDDATE ZLASTSHAREDDATE ZADJUSTMENTTIMESTAMP ZFACEADJUSTMENTVERSION",
		"F ZDURATION ZLATITUDE ZLONGITUDE ZSORTTOKEN ZOVERALLAESTHETICSCORE",
		"V ZAVALANCHEUUID ZDIRECTORY ZFILENAME ZMEDIAGROUPUUID ZORIGINALCOLORSPACE ZUNIFORMTYPEIDENTIFIER ZUUID ZCLOUDASSETGUID", "B ZLOCATIONDATA")
	db.table("ZADDITIONALASSETATTRIBUTES",
		"I ZALLOWEDFORANALYSIS ZCAMERACAPTUREDEVICE ZCLOUDAVALANCHEPICKTYPE ZEMBEDDEDTHUMBNAILHEIGHT ZEMBEDDEDTHUMBNAILWIDTH ZIMPORTEDBY ZORIGINALFILESIZE ZORIGINALHEIGHT "+
			"ZORIGINALORIENTATION ZORIGINALWIDTH ZPTPTRASHEDSTATE ZSHARETYPE ZTIMEZONEOFFSET ZASSET ZASSETDESCRIPTION ZUNMANAGEDADJUSTMENT",
		"F ZGPSHORIZONTALACCURACY", "T ZALTERNATEIMPORTIMAGEDATE",
		"V ZEXIFTIMESTAMPSTRING ZMASTERFINGERPRINT ZORIGINALFILENAME ZTIMEZONENAME ZTITLE ZEDITORBUNDLEID"+
			pick(!m.since(15), "ZCREATORBUNDLEID")+pick(m.since(14), "ZIMPORTEDBYBUNDLEIDENTIFIER ZIMPORTEDBYDISPLAYNAME"),
		"B ZREVERSELOCATIONDATA ZORIGINALHASH")
	if m.since(13) {
		db.table("ZEXTENDEDATTRIBUTES", "I ZFLASHFIRED ZISO ZMETERINGMODE ZSAMPLERATE ZTRACKFORMAT ZWHITEBALANCE ZASSET",
			"F ZAPERTURE ZBITRATE ZDURATION ZEXPOSUREBIAS ZFOCALLENGTH ZFPS ZLATITUDE ZLONGITUDE ZSHUTTERSPEED", "V ZCAMERAMAKE ZCAMERAMODEL ZCODEC ZLENSMODEL")
	}
	db.table("ZASSETDESCRIPTION", "I ZASSETATTRIBUTES", "V ZLONGDESCRIPTION")
	db.table("ZUNMANAGEDADJUSTMENT", "I ZASSETATTRIBUTES ZADJUSTMENTBASEIMAGEFORMAT", "T ZADJUSTMENTTIMESTAMP", "V ZADJUSTMENTFORMATIDENTIFIER ZADJUSTMENTFORMATVERSION ZEDITORLOCALIZEDNAME ZUUID")
	if m.since(12) {
		db.table("ZINTERNALRESOURCE", "I ZCLOUDLOCALSTATE ZDATASTORECLASSID ZDATASTORESUBTYPE ZLOCALAVAILABILITY ZLOCALAVAILABILITYTARGET ZORIENTATION ZREMOTEAVAILABILITY ZRESOURCETYPE "+
			"ZTRASHEDSTATE ZVERSION ZDATALENGTH ZUNORIENTEDHEIGHT ZUNORIENTEDWIDTH ZASSET ZRECIPEID", "T ZTRASHEDDATE", "V ZFINGERPRINT ZCOMPACTUTI", "B ZDATASTOREKEYDATA")
	}
	db.table("ZGENERICALBUM", "I ZCACHEDCOUNT ZCACHEDPHOTOSCOUNT ZCACHEDVIDEOSCOUNT ZCLOUDLOCALSTATE ZCUSTOMSORTASCENDING ZCUSTOMSORTKEY ZISOWNED ZISPINNED ZKIND ZPENDINGITEMSCOUNT "+
		"ZTRASHEDSTATE ZKEYASSET ZPARENTFOLDER Z_FOK_PARENTFOLDER", "T ZCREATIONDATE ZENDDATE ZSTARTDATE ZTRASHEDDATE ZLASTMODIFIEDDATE", "V ZCLOUDGUID ZIMPORTSESSIONID ZTITLE ZUUID")
	db.table("ZALBUMLIST", "I ZIDENTIFIER ZNEEDSREORDERINGNUMBER", "V ZUUID")
	db.table("ZKEYWORD", "V ZTITLE ZUUID")
	db.table("ZMOMENT", "I ZCACHEDCOUNT ZCACHEDPHOTOSCOUNT ZCACHEDVIDEOSCOUNT ZTRASHEDSTATE", "T ZSTARTDATE ZENDDATE ZREPRESENTATIVEDATE ZMODIFICATIONDATE",
		"F ZAPPROXIMATELATITUDE ZAPPROXIMATELONGITUDE", "V ZTITLE ZSUBTITLE ZUUID")
	db.table("ZMEMORY", "I ZCATEGORY ZFAVORITE ZSUBCATEGORY", "T ZCREATIONDATE", "F ZSCORE", "V ZTITLE ZSUBTITLE ZUUID")
	db.table("ZPERSON", "I ZFACECOUNT ZMANUALORDER ZTYPE ZVERIFIEDTYPE", "V ZDISPLAYNAME ZFULLNAME ZPERSONURI ZPERSONUUID")
	db.table("ZDETECTEDFACE", "I ZHIDDEN ZMANUAL ZNAMESOURCE ZSOURCEHEIGHT ZSOURCEWIDTH "+m.face+" "+m.facePer, "F ZCENTERX ZCENTERY ZSIZE ZQUALITY", "V ZUUID")
	db.table("ZCLOUDMASTER", "I ZCLOUDLOCALSTATE ZORIENTATION", "T ZCREATIONDATE ZIMPORTDATE", "V ZCLOUDMASTERGUID ZORIGINALFILENAME ZUNIFORMTYPEIDENTIFIER")
	db.table("ZCLOUDSHAREDCOMMENT", "I ZISCAPTION ZISMYCOMMENT", "T ZCOMMENTDATE", "V ZCOMMENTTEXT")
	share := "ZSHARE"
	if !m.since(14) {
		share = "ZMOMENTSHARE"
	}
	db.table(share, "I ZASSETCOUNT ZSTATUS ZTRASHEDSTATE", "T ZCREATIONDATE", "V ZTITLE ZUUID ZSHAREURL")
	db.exec(fmt.Sprintf("CREATE TABLE %s (Z_%dALBUMS INTEGER, Z_%dASSETS INTEGER, Z_FOK_%dASSETS INTEGER, PRIMARY KEY (Z_%dALBUMS, Z_%dASSETS))",
		m.albumAssets(), m.album, m.asset, m.asset, m.album, m.asset))
	db.exec(fmt.Sprintf("CREATE TABLE %s (Z_%dALBUMS INTEGER, Z_2ALBUMLISTS INTEGER, Z_FOK_%dALBUMS INTEGER, PRIMARY KEY (Z_%dALBUMS, Z_2ALBUMLISTS))",
		m.albumLists(), m.album-1, m.album-1, m.album-1))
	if m.keyword > 0 {
		db.exec(fmt.Sprintf("CREATE TABLE Z_1KEYWORDS (Z_1ASSETATTRIBUTES INTEGER, Z_%dKEYWORDS INTEGER, PRIMARY KEY (Z_1ASSETATTRIBUTES, Z_%dKEYWORDS))", m.keyword, m.keyword))
	}
	db.exec(fmt.Sprintf("CREATE INDEX Z_%s_ZUUID ON %s (ZUUID); CREATE INDEX Z_%s_ZDATECREATED ON %s (ZDATECREATED)", m.assets[1:], m.assets, m.assets[1:], m.assets))
}
