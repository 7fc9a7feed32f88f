package photos

import (
	"fmt"
	"path"
	"strings"
	"time"
	"unicode/utf8"
)

// Names of folders that are made here.
const (
	hiddenFolder  = "Hidden"
	deletedFolder = "Recently Deleted"
	noAlbumFolder = "Not in an album"
	undatedFolder = "Undated"
	sharedFolder  = "Shared with You"
	albumsFolder  = "Albums"
)

// role is what a file is of a photo.
type role string

const (
	roleOriginal role = "original"
	roleLive     role = "live"
	roleRaw      role = "raw"
	roleEdited   role = "edited"
	roleSidecar  role = "sidecar"
	roleSmall    role = "small"
)

// part is a file of a photo: where it is in the Source, and what follows the name
// that all files of the photo share.
type part struct {
	role   role
	origin string
	suffix string // " (edited).jpg"
}

// parts are the files of a photo, those first by which it is known.
func (p *Photo) parts() []part {
	var list []part
	add := func(r role, origin, suffix string) {
		if origin != "" {
			list = append(list, part{r, origin, suffix})
		}
	}
	_, ending := p.exportName()
	add(roleOriginal, p.File, ending)
	add(roleSmall, p.Small, " (small).jpg") // all there is: it must not be taken for the original
	add(roleLive, p.Live, path.Ext(p.Live))
	add(roleRaw, p.Raw, path.Ext(p.Raw))
	for i, e := range p.renderings() {
		suffix := " (edited)"
		if i > 0 && path.Ext(e) == path.Ext(p.Edits[i-1]) {
			suffix = fmt.Sprintf(" (edited %d)", i+1)
		}
		add(roleEdited, e, suffix+path.Ext(e))
	}
	for i, s := range p.Sidecars {
		suffix := path.Ext(s)
		if i > 0 {
			suffix = fmt.Sprintf(" (%d)%s", i+1, suffix)
		}
		add(roleSidecar, s, suffix)
	}
	return list
}

// renderings are the edits that show the whole picture; where none is called so, all.
func (p *Photo) renderings() []string {
	for i, e := range p.Edits {
		if !strings.EqualFold(base(path.Base(e)), "FullSizeRender") {
			if i == 0 {
				return p.Edits
			}
			return p.Edits[:i]
		}
	}
	return p.Edits
}

// exportName is the name that a photo's files share, and the ending of its original:
// that of the original name, unless the file is of another kind.
func (p *Photo) exportName() (name, ending string) {
	name, ending = base(p.Name), path.Ext(p.Name)
	if len(ending) > 10 || strings.Trim(p.Name, ".") == "" || name == "" {
		name, ending = p.Name, ""
	}
	real := path.Ext(p.fileName)
	if real != "" && !sameEnding(ending, real) {
		if kindOf(p.Name) == "" {
			name = p.Name
		}
		ending = real
	}
	return cut(name), ending
}

// cut leaves room for what is appended to a name: names of 255 bytes are allowed on the
// phone, and all files of a photo should still be called alike.
func cut(name string) string {
	const most = 200
	if len(name) <= most {
		return name
	}
	n := most
	for n > 0 && !utf8.RuneStart(name[n]) {
		n--
	}
	return name[:n]
}

func sameEnding(a, b string) bool {
	short := strings.NewReplacer(".jpeg", ".jpg", ".heif", ".heic", ".tiff", ".tif")
	return short.Replace(strings.ToLower(a)) == short.Replace(strings.ToLower(b))
}

// when is the time by which a photo is filed, in the zone of its place or of the owner.
func (p *Photo) when(local *time.Location) time.Time {
	at := p.Taken
	if at.IsZero() { // the camera's own text is in the time of the place
		at, _ = time.ParseInLocation("2006:01:02 15:04:05", p.CameraTime, local)
	}
	for _, t := range []time.Time{p.Added, p.Modified} {
		if at.IsZero() {
			at = t
		}
	}
	if p.zoned || at.IsZero() {
		return at
	}
	return at.In(local)
}

// dateFolder are the folders by date: 2026, 2026-03. What the owner has hidden or
// deleted lies apart.
func (p *Photo) dateFolder(local *time.Location) []string {
	var dir []string
	if p.table == tableShared {
		dir = append(dir, sharedFolder)
	}
	switch {
	case p.Deleted:
		dir = append(dir, deletedFolder)
	case p.Hidden:
		dir = append(dir, hiddenFolder)
	}
	at := p.when(local)
	if at.IsZero() {
		return append(dir, undatedFolder)
	}
	return append(dir, at.Format("2006"), at.Format("2006-01"))
}

// namer gives each photo a name in a folder that no other photo there has, whatever
// the endings: what belongs together is called alike, and nothing else.
type namer map[string]string // folder and name, folded, to key

func (n namer) name(dir []string, wanted, key string) string {
	for i := 1; ; i++ {
		name := wanted
		if i > 1 {
			name = fmt.Sprintf("%s (%d)", wanted, i)
		}
		at := strings.ToLower(strings.Join(dir, "/") + "/" + name)
		if owner, ok := n[at]; !ok || owner == key {
			n[at] = key
			return name
		}
	}
}
