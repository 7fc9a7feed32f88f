package photos

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// Assets are read in portions that grow. Each portion is a walk over the library from
// front to back; where the dates are in another order than the rows, small portions
// would be many walks, and in a repository each walk decodes the library once more. A
// portion of 32,000 takes about 40 MiB.
const (
	firstPortion = 500
	lastPortion  = 32_000
	// wholesale: of more assets than that, the albums, words and people of all are read
	// at once.
	wholesale = 4000
)

// cells are the columns of one asset.
type cells struct {
	pk, kind, subtype, playback, width, height, orientation                                  sqlitefs.Int
	favourite, hidden, trashedState, visibility, pick, cloud, saved, edited, adjusted, depth sqlitefs.Int
	scope, library, spatial, share                                                           sqlitefs.Int
	screenshot, attributes, originalSize, offset, iso                                        sqlitefs.Int
	seconds, created, added, modified, trashed, lat, long, accuracy                          sqlitefs.Real
	fNumber, shutter, focal                                                                  sqlitefs.Real
	uuid, folder, name, uti, burst                                                           sqlitefs.Text
	original, zone, cameraTime, title, bundle, creator, caption, maker, model, lens          sqlitefs.Text
	masterName, moment                                                                       sqlitefs.Text
}

// columns gives what is selected and where it goes, in the same order.
func (l *library) columns(c *cells) (list []string, into []any) {
	add := func(expression string, to any) { list, into = append(list, expression), append(into, to) }
	asset := func(to any, columns ...string) { add(l.db.Column(l.assets, "a", columns...), to) }
	text := func(to any, columns ...string) { add(l.text(l.assets, "a", columns...), to) }
	other := func(expression string, to any) {
		if l.alone {
			expression = "NULL"
		}
		add(expression, to)
	}
	more := func(to any, columns ...string) { other(l.db.Column("ZADDITIONALASSETATTRIBUTES", "x", columns...), to) }
	moreText := func(to any, columns ...string) { other(l.text("ZADDITIONALASSETATTRIBUTES", "x", columns...), to) }
	camera := func(to any, column string) { other(l.db.Column("ZEXTENDEDATTRIBUTES", "e", column), to) }
	cameraText := func(to any, column string) { other(l.text("ZEXTENDEDATTRIBUTES", "e", column), to) }
	asset(&c.pk, "Z_PK")
	text(&c.uuid, "ZUUID")
	text(&c.folder, "ZDIRECTORY")
	text(&c.name, "ZFILENAME")
	text(&c.uti, "ZUNIFORMTYPEIDENTIFIER")
	text(&c.burst, "ZAVALANCHEUUID")
	asset(&c.kind, "ZKIND")
	asset(&c.subtype, "ZKINDSUBTYPE")
	asset(&c.playback, "ZPLAYBACKSTYLE")
	asset(&c.width, "ZWIDTH")
	asset(&c.height, "ZHEIGHT")
	asset(&c.orientation, "ZORIENTATION")
	asset(&c.seconds, "ZDURATION")
	asset(&c.created, "ZDATECREATED")
	asset(&c.added, "ZADDEDDATE")
	asset(&c.modified, "ZMODIFICATIONDATE")
	asset(&c.trashed, "ZTRASHEDDATE")
	asset(&c.lat, "ZLATITUDE")
	asset(&c.long, "ZLONGITUDE")
	asset(&c.favourite, "ZFAVORITE")
	asset(&c.hidden, "ZHIDDEN")
	asset(&c.trashedState, "ZTRASHEDSTATE")
	asset(&c.visibility, "ZVISIBILITYSTATE")
	asset(&c.pick, "ZAVALANCHEPICKTYPE")
	asset(&c.cloud, "ZCLOUDLOCALSTATE")
	asset(&c.saved, "ZSAVEDASSETTYPE")
	asset(&c.share, shareColumn)
	asset(&c.depth, "ZDEPTHTYPE", "ZDEPTHSTATES") // the second up to iOS 13 (osxphotos, _constants.py)
	asset(&c.scope, "ZBUNDLESCOPE")
	asset(&c.library, "ZACTIVELIBRARYSCOPEPARTICIPATIONSTATE")
	asset(&c.spatial, "ZSPATIALTYPE")
	asset(&c.screenshot, "ZISDETECTEDSCREENSHOT")
	if forth, known := l.reached["ZADDITIONALASSETATTRIBUTES"]; known && !forth {
		more(&c.attributes, "Z_PK")
	} else {
		asset(&c.attributes, "ZADDITIONALATTRIBUTES")
	}
	asset(&c.edited, "ZHASADJUSTMENTS")
	asset(&c.adjusted, "ZADJUSTMENTSSTATE")
	moreText(&c.original, "ZORIGINALFILENAME")
	moreText(&c.zone, "ZTIMEZONENAME")
	moreText(&c.cameraTime, "ZEXIFTIMESTAMPSTRING")
	moreText(&c.title, "ZTITLE")
	moreText(&c.bundle, "ZIMPORTEDBYBUNDLEIDENTIFIER")
	moreText(&c.creator, "ZCREATORBUNDLEID")
	more(&c.originalSize, "ZORIGINALFILESIZE")
	more(&c.offset, "ZTIMEZONEOFFSET")
	more(&c.accuracy, "ZGPSHORIZONTALACCURACY")
	cameraText(&c.maker, "ZCAMERAMAKE")
	cameraText(&c.model, "ZCAMERAMODEL")
	cameraText(&c.lens, "ZLENSMODEL")
	camera(&c.iso, "ZISO")
	camera(&c.fNumber, "ZAPERTURE")
	camera(&c.shutter, "ZSHUTTERSPEED")
	camera(&c.focal, "ZFOCALLENGTH")
	other(short(l.db.Column("ZASSETDESCRIPTION", "d", "ZLONGDESCRIPTION"), maxCaption), &c.caption)
	other(l.text("ZCLOUDMASTER", "c", "ZORIGINALFILENAME"), &c.masterName)
	other(l.text("ZMOMENT", "m", "ZTITLE"), &c.moment)
	return list, into
}

