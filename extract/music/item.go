package music

import (
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
)

// Names of the tables.
const (
	tableMedia = "media"
	tableFiles = "files"
)

// What an item is.
const (
	Song       = "song"
	Film       = "film"
	MusicVideo = "music video"
	Show       = "TV show"
	Podcast    = "podcast"
	Audiobook  = "audiobook"
	Book       = "book"
	Ringtone   = "ringtone"
	Other      = "other"
)

// What can be had of an item.
const (
	Here    = "here"    // its file
	InCloud = "cloud"   // the phone had no file of it
	Missing = "missing" // the library names a file that is not in this version
)

// Item is a song, or something else that a library of media holds.
type Item struct {
	Key          string    `json:"id"` // of the library's own number, else "file:" and the path
	Title        string    `json:"title"`
	Artist       string    `json:"artist,omitempty"`
	Album        string    `json:"album,omitempty"`
	AlbumArtist  string    `json:"album_artist,omitempty"`
	Composer     string    `json:"composer,omitempty"`
	Genre        string    `json:"genre,omitempty"`
	Kind         string    `json:"kind"`
	MediaKind    int64     `json:"media_kind,omitempty"` // as the library has it
	Track        int       `json:"track,omitempty"`
	Disc         int       `json:"disc,omitempty"`
	Year         int       `json:"year,omitempty"`
	Seconds      float64   `json:"seconds,omitempty"`
	Rating       int       `json:"rating,omitempty"` // 0 to 100, 20 for each star
	Plays        int64     `json:"plays,omitempty"`
	Skips        int64     `json:"skips,omitempty"`
	Liked        int64     `json:"liked_state,omitempty"` // as the library has it
	Added        time.Time `json:"added,omitzero"`
	Played       time.Time `json:"played,omitzero"` // last
	Purchased    time.Time `json:"purchased,omitzero"`
	Comment      string    `json:"comment,omitempty"`
	Copyright    string    `json:"copyright,omitempty"`
	Lyrics       string    `json:"lyrics,omitempty"`
	Protected    bool      `json:"protected,omitempty"` // under FairPlay: it plays nowhere else
	Availability string    `json:"availability"`
	File         string    `json:"file,omitempty"`     // path in the source; of a book that is a folder, that
	Contents     []string  `json:"contents,omitempty"` // paths of the files in such a folder
	Bytes        int64     `json:"bytes,omitempty"`

	table  string
	group  string
	hidden bool
	time   time.Time // of the file
	named  string    // path that the library names, "" = none
}

var columns = []string{"Title", "Artist", "Album", "Kind", "Track", "Disc", "Year", "Seconds", "Genre", "Composer", "Album artist", "Rating", "Plays", "Skips",
	"Added", "Last played", "Purchased", "Protected", "Availability", "Bytes", "File"}

// Entry implements extract.Record.
func (m *Item) Entry() extract.Entry {
	e := extract.Entry{Table: m.table, Key: m.Key, Title: m.Title, Detail: m.detail(), Time: m.Added, Group: m.group, Hidden: m.hidden,
		Text: strings.Join([]string{m.Artist, m.Album, m.AlbumArtist, m.Composer, m.Genre, m.Comment, m.Lyrics}, "\n")}
	if strings.HasPrefix(m.Key, fileKey) {
		e.Time = m.time
	}
	switch {
	case len(m.Contents) > 0:
		e.Files = slices.Clone(m.Contents)
	case m.File != "":
		e.Files = []string{m.File}
	}
	return e
}

func (m *Item) detail() string {
	list := slices.DeleteFunc([]string{m.Artist, m.Album}, func(s string) bool { return s == "" })
	if len(list) == 0 {
		return m.Kind
	}
	return strings.Join(list, " – ")
}

// Row implements extract.Record.
func (m *Item) Row() []string {
	return []string{m.Title, m.Artist, m.Album, m.Kind, whole(int64(m.Track)), whole(int64(m.Disc)), whole(int64(m.Year)), seconds(m.Seconds), m.Genre, m.Composer, m.AlbumArtist,
		whole(int64(m.Rating)), whole(m.Plays), whole(m.Skips), extract.FormatTime(m.Added), extract.FormatTime(m.Played), extract.FormatTime(m.Purchased),
		extract.YesNo(m.Protected), m.Availability, whole(m.Bytes), m.File}
}

func whole(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

func seconds(f float64) string {
	if f == 0 {
		return ""
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

// endings of files that are media, and what they are where nothing else tells.
var endings = map[string]string{
	".m4a": Song, ".m4p": Song, ".mp3": Song, ".aac": Song, ".wav": Song, ".aif": Song, ".aiff": Song, ".flac": Song, ".caf": Song, ".alac": Song, ".ac3": Song,
	".m4r": Ringtone, ".m4b": Audiobook, ".aa": Audiobook, ".aax": Audiobook,
	".mov": Film, ".mp4": Film, ".m4v": Film, ".3gp": Film, ".movpkg": Film,
	".epub": Book, ".ibooks": Book, ".pdf": Book,
}

// kindOf tells what an item is by the library's number and by its file. The numbers
// are those of content-schemas.md 11; others are seen for shows (64) and films of
// one's own (1024).
func kindOf(number int64, file string) string {
	switch number {
	case 1:
		return Song
	case 2, 1024:
		return Film
	case 4, 6:
		return Podcast
	case 8:
		return Audiobook
	case 32, 33:
		return MusicVideo
	case 64:
		return Show
	}
	return kindOfFile(file)
}

// kindOfFile tells what a file is by where it lies in the media folder and its ending.
func kindOfFile(file string) string {
	kind := endings[strings.ToLower(path.Ext(file))]
	switch {
	case kind == "":
		return Other
	case strings.HasPrefix(file, "Podcasts/") && kind != Book:
		return Podcast
	case strings.HasPrefix(file, "iTunes_Control/Ringtones/"):
		return Ringtone
	case strings.HasPrefix(file, "Books/") && kind == Song:
		return Audiobook
	}
	return kind
}

// fairPlay tells by the ending of its name whether a file is protected.
func fairPlay(file string) bool {
	switch strings.ToLower(path.Ext(file)) {
	case ".m4p", ".movpkg", ".aax", ".aa":
		return true
	}
	return false
}
