package contents

import (
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/virtualphone/internal/contents/picture"
)

// assetKind is what a picture or film is.
type assetKind int

const (
	stillHEIC assetKind = iota
	stillJPEG
	livePhoto
	screenshot
	film
	slowMotion
	screenRecording
	panorama
	timeLapse
	animation
)

// asset is one picture or film of the photo library.
type asset struct {
	pk         int // Z_PK
	number     int // of the camera's name for it
	uuid       string
	folder     string // ZDIRECTORY, below Media
	name       string // ZFILENAME
	kind       assetKind
	taken      time.Time // UTC
	added      time.Time
	place      int // index into places, -1 none
	camera     string
	iso        int
	size       int   // bytes of the original; a wish until it is written
	liveSize   int   // bytes of the film beside a Live Photo
	large      int64 // length of a sparse film
	width      int
	height     int
	favourite  bool
	hidden     bool
	trashed    bool
	edited     bool
	portrait   bool
	aae        bool // has a sidecar with adjustments
	cloudOnly  bool // the original is in iCloud
	bare       bool // and there is no preview either
	burst      string
	burstPick  int
	album      int    // 1-based index into albumTitles, 0 none
	everyAlbum bool   // is in all of them
	imported   string // its name where it came from; "" it is the camera's
	caption    string
	keyword    string
	modified   time.Time
}

func (a *asset) base() string { return strings.TrimSuffix(a.name, path.Ext(a.name)) }

// live is the name of the film beside a Live Photo.
func (a *asset) live() string { return a.base() + ".MOV" }

// extensions of the kinds.
var extensions = map[assetKind]string{
	stillHEIC: ".HEIC", stillJPEG: ".JPG", livePhoto: ".HEIC", screenshot: ".PNG", film: ".MOV", slowMotion: ".MOV", screenRecording: ".MP4",
	panorama: ".JPG", timeLapse: ".MOV", animation: ".GIF",
}

// planAssets invents the library: first one of everything that a reader must
// get right (content-schemas.md 14), then a usual mix.
func (t *tree) planAssets(p plan) []*asset {
	var list []*asset
	span := 3 * 365 * 24 * time.Hour
	for i := range p.assets {
		c := t.chance("asset", fmt.Sprint(i))
		at := t.now.Add(-span + time.Duration(i)*(span/time.Duration(p.assets))).Add(time.Duration(c.IntN(7200)) * time.Second)
		a := t.newAsset(c, i+1, one(c, usualMix), earlier(at, t.now.Add(-time.Hour)), p.still)
		if i < len(specials) {
			specials[i](a)
			t.finish(a, c, p.still)
		}
		list = append(list, a)
	}
	if p.large > 0 {
		a := t.newAsset(t.chance("asset", "large"), p.assets+1, film, t.now.Add(-30*24*time.Hour), p.still)
		a.large = p.large
		list = append(list, a)
	}
	return list
}

// usualMix gives the kinds in their usual numbers.
var usualMix = []assetKind{
	stillHEIC, stillHEIC, stillHEIC, stillHEIC, stillHEIC, stillHEIC, stillHEIC, stillHEIC, stillHEIC,
	livePhoto, livePhoto, livePhoto, stillJPEG, stillJPEG, stillJPEG, stillJPEG, screenshot, screenshot, film, film,
}