// from is the asset table with what its rows point at; what cannot be reached by a
// column that is there is not joined, and its columns are NULL.
func (l *library) from() string {
	s := l.assets + " a"
	if l.alone {
		return s
	}
	reach := func(table, alias, owner, ownerTable, column string) {
		switch {
		case !l.db.Has(table, "Z_PK"):
		case l.db.Has(ownerTable, column):
			s += fmt.Sprintf(" LEFT JOIN %s %s ON %s.Z_PK = %s.%s", table, alias, alias, owner, column)
		default:
			s += fmt.Sprintf(" LEFT JOIN %s %s ON 0", table, alias)
		}
	}
	for i, t := range attributeTables {
		alias := []string{"x", "e"}[i]
		switch forth, known := l.reached[t.table]; {
		case known && !forth:
			s += fmt.Sprintf(" LEFT JOIN %s %s ON %s.%s = a.Z_PK", t.table, alias, alias, t.back)
		default:
			reach(t.table, alias, "a", l.assets, t.column)
		}
	}
	const additional, descriptions = "ZADDITIONALASSETATTRIBUTES", "ZASSETDESCRIPTION"
	switch {
	case !l.db.Has(additional, "Z_PK"):
		reach(descriptions, "d", "", "", "")
	case !l.db.Has(additional, descriptions) && l.db.Has(descriptions, "Z_PK", "ZASSETATTRIBUTES"):
		s += " LEFT JOIN ZASSETDESCRIPTION d ON d.ZASSETATTRIBUTES = x.Z_PK"
	default:
		reach(descriptions, "d", "x", additional, descriptions)
	}
	reach("ZCLOUDMASTER", "c", "a", l.assets, "ZMASTER")
	reach("ZMOMENT", "m", "a", l.assets, "ZMOMENT")
	return s
}

// read reads assets by their numbers, in that order. What cannot be read goes to rep;
// an error is that of ctx.
func (l *library) read(ctx context.Context, pks []int64, rep extract.Reporter) ([]*Photo, error) {
	found, err := l.readSome(ctx, pks)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if found, err = l.readSingly(ctx, pks, rep); err != nil {
			return nil, err
		}
	}
	list := make([]*Photo, 0, len(pks))
	for _, pk := range pks {
		if p := found[pk]; p != nil {
			list = append(list, p)
		}
	}
	return list, nil
}

