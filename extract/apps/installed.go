package apps

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/internal/plist"
)

// Bounds of what the lists may hold.
const (
	maxApps = 20_000
	maxText = 500
	maxIcon = 1 << 20
)

// Installed makes a list of apps of what a backup says of them, for
// [extract.Device]. applications and installed are "Applications" and "Installed
// Applications" of Info.plist, manifest is "Applications" of Manifest.plist, which
// also names groups and extensions; each may be nil.
func Installed(applications map[string]any, installed []string, manifest map[string]any) []extract.App {
	known := map[string]*extract.App{}
	add := func(id string) *extract.App {
		if known[id] == nil && validID(id) && len(known) < maxApps {
			known[id] = &extract.App{ID: id}
		}
		return known[id]
	}
	for _, id := range installed {
		add(id)
	}
	for _, id := range slices.Sorted(maps.Keys(applications)) {
		d, _ := applications[id].(map[string]any)
		if a := add(id); a != nil && d != nil {
			describe(a, d)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(manifest)) {
		d, _ := manifest[id].(map[string]any)
		if known[id] == nil && !isApp(d) {
			continue
		}
		a := add(id)
		if a == nil {
			continue
		}
		if a.Version == "" {
			a.Version = text(d["CFBundleVersion"])
		}
		if a.Name == "" {
			a.Name = bundleName(text(d["Path"]))
		}
	}
	list := make([]extract.App, 0, len(known))
	for _, id := range slices.Sorted(maps.Keys(known)) {
		list = append(list, *known[id])
	}
	return list
}

// isApp tells whether an entry of Manifest.plist is an app's, not that of a group or an
// extension. Where its class is not written, the path of its bundle tells.
func isApp(d map[string]any) bool {
	if class, _ := d["ContainerContentClass"].(string); class != "" {
		return class == "Data/Application"
	}
	return bundleName(text(d["Path"])) != ""
}

// describe takes over what Info.plist says: an icon, and what the store has said in a
// property list of its own.
func describe(a *extract.App, d map[string]any) {
	if icon, ok := d["PlaceholderIcon"].([]byte); ok && len(icon) <= maxIcon && len(icon) > 0 {
		a.Icon = icon
	}
	m, _ := d["iTunesMetadata"].(map[string]any)
	if data, _ := d["iTunesMetadata"].([]byte); len(data) > 0 && plist.Unmarshal(data, &m) != nil {
		return
	}
	if m == nil {
		return // an app that is not from the store
	}
	a.Name, a.Seller, a.Genre = text(m["itemName"]), text(m["artistName"]), text(m["genre"])
	if a.Version = text(m["bundleShortVersionString"]); a.Version == "" {
		a.Version = text(m["bundleVersion"])
	}
	if a.Purchased = moment(m["purchaseDate"]); a.Purchased.IsZero() {
		download, _ := m["com.apple.iTunesStore.downloadInfo"].(map[string]any)
		a.Purchased = moment(download["purchaseDate"])
	}
}

// moment is a date, or one as text.
func moment(v any) time.Time {
	switch t := v.(type) {
	case time.Time:
		return t.UTC()
	case string:
		if t, err := time.Parse(time.RFC3339, t); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

// bundleName is what an app calls itself in the path of its bundle, …/Notes.app.
func bundleName(p string) string {
	name := p[strings.LastIndexByte(p, '/')+1:]
	name, ok := strings.CutSuffix(name, ".app")
	if !ok {
		return ""
	}
	return name
}

// text is a text as one line, cut to maxText bytes; a number, as some write versions,
// is its digits.
func text(v any) string {
	var s string
	switch v := v.(type) {
	case string:
		s = v
	case uint64, int64, float64:
		s = fmt.Sprint(v)
	}
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "\uFFFD")), " ")
	for i := range s {
		if i > maxText-utf8.UTFMax {
			return s[:i]
		}
	}
	return s
}

func validID(id string) bool {
	return id != "" && len(id) <= 255 && utf8.ValidString(id) && !strings.ContainsAny(id, "/\x00")
}
