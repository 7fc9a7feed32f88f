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
)

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
	"Edited", "Width", "Height", "Seconds", "Bytes", "Availability", "File"}

// Info implements extract.Extractor.
func (*Reader) Info() extract.Info {
	return extract.Info{
		Kind: "photos", Title: "Photos", Groups: "albums",
		Tables: []extract.Table{
			{Name: tablePhotos, Title: "Photos and videos", Columns: columns},
			{Name: tableFiles, Title: "Files that the library does not know", Columns: columns},
		},
		Paths: []string{libraryDB, libraryDB + "-wal", media + "/DCIM/*/*", media + "/PhotoData/CPLAssets/*/*"},
	}
}

// Groups implements extract.Extractor: albums and folders of albums as the phone
// orders them, then what can be told from the pictures themselves. Without a library
// there are none.
func (*Reader) Groups(ctx context.Context, src *extract.Source) ([]extract.Group, error) {
	l, err := openLibrary(ctx, src)
	if err != nil {
		if ctx.Err() == nil && isAbsent(err) && hasFiles(src) {
			return nil, nil
		}
		return nil, err
	}
	return l.groups(ctx)
}