// readSingly reads assets one by one, after a broken row has spoiled a portion. Where
// only what is beside an asset is broken, the asset is read without it.
func (l *library) readSingly(ctx context.Context, pks []int64, rep extract.Reporter) (map[int64]*Photo, error) {
	found := map[int64]*Photo{}
	alone := *l
	alone.alone = true
	var broken []int64
	var why error
	for _, pk := range pks {
		one, err := l.readSome(ctx, []int64{pk})
		if err != nil {
			broken, why = append(broken, pk), err
			one, err = alone.readSome(ctx, []int64{pk})
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err == nil {
			found[pk] = one[pk]
		}
	}
	if len(broken) > 0 {
		slices.Sort(broken)
		what := fmt.Sprintf("photo %d", broken[0])
		if n := len(broken); n > 1 {
			what = fmt.Sprintf("%d photos from number %d to %d", n, broken[0], broken[n-1])
		}
		rep.Report(&extract.Problem{What: what, Err: why})
	}
	return found, nil
}

func (l *library) readSome(ctx context.Context, pks []int64) (map[int64]*Photo, error) {
	var c cells
	list, into := l.columns(&c)
	rows, err := l.db.QueryContext(ctx, fmt.Sprintf("SELECT %s FROM %s WHERE a.Z_PK IN (%s)", strings.Join(list, ", "), l.from(), numbers(pks)))
	if err != nil {
		return nil, l.db.Err(ctx, err)
	}
	defer rows.Close()
	found := make(map[int64]*Photo, len(pks))
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return nil, l.db.Err(ctx, err)
		}
		found[c.pk.Int] = l.photo(&c)
	}
	return found, l.db.Err(ctx, rows.Err())
}

// photo makes a record of a row; what only the files and other tables tell is still
// missing in it.
func (l *library) photo(c *cells) *Photo {
	p := &Photo{
		table: l.store.table, pk: c.pk.Int, attributes: c.attributes.Int, folder: c.folder.String, fileName: c.name.String,
		Key: c.uuid.String, UUID: c.uuid.String, UTI: c.uti.String, Width: c.width.Int, Height: c.height.Int, Orientation: c.orientation.Int,
		Seconds: c.seconds.Float, Size: max(c.originalSize.Int, 0), TimeZone: c.zone.String, CameraTime: c.cameraTime.String,
		Added: extract.CocoaTime(c.added.Float), Modified: extract.CocoaTime(c.modified.Float), Trashed: extract.CocoaTime(c.trashed.Float),
		Title: c.title.String, Caption: c.caption.String, ImportedBy: cmp.Or(c.bundle.String, c.creator.String), Favourite: c.favourite.Bool(), Hidden: c.hidden.Bool(),
		Deleted: c.trashedState.Int == 1, Portrait: c.depth.Bool(), Unlisted: c.visibility.Bool(), InCloud: c.cloud.Int == 1 || c.saved.Int == 6, Shared: c.foreign() || l.store == sharedWithYou,
		SharedLibrary: c.library.Int == 1, Spatial: c.spatial.Int > 0,
		Place: c.place(), Camera: c.camera(),
	}
	if l.shares.has(c.share.Int) {
		p.share, p.Shared = c.share.Int, true
	}
	if p.Key == "" {
		p.Key = assetPrefix + strconv.FormatInt(p.pk, 10)
	} else if first, twin := l.twins[p.Key]; twin && first != p.pk {
		p.Key += twinMark + strconv.FormatInt(p.pk, 10)
	}
	p.Key = l.store.prefix + p.Key
	// content-schemas.md 2.1: ZADJUSTMENTSSTATE has 2 and 3 for edited, the column
	// before it was a truth.
	p.Edited = c.adjusted.Int >= 2 || c.edited.Int >= 1
	for _, name := range []string{c.original.String, c.masterName.String, c.name.String, p.Key} {
		if p.Name = name; name != "" {
			break
		}
	}
	p.Kind, p.Subtype = c.kinds()
	if p.Subtype == "" {
		p.SubtypeCode = c.subtype.Int
	}
	if c.kind.Int != 0 && c.kind.Int != 1 {
		p.KindCode = c.kind.Int
	}
	p.Taken, p.zoned = c.taken()
	if c.burst.String != "" {
		p.Burst = &Burst{ID: c.burst.String, Pick: c.pick.Int, Key: c.pick.Int&16 != 0}
	}
	return p
}

