package media

import (
	"path"
	"slices"
	"strings"
)

// taken are the folders and files of the media partition that are copied, with
// all below them (protocol.md 14.3). Not named, so left out, are working folders
// (Downloads, PublicStaging, AirFair, iTunesRestore), previews, and caches.
var taken = []string{
	"Books",
	"DCIM",
	"PhotoData/AlbumsMetadata",
	"PhotoData/CPLAssets",             // originals that iCloud Photos brought down
	"PhotoData/Mutations",             // edited versions
	"PhotoData/PhotoCloudSharingData", // shared albums: in no backup (backup-format.md 4)
	"PhotoData/Photos.sqlite",         // albums, and what belongs to what
	"PhotoData/Photos.sqlite-journal",
	"PhotoData/Photos.sqlite-wal",
	"PhotoData/Sync", // pictures synced from a computer: in no backup
	"Podcasts",
	"Purchases",
	"Recordings",
	"iTunes_Control/Music",
	"iTunes_Control/Ringtones",
	"iTunes_Control/iTunes/Artwork/Originals",
	"iTunes_Control/iTunes/MediaLibrary.sqlitedb",
	"iTunes_Control/iTunes/MediaLibrary.sqlitedb-journal",
	"iTunes_Control/iTunes/MediaLibrary.sqlitedb-wal",
	"iTunes_Control/iTunes/Ringtones.plist",
}

// inScope tells whether a path is copied, and whether something below it may be.
func inScope(name string) (inside, above bool) {
	for _, t := range taken {
		switch {
		case name == t || strings.HasPrefix(name, t+"/"):
			return true, false
		case strings.HasPrefix(t, name+"/"):
			above = true
		}
	}
	return false, above
}

// Kind is what a file is to people.
type Kind string

// The kinds. Other is what belongs to them: catalogues, covers, edits.
const (
	Song      Kind = "songs"
	Ringtone  Kind = "ringtones"
	Book      Kind = "books"
	Podcast   Kind = "podcasts"
	Recording Kind = "recordings"
	Picture   Kind = "pictures"
	Video     Kind = "videos"
	Other     Kind = "other"
)

// Kinds lists the kinds in the order in which they are shown.
var Kinds = []Kind{Picture, Video, Song, Ringtone, Book, Podcast, Recording, Other}

var (
	pictures = []string{".heic", ".heif", ".jpg", ".jpeg", ".png", ".gif", ".dng", ".tif", ".tiff", ".webp", ".bmp", ".raw"}
	videos   = []string{".mov", ".mp4", ".m4v", ".3gp", ".avi"}
	sounds   = []string{".m4a", ".m4p", ".mp3", ".aac", ".wav", ".aif", ".aiff", ".flac", ".caf", ".m4r", ".qta"}
	books    = []string{".epub", ".ibooks", ".pdf", ".m4b"}
)

// kindOf sorts the file at a path by where it is and how its name ends.
func kindOf(name string) Kind {
	ext := strings.ToLower(path.Ext(name))
	is := func(list []string) bool { return slices.Contains(list, ext) }
	top, rest, _ := strings.Cut(name, "/")
	second, _, _ := strings.Cut(rest, "/")
	switch {
	case top == "DCIM", top == "PhotoData" && slices.Contains([]string{"CPLAssets", "PhotoCloudSharingData", "Sync"}, second):
		if is(pictures) {
			return Picture
		}
		if is(videos) {
			return Video
		}
	case top == "iTunes_Control" && second == "Ringtones" && is(sounds):
		return Ringtone
	case top == "iTunes_Control" && second == "Music", top == "Purchases":
		switch {
		case is(books):
			return Book
		case is(sounds):
			return Song
		case is(videos):
			return Video
		}
	case top == "Books" && (bundle(name) != "" || is(books)):
		return Book
	case top == "Podcasts" && (is(sounds) || is(videos)):
		return Podcast
	case top == "Recordings" && is(sounds):
		return Recording
	}
	return Other
}

// bundle is the folder that is one book, for the files in it; else "".
func bundle(name string) string {
	for i, c := range name {
		if c != '/' {
			continue
		}
		if ext := strings.ToLower(path.Ext(name[:i])); ext == ".epub" || ext == ".ibooks" {
			return name[:i]
		}
	}
	return ""
}

// protected tells by its name whether a file or folder is under FairPlay: it
// plays nowhere else (protocol.md 14.5).
func protected(name string) bool {
	ext := strings.ToLower(path.Ext(name))
	return ext == ".m4p" || ext == ".movpkg"
}

// logOf gives the database that name is the write-ahead log or journal of.
func logOf(name string) (database string, ok bool) {
	for _, end := range []string{"-wal", "-journal"} {
		if database, ok := strings.CutSuffix(name, end); ok {
			return database, true
		}
	}
	return "", false
}

// Count is how many there are, and their bytes.
type Count struct {
	Items int64 `json:"items"` // a book that is a folder is one
	Bytes int64 `json:"bytes"`
}

// Counts tells what there is of each kind.
type Counts map[Kind]Count

// counter counts files by kind.
type counter struct {
	counts  Counts
	bundles map[string]bool
}

func newCounter() *counter { return &counter{Counts{}, map[string]bool{}} }

func (c *counter) add(name string, size int64) {
	kind := kindOf(name)
	n := c.counts[kind]
	n.Bytes += size
	if b := bundle(name); b == "" || kind != Book || !c.bundles[b] {
		n.Items++
		c.bundles[b] = true
	}
	c.counts[kind] = n
}