// specials turn the first assets into the cases that must be there.
var specials = []func(*asset){
	func(a *asset) { a.kind, a.place = stillHEIC, 0 },
	func(a *asset) {
		a.kind, a.favourite, a.caption, a.keyword = stillHEIC, true, "The harbour, in \"mist\" 🌫️", "harbour"
	},
	func(a *asset) { a.kind, a.favourite = livePhoto, true },
	func(a *asset) { a.kind = stillJPEG },
	func(a *asset) { a.kind, a.folder, a.name = stillJPEG, "DCIM/101APPLE", "IMG_0004.JPG" }, // the name before, in another folder
	func(a *asset) { a.kind = screenshot },
	func(a *asset) { a.kind = film },
	func(a *asset) { a.kind, a.hidden = stillHEIC, true },
	func(a *asset) { a.kind, a.trashed = stillJPEG, true },
	func(a *asset) { a.kind, a.edited = stillHEIC, true },
	func(a *asset) { a.kind, a.edited, a.aae = stillJPEG, true, true },
	func(a *asset) { a.kind, a.burst, a.burstPick = stillJPEG, "first", 52 },
	func(a *asset) { a.kind, a.burst, a.burstPick = stillJPEG, "first", 2 },
	func(a *asset) { a.kind, a.burst, a.burstPick = stillJPEG, "first", 2 },
	func(a *asset) { a.kind, a.portrait = stillHEIC, true },
	func(a *asset) { a.kind, a.cloudOnly, a.folder = stillHEIC, true, "PhotoData/CPLAssets/group12" },
	func(a *asset) { a.kind, a.place = stillHEIC, -1 },
	func(a *asset) { a.kind, a.folder = stillHEIC, "PhotoData/CPLAssets/group7" },
	func(a *asset) { a.kind, a.aae = slowMotion, true },
	func(a *asset) { a.kind = screenRecording },
	func(a *asset) { a.kind, a.album = stillHEIC, 1 },
	func(a *asset) { a.kind, a.album, a.place = stillHEIC, 2, 6 },
	func(a *asset) { a.kind = panorama },
	func(a *asset) { a.kind = timeLapse },
	func(a *asset) { a.kind = animation },
	func(a *asset) { a.kind, a.edited, a.favourite = livePhoto, true, true },
	func(a *asset) {
		a.kind, a.cloudOnly, a.bare, a.folder = livePhoto, true, true, "PhotoData/CPLAssets/group12"
	},
	func(a *asset) { a.kind, a.everyAlbum = stillJPEG, true },
	func(a *asset) { a.kind, a.imported = stillJPEG, "שלום 🌊 / fête: 100%.jpeg" },
}

// newAsset invents number n of the camera roll.
func (t *tree) newAsset(c *chance, n int, kind assetKind, taken time.Time, still int) *asset {
	a := &asset{pk: n, number: n, uuid: c.uuid(), kind: kind, taken: taken.UTC().Truncate(time.Second), place: c.IntN(len(places)+2) - 2,
		camera: one(c, cameras), iso: 25 * c.between(1, 40)}
	a.favourite, a.album = c.in(15), max(0, c.IntN(8)-5)
	a.folder = fmt.Sprintf("DCIM/%dAPPLE", 100+n/1000)
	t.finish(a, c, still)
	return a
}

// finish derives from the kind what depends on it.
func (t *tree) finish(a *asset, c *chance, still int) {
	if a.name == "" || !strings.HasPrefix(a.folder, "DCIM/101APPLE") {
		a.name = a.cameraName()
	}
	if strings.HasPrefix(a.folder, "PhotoData/CPLAssets") {
		a.name = a.uuid + extensions[a.kind]
	}
	if a.burst != "" {
		a.burst = t.chance("burst", a.burst).uuid()
	}
	a.place = max(a.place, -1)
	a.added = a.taken.Add(time.Duration(c.IntN(30)) * time.Second)
	a.modified = a.added
	if a.edited {
		a.modified = earlier(a.added.Add(36*time.Hour), t.now)
	}
	a.width, a.height = picture.HEICWidth, picture.HEICHeight
	size := c.between(still*6/10, still*14/10)
	switch a.kind {
	case stillJPEG:
		a.width, a.height, size = 400, 300, size*13/10
	case panorama:
		a.width, a.height, size = 800, 200, size*2
	case animation:
		a.width, a.height, a.place, a.camera = 60, 45, -1, ""
	case screenshot:
		a.width, a.height, size, a.place, a.camera = 234, 506, size*4/10, -1, ""
	case film, slowMotion, screenRecording, timeLapse:
		a.width, a.height, size = picture.FilmWidth, picture.FilmHeight, size*6
	}
	a.size = size
}

// facts are what the camera wrote into the file.
func (a *asset) facts() picture.Facts {
	f := picture.Facts{Taken: a.taken, Model: a.camera, ISO: uint16(a.iso)}
	if a.place >= 0 {
		p := places[a.place]
		f.HasPlace, f.Latitude, f.Longitude = true, p.lat+a.jitter(), p.long-a.jitter()
		f.Taken = a.taken.In(time.FixedZone("", p.offset))
	}
	if a.kind == livePhoto {
		f.ContentID = a.uuid
	}
	return f
}

// jitter moves a picture up to about a kilometre from its town.
func (a *asset) jitter() float64 { return float64(a.pk%97)/9700 - 0.005 }

const roll = "CameraRollDomain"