// Values of ZSAVEDASSETTYPE of what is no picture of the owner's library: in a shared
// album, behind a link to iCloud that somebody has sent, in a message (iLEAPP, Ph001).
const foreignTypes = "4, 8, 12"

// foreign tells of what others have shared. ZBUNDLESCOPE says the same from iOS 14 on: 1 a
// link, 2 a shared album, 3 a message.
func (c *cells) foreign() bool {
	return c.saved.Int == 4 || c.saved.Int == 8 || c.saved.Int == 12 || c.scope.Int >= 1 && c.scope.Int <= 3
}

// subtypes are ZKINDSUBTYPE (content-schemas.md 2.2).
var subtypes = map[int64]string{0: Still, 1: Panorama, 2: LivePhoto, 10: Screenshot, 100: Video, 101: SlowMotion, 102: TimeLapse, 103: ScreenRecording}

const playsAnimated = 2

func (c *cells) kinds() (kind, subtype string) {
	switch byName := kindOf(c.name.String); {
	case c.kind.Valid && c.kind.Int == 1:
		kind = "video"
	case c.kind.Valid && c.kind.Int == 0, byName == "" && !c.kind.Valid:
		kind = "photo"
	case byName != "":
		kind = byName
	default:
		kind = "file"
	}
	subtype = subtypes[c.subtype.Int]
	switch {
	case kind == "file" && c.subtype.Int == 0:
		subtype = ""
	case kind == "video" && c.subtype.Int == 0:
		subtype = Video
	case subtype != Still:
	case c.playback.Int == playsAnimated:
		subtype = Animated
	case c.screenshot.Bool():
		subtype = Screenshot
	}
	return kind, subtype
}

// taken is the moment of the picture in the zone that it was taken in.
func (c *cells) taken() (at time.Time, zoned bool) {
	const most = 18 * 3600
	at = extract.CocoaTime(c.created.Float)
	if at.IsZero() || !c.offset.Valid || c.offset.Int < -most || c.offset.Int > most {
		return at, false
	}
	return at.In(time.FixedZone("", int(c.offset.Int))), true
}

// place is nil for the phone's "nowhere", -180/-180, and for what is not on Earth.
func (c *cells) place() *Place {
	lat, long := c.lat.Float, c.long.Float
	if !c.lat.Valid || !c.long.Valid || math.Abs(lat) > 90 || math.Abs(long) > 180 {
		return nil
	}
	return &Place{Latitude: lat, Longitude: long, Accuracy: max(c.accuracy.Float, 0), Name: c.moment.String}
}

func (c *cells) camera() *Camera {
	k := Camera{Make: c.maker.String, Model: c.model.String, Lens: c.lens.String, ISO: c.iso.Int, FNumber: c.fNumber.Float, Shutter: c.shutter.Float, Focal: c.focal.Float}
	if k == (Camera{}) {
		return nil
	}
	return &k
}

// The endings of what lies in the folders of a camera roll.
var (
	stills = map[string]bool{".heic": true, ".heif": true, ".jpg": true, ".jpeg": true, ".png": true, ".gif": true, ".tif": true, ".tiff": true, ".webp": true,
		".dng": true, ".bmp": true, ".avif": true, ".jxl": true, ".hif": true, ".raw": true, ".cr2": true, ".cr3": true, ".nef": true, ".arw": true, ".raf": true, ".orf": true, ".rw2": true}
	films = map[string]bool{".mov": true, ".mp4": true, ".m4v": true, ".3gp": true, ".avi": true, ".mpg": true, ".mpeg": true}
)

// kindOf tells by a name's ending whether it is a photo or a video; "" is neither.
func kindOf(name string) string {
	switch ending := strings.ToLower(path.Ext(name)); {
	case stills[ending]:
		return "photo"
	case films[ending]:
		return "video"
	}
	return ""
}
