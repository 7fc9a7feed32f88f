package voicememos

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/internal/plist"
)

// Where recordings lie.
var folders = []string{
	"AppDomainGroup-group.com.apple.VoiceMemos*/Recordings",
	"MediaDomain/Media/Recordings",
	"MediaDomain/Library/Recordings",
	"Media/Recordings",
	"Recordings",
}

// databases of a place, the one that counts first.
var databases = []string{"CloudRecordings.db", "Recordings.db"}

var sounds = []string{".m4a", ".qta", ".caf", ".aac", ".wav", ".amr"}

// place is a folder with recordings.
type place struct {
	dir   string
	files map[string]bool // names of files
	edits map[string]bool // names of folders NAME.composition
}

func isSound(name string) bool {
	return !strings.HasPrefix(name, ".") && slices.Contains(sounds, strings.ToLower(path.Ext(name)))
}

// places finds the folders that have recordings or a list of them.
func places(src *extract.Source, rep extract.Reporter) []*place {
	var list []*place
	for _, pattern := range folders {
		for _, dir := range src.Find(pattern) {
			entries, err := fs.ReadDir(src.FS, dir)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				rep.Report(&extract.Problem{What: dir, Err: err})
			}
			p := &place{dir: dir, files: map[string]bool{}, edits: map[string]bool{}}
			for _, e := range entries {
				switch name := e.Name(); {
				case !e.IsDir() && (isSound(name) || slices.Contains(databases, name)):
					p.files[name] = true
				case e.IsDir() && strings.HasSuffix(name, ".composition"):
					p.edits[name] = true
				}
			}
			if len(p.files)+len(p.edits) > 0 {
				list = append(list, p)
			}
		}
	}
	return list
}

// hasSounds tells whether there is anything but databases.
func (p *place) hasSounds() bool {
	for name := range p.files {
		if isSound(name) {
			return true
		}
	}
	return len(p.edits) > 0
}

// strays are the recordings that no row names.
func (p *place) strays(named map[string]bool, src *extract.Source) []*Memo {
	var list []*Memo
	add := func(name, base string) {
		m := &Memo{Key: "file:" + name, Unlisted: true, place: p, base: base, Recorded: p.date(src, base)}
		if info, err := fs.Stat(src.FS, path.Join(p.dir, name)); err == nil && m.Recorded.IsZero() {
			m.Recorded = info.ModTime().UTC()
		}
		list = append(list, m)
	}
	stems := map[string]bool{}
	for name := range named {
		stems[stem(name)] = true
	}
	for name := range p.files {
		if isSound(name) {
			stems[stem(name)] = true
			if !named[name] {
				add(name, name)
			}
		}
	}
	for name := range p.edits {
		if !stems[stem(name)] {
			add(name, stem(name)+".m4a")
		}
	}
	return list
}

func stem(name string) string { return strings.TrimSuffix(name, path.Ext(name)) }

// timeOf is the moment in the name of a file.
func timeOf(name string, local *time.Location) time.Time {
	const form = "20060102 150405"
	if len(name) < len(form) {
		return time.Time{}
	}
	t, err := time.ParseInLocation(form, name[:len(form)], local)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// date is when something was recorded of which no row says it: by the name of its file,
// else by what is beside an edited one.
func (p *place) date(src *extract.Source, base string) time.Time {
	if t := timeOf(base, src.Local()); !t.IsZero() {
		return t
	}
	e, err := p.edit(src, base)
	if err != nil {
		return time.Time{} // complete reports it
	}
	return e.Time
}

// maxManifest bounds manifest.plist, which names a few fragments.
const maxManifest = 1 << 20

// edit is what the folder beside an edited recording says of it.
type edit struct {
	Title string
	Time  time.Time
}

// edit reads that of a recording; of others it is empty.
func (p *place) edit(src *extract.Source, base string) (edit, error) {
	name := stem(base) + ".composition"
	if !p.edits[name] {
		return edit{}, nil
	}
	data, err := src.ReadFile(path.Join(p.dir, name, "manifest.plist"), maxManifest)
	if errors.Is(err, fs.ErrNotExist) {
		return edit{}, nil
	}
	if err != nil {
		return edit{}, err
	}
	var manifest map[string]any
	if err := plist.Unmarshal(data, &manifest); err != nil {
		return edit{}, err
	}
	var e edit
	e.Title, _ = manifest["RCSavedRecordingTitle"].(string)
	switch t := manifest["RCSavedRecordingCreationTime"].(type) {
	case float64:
		e.Time = extract.CocoaTime(t)
	case uint64:
		e.Time = extract.CocoaTime(float64(t))
	}
	return e, nil
}

// parts are the files that an edited recording was put together from.
func (p *place) parts(src *extract.Source, base string) []string {
	name := stem(base) + ".composition"
	if !p.edits[name] {
		return nil
	}
	var list []string
	for _, dir := range []string{path.Join(p.dir, name), path.Join(p.dir, name, "fragments")} {
		entries, err := fs.ReadDir(src.FS, dir)
		if err != nil {
			continue // not every one has both
		}
		for _, e := range entries {
			if !e.IsDir() && isSound(e.Name()) {
				list = append(list, path.Join(dir, e.Name()))
			}
		}
	}
	return list
}