// writeAsset writes an asset's files: the original, the film of a Live Photo, the
// sidecar, the edited version and the preview.
func (t *tree) writeAsset(a *asset) {
	c := t.chance("picture", a.folder, a.name, a.uuid)
	at := "Media/" + a.folder + "/" + a.name
	switch {
	case a.cloudOnly:
	case a.large > 0:
		head, err := picture.LargeFilmHead(a.facts(), a.large)
		t.fail("make", roll, at, err)
		t.sparse(roll, at, head, a.large, a.added)
	default:
		data := t.original(a, c)
		a.size = len(data)
		t.fileAt(roll, at, data, a.added)
	}
	if a.kind == livePhoto && !a.cloudOnly {
		data, err := picture.Film(c.IntN(picture.FilmTemplates), a.facts(), a.size*13/10, c.noise)
		t.fail("make", roll, at, err)
		a.liveSize = len(data)
		t.fileAt(roll, "Media/"+a.folder+"/"+a.live(), data, a.added)
	}
	if a.aae {
		t.fileAt(roll, "Media/"+a.folder+"/"+a.base()+".AAE", t.adjustments(a), a.modified)
	}
	if a.edited {
		t.writeEdit(a)
	}
	if a.bare {
		return
	}
	preview, err := picture.JPEG(picture.Draw(c.Rand, 120, 90), picture.Facts{Taken: a.taken, Model: a.camera}, min(a.size/3, c.between(10<<10, 40<<10)), c.noise)
	t.fail("make", roll, at, err)
	t.fileAt(roll, previewPath(a), preview, a.added)
}

func previewPath(a *asset) string {
	return "Media/PhotoData/Thumbnails/V2/" + a.folder + "/" + a.name + "/5005.JPG"
}

func editFolder(a *asset) string {
	return "Media/PhotoData/Mutations/" + a.folder + "/" + a.base() + "/Adjustments"
}

// original makes the bytes of the file that the camera wrote.
func (t *tree) original(a *asset, c *chance) []byte {
	var data []byte
	var err error
	switch a.kind {
	case stillJPEG, panorama:
		data, err = picture.JPEG(picture.Draw(c.Rand, a.width, a.height), a.facts(), a.size, c.noise)
	case animation:
		data, err = picture.GIF(c.Rand, a.width, a.height)
	case screenshot:
		data, err = picture.PNG(picture.Screen(c.Rand, a.width, a.height), a.size, c.noise)
	case stillHEIC, livePhoto:
		data, err = picture.HEIC(c.IntN(picture.HEICTemplates), a.facts(), a.size, c.noise)
	default:
		data, err = picture.Film(c.IntN(picture.FilmTemplates), a.facts(), a.size, c.noise)
	}
	t.fail("make", a.folder, a.name, err)
	return data
}

// writeEdit writes the rendered result of an edit and its recipe.
func (t *tree) writeEdit(a *asset) {
	c := t.chance("edit", a.folder, a.name, a.uuid)
	data, err := picture.JPEG(picture.Draw(c.Rand, 400, 300), a.facts(), a.size/2, c.noise)
	t.fail("make", a.folder, a.name, err)
	t.fileAt(roll, editFolder(a)+"/FullSizeRender.jpg", data, a.modified)
	t.fileAt(roll, editFolder(a)+"/Adjustments.plist", t.adjustments(a), a.modified)
	if a.kind == livePhoto {
		film, err := picture.Film(c.IntN(picture.FilmTemplates), a.facts(), 0, c.noise)
		t.fail("make", a.folder, a.name, err)
		t.fileAt(roll, editFolder(a)+"/FullSizeRender.mov", film, a.modified)
	}
}

// stray writes a picture that a program has left among those of the camera, and of
// which the library knows nothing.
func (t *tree) stray() {
	const at = "Media/DCIM/102SHOTS/SHOT0001.JPG"
	c := t.chance("stray")
	taken := t.now.Add(-40 * 24 * time.Hour)
	data, err := picture.JPEG(picture.Draw(c.Rand, 200, 150), picture.Facts{Taken: taken}, 0, c.noise)
	t.fail("make", roll, at, err)
	t.fileAt(roll, at, data, taken)
}

// adjustments is the recipe of an edit, as in a sidecar.
func (t *tree) adjustments(a *asset) []byte {
	return t.encoded(map[string]any{
		"adjustmentBaseVersion": 0, "adjustmentEditorBundleID": "com.apple.camera", "adjustmentFormatIdentifier": "com.apple.photo",
		"adjustmentFormatVersion": "1.5", "adjustmentTimestamp": a.modified, "adjustmentData": t.chance("recipe", a.uuid).bytes(220), "adjustmentRenderTypes": 0,
	})
}
