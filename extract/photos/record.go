package photos

import (
	"strconv"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
)

// Availability tells how much of a photo is in the backup.
type Availability string

// The levels of Availability; see [Photo.Whereabouts].
const (
	Original      Availability = "original"
	ThumbnailOnly Availability = "thumbnail"
	Missing       Availability = "missing"
)

// Whereabouts says where an original is that is not in the backup, "" of one that is.
func (p *Photo) Whereabouts() string {
	if p.Availability == Original {
		return ""
	}
	where := "not in this backup"
	switch {
	case p.table == tableShared:
	case p.Shared:
		where = "in a shared album, " + where
	case p.InCloud:
		where = "in iCloud, " + where
	}
	if p.Availability == ThumbnailOnly {
		return where + " (but a small picture)"
	}
	return where
}

// Kinds of a Photo, Photo.Subtype (content-schemas.md 2.2).
const (
	Still           = "still"
	Panorama        = "panorama"
	LivePhoto       = "live-photo"
	Screenshot      = "screenshot"
	Animated        = "animated"
	Video           = "video"
	SlowMotion      = "slow-motion"
	TimeLapse       = "time-lapse"
	ScreenRecording = "screen-recording"
)

// Photo is a picture or film.
type Photo struct {
	Key  string `json:"key"`
	UUID string `json:"uuid,omitempty"`
	Name string `json:"name"` // as the camera or the sender called it
	Kind string `json:"kind"` // "photo" or "video"; "file" where neither the phone nor the name tells
	// KindCode is the phone's number of a kind that is not known.
	KindCode int64 `json:"kind_code,omitempty"`
	// Subtype is one of the constants, "" where the phone's number is none of those
	// known, and then SubtypeCode is that.
	Subtype     string  `json:"subtype,omitempty"`
	SubtypeCode int64   `json:"subtype_code,omitempty"`
	UTI         string  `json:"uti,omitempty"` // "public.heic"
	Width       int64   `json:"width,omitempty"`
	Height      int64   `json:"height,omitempty"`
	Orientation int64   `json:"orientation,omitempty"` // as in EXIF, 1 to 8
	Seconds     float64 `json:"seconds,omitempty"`     // of films
	Size        int64   `json:"size,omitempty"`        // bytes of the original, as the phone says

	Taken      time.Time `json:"taken,omitzero"` // in the zone of the place, where that is known
	TimeZone   string    `json:"time_zone,omitempty"`
	CameraTime string    `json:"camera_time,omitempty"` // the camera's own text, in EXIF's form
	Added      time.Time `json:"added,omitzero"`
	Modified   time.Time `json:"modified,omitzero"`
	Trashed    time.Time `json:"trashed,omitzero"`

	Place    *Place   `json:"place,omitempty"`
	Camera   *Camera  `json:"camera,omitempty"`
	Title    string   `json:"title,omitempty"`
	Caption  string   `json:"caption,omitempty"`
	Keywords []string `json:"keywords,omitempty"`
	People   []string `json:"people,omitempty"`
	// ImportedBy is the app that brought it, by its bundle identifier.
	ImportedBy string  `json:"imported_by,omitempty"`
	Albums     []Album `json:"albums,omitempty"`

	Favourite bool   `json:"favourite,omitempty"`
	Hidden    bool   `json:"hidden,omitempty"`
	Deleted   bool   `json:"deleted,omitempty"`
	Edited    bool   `json:"edited,omitempty"`
	Portrait  bool   `json:"portrait,omitempty"`
	Burst     *Burst `json:"burst,omitempty"`
	// Unlisted is what the phone does not show in its lists, such as most pictures of
	// a burst.
	Unlisted bool `json:"unlisted,omitempty"`
	// Spatial is what has depth for glasses (iOS 18).
	Spatial bool `json:"spatial,omitempty"`
	// InCloud tells that iCloud Photos has it; Shared that it is in a shared album, behind
	// a link, or in a message; SharedLibrary that several people have it in the library
	// that they share (iOS 16).
	InCloud       bool `json:"in_icloud,omitempty"`
	Shared        bool `json:"shared,omitempty"`
	SharedLibrary bool `json:"shared_library,omitempty"`

	Availability Availability `json:"availability"`
	// Paths in the Source, "" or nil for what is not there.
	File     string   `json:"file,omitempty"`
	Live     string   `json:"live_file,omitempty"` // the film of a Live Photo
	Raw      string   `json:"raw_file,omitempty"`  // the camera's raw data beside a picture
	Edits    []string `json:"edited_files,omitempty"`
	Sidecars []string `json:"sidecars,omitempty"` // AAE
	// Small is the small picture of one whose original is not in the backup.
	Small string `json:"small_file,omitempty"`

	table      string
	folder     string // ZDIRECTORY
	fileName   string // ZFILENAME
	pk         int64
	attributes int64 // ZADDITIONALATTRIBUTES
	share      int64 // the shared album that it is in, as ZSHARE numbers them
	zoned      bool  // Taken is in its own zone
}

