package photos

import (
	"context"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/thumbnail"
)

// Where things are in a Source (backup-format.md 4.3).
const (
	media      = "CameraRollDomain/Media"
	libraryDB  = media + "/PhotoData/Photos.sqlite"
	thumbnails = media + "/PhotoData/Thumbnails/V2"
	mutations  = media + "/PhotoData/Mutations"
)

// Names of the tables.
const (
	tablePhotos = "photos"
	tableFiles  = "files"
	tableShared = "shared"
)

// store is where a library has its database and its files.
type store struct {
	table                            string
	db, media, thumbnails, mutations string // "": there are none
	prefix                           string // of keys
}

var (
	cameraRoll = &store{table: tablePhotos, db: libraryDB, media: media, thumbnails: thumbnails, mutations: mutations}
	// sharedWithYou is what others have sent, as Photos shows it since iOS 15. Its files
	// lie as in a library of macOS: originals/0 to F/UUID.
	sharedWithYou = &store{table: tableShared, db: syndication + "/database/Photos.sqlite", media: syndication + "/originals", prefix: sharedPrefix}
)

const syndication = "HomeDomain/Library/Photos/Libraries/Syndication.photoslibrary"

// Reader reads photos and videos. It keeps nothing of any source.
type Reader struct{ small *thumbnail.Maker }

// New makes a reader.
func New() *Reader { return &Reader{thumbnail.New()} }

var (
	_ extract.Exporter  = (*Reader)(nil)
	_ extract.Previewer = (*Reader)(nil)
	_ extract.Filer     = (*Reader)(nil)
)

var columns = []string{"Name", "Taken", "Kind", "Albums", "Caption", "Keywords", "People", "Latitude", "Longitude", "Camera", "Favourite", "Hidden", "Deleted",
	"Edited", "Width", "Height", "Seconds", "Bytes", "Missing", "File"}

// Info implements extract.Extractor.
func (*Reader) Info() extract.Info {
	return extract.Info{
		Kind: "photos", Title: "Photos", Groups: "albums",
		Tables: []extract.Table{
			{Name: tablePhotos, Title: "Photos and videos", Columns: columns},
			{Name: tableFiles, Title: "Files that the library does not know", Columns: columns},
			{Name: tableShared, Title: "Shared with You", Columns: columns},
		},
		Paths: []string{libraryDB, libraryDB + "-wal", media + "/DCIM/*/*", media + "/PhotoData/CPLAssets/*/*", sharedWithYou.db, sharedWithYou.media + "/*/*"},
	}
}

// Groups implements extract.Extractor: albums and folders of albums as the phone
// orders them, then what can be told from the pictures themselves. Without a library
// there are none.
func (*Reader) Groups(ctx context.Context, src *extract.Source) ([]extract.Group, error) {
	l, err := openLibrary(ctx, src, cameraRoll)
	if err != nil {
		if ctx.Err() == nil && isAbsent(err) && (hasFiles(src) || src.Has(sharedWithYou.db)) {
			return nil, nil
		}
		return nil, err
	}
	return extract.Memo(src, "photos/groups", func() ([]extract.Group, error) { return l.groups(ctx) })
}
