package apps

import (
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
		if class, _ := d["ContainerContentClass"].(string); class != "Data/Application" && known[id] == nil {
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

// describe takes over what Info.plist says: an icon, and what the store has said in a
// property list of its own.
func describe(a *extract.App, d map[string]any) {
	if icon, ok := d["PlaceholderIcon"].([]byte); ok && len(icon) <= maxIcon && len(icon) > 0 {
		a.Icon = icon
	}
	data, _ := d["iTunesMetadata"].([]byte)
	var m map[string]any
	if len(data) == 0 || plist.Unmarshal(data, &m) != nil {
		return // an app that is not from the store has none
	}
	a.Name, a.Seller, a.Genre = text(m["itemName"]), text(m["artistName"]), text(m["genre"])
	if a.Version = text(m["bundleShortVersionString"]); a.Version == "" {
		a.Version = text(m["bundleVersion"])
	}
	switch t := m["purchaseDate"].(type) {
	case time.Time:
		a.Purchased = t.UTC()
	case string:
		if t, err := time.Parse(time.RFC3339, t); err == nil {
			a.Purchased = t.UTC()
		}
	}
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

func text(v any) string {
	s, _ := v.(string)
	if !utf8.ValidString(s) || len(s) > maxText {
		return ""
	}
	return strings.Join(strings.Fields(s), " ")
}

func validID(id string) bool {
	return id != "" && len(id) <= 255 && utf8.ValidString(id) && !strings.ContainsAny(id, "/\x00")
}