// Place is where a photo was taken, in degrees (WGS 84).
type Place struct {
	Latitude  float64 `json:"latitude"`
	Longitude float64 `json:"longitude"`
	Accuracy  float64 `json:"accuracy_m,omitempty"` // metres
	Name      string  `json:"name,omitempty"`       // as the phone calls the moment
}

// Camera is what took a photo.
type Camera struct {
	Make    string  `json:"make,omitempty"`
	Model   string  `json:"model,omitempty"`
	Lens    string  `json:"lens,omitempty"`
	ISO     int64   `json:"iso,omitempty"`
	FNumber float64 `json:"f_number,omitempty"`
	Shutter float64 `json:"shutter_s,omitempty"` // seconds
	Focal   float64 `json:"focal_mm,omitempty"`
}

// Burst is the series that a picture was taken in.
type Burst struct {
	ID string `json:"id"`
	// Pick are the phone's bits: 2 not selected, 4 its own choice, 8 selected by the
	// owner, 16 the key picture.
	Pick int64 `json:"pick"`
	Key  bool  `json:"key,omitempty"`
}

// Album is what a photo lies in.
type Album struct {
	Key   string `json:"key"`
	Title string `json:"title"`
}

// Entry implements extract.Record.
func (p *Photo) Entry() extract.Entry {
	e := extract.Entry{Table: p.table, Key: p.Key, Title: p.Name, Time: p.time(), Files: p.files(), Deleted: p.Deleted, Hidden: p.Hidden}
	var text []string
	add := func(s ...string) {
		for _, s := range s {
			if s != "" {
				text = append(text, s)
			}
		}
	}
	add(p.Title, p.Caption, strings.Join(p.Keywords, ", "), strings.Join(p.People, ", "), p.albumTitles())
	if p.Place != nil {
		add(p.Place.Name)
	}
	if p.Camera != nil {
		add(p.Camera.Model)
	}
	e.Text = strings.Join(text, "\n")
	e.Detail = p.detail()
	return e
}

// time is the moment by which it is sorted.
func (p *Photo) time() time.Time {
	if p.table == tableFiles || p.pk == 0 {
		return p.Modified
	}
	return p.Taken
}

func (p *Photo) detail() string {
	for _, s := range []string{p.Caption, p.Title, p.Whereabouts(), p.albumTitles()} {
		if s != "" {
			return s
		}
	}
	return ""
}

func (p *Photo) albumTitles() string {
	titles := make([]string, len(p.Albums))
	for i, a := range p.Albums {
		titles[i] = a.Title
	}
	return strings.Join(titles, ", ")
}

func (p *Photo) files() []string {
	var list []string
	for _, f := range []string{p.File, p.Live, p.Raw} {
		if f != "" {
			list = append(list, f)
		}
	}
	return append(append(list, p.Edits...), p.Sidecars...)
}

// Row implements extract.Record.
func (p *Photo) Row() []string {
	lat, long, camera := "", "", ""
	if p.Place != nil {
		lat, long = degrees(p.Place.Latitude), degrees(p.Place.Longitude)
	}
	if p.Camera != nil {
		camera = strings.TrimSpace(p.Camera.Make + " " + p.Camera.Model)
	}
	kind := p.Subtype
	if kind == "" {
		kind = p.Kind
	}
	return []string{p.Name, extract.FormatTime(p.Taken), kind, p.albumTitles(), p.Caption, strings.Join(p.Keywords, ", "), strings.Join(p.People, ", "), lat, long, camera,
		extract.YesNo(p.Favourite), extract.YesNo(p.Hidden), extract.YesNo(p.Deleted), extract.YesNo(p.Edited), number(p.Width), number(p.Height), seconds(p.Seconds), number(p.Size),
		p.Whereabouts(), p.File}
}

func degrees(v float64) string { return strconv.FormatFloat(v, 'f', 6, 64) }

func number(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

func seconds(s float64) string {
	if s == 0 {
		return ""
	}
	return strconv.FormatFloat(s, 'f', -1, 64)
}
